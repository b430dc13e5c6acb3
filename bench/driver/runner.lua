-- Runs one program of the benches once, under watch, and judges what it printed.
local runner = {}

--- Set by run.lua: where watch is, and where the programs' error output goes for a moment.
runner.watch = nil
runner.errors = nil

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

function runner.command(words)
  local quoted = {}
  for i, word in ipairs(words) do
    quoted[i] = quote(word)
  end
  return table.concat(quoted, " ")
end

--- The first line that a command prints, or nil when it fails.
function runner.line(command)
  local pipe = io.popen("{ " .. command .. "; } 2>/dev/null </dev/null")
  local line = pipe:read("l")
  return pipe:close() and line or nil
end

--- The telling line of the error output: Lua's first, others' last.
local function last_error()
  local first, last
  for line in io.lines(runner.errors) do
    if line:match("%S") and not line:match("^%s*warnings.warn") then
      first, last = first or line, line
    end
  end
  local line = first and first:match("^%S*lua%S*: ") and first or last
  return line and line:sub(1, 160) or "it said nothing"
end

local ends = {
  limit = "took longer than its %d s",
  memory = "the machine was running out of memory",
  interrupted = "interrupted",
}

--- Figures of the last line that has any, and how the program ended.
local function parse(output)
  local figures, watched
  for line in output:gmatch("[^\n]+") do
    local into = {}
    for key, value in line:gmatch("([%w_]+)=(%S+)") do
      into[key] = tonumber(value) or value
    end
    if line:match("^watch ") then
      watched = into
    elseif into.seconds then
      figures = into
    end
  end
  return figures, watched
end

--- Runs the words; returns figures (those of watch with them), or nil and the reason of the failure.
---@param words string[]
---@param limit number seconds
function runner.run(words, limit)
  local line = runner.command {runner.watch, limit, table.unpack(words)}
  local pipe = io.popen(line .. " 2>" .. quote(runner.errors) .. " </dev/null")
  local figures, watched = parse(pipe:read("a"))
  pipe:close()
  if not watched then
    return nil, "watch failed"
  elseif watched["end"] == "interrupted" then
    error("interrupted!", 0)
  elseif watched["end"] ~= "exit:0" then
    local reason = ends[watched["end"]]
    return nil, reason and reason:format(limit) or watched["end"]:gsub(":", " ") .. ": " .. last_error()
  elseif not figures then
    return nil, "it printed no figures: " .. last_error()
  end
  for key, value in pairs(watched) do
    figures[key] = figures[key] or value
  end
  return figures
end

--- What the sum of spin(k, iterations) for k = 1 .. count must be. The loop is k -> (5 k + 1) mod 2^16 again and again;
--- here it is composed by repeated squaring, so that no program's own loop is trusted.
function runner.spin_sum(count, iterations)
  local a, b, factor, addend = 1, 0, 5, 1
  while iterations > 0 do
    if iterations & 1 == 1 then
      a, b = a * factor & 0xffff, (b * factor + addend) & 0xffff
    end
    factor, addend = factor * factor & 0xffff, (addend * factor + addend) & 0xffff
    iterations = iterations >> 1
  end
  local sum = 0
  for k = 1, count do
    sum = sum + (a * k + b & 0xffff)
  end
  return sum
end

return runner
