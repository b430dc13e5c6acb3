-- A task that came near a file of the script moved its offset: fflush on a stream that has read ahead seeks, and parent and
-- workers share the offset. Lines of io.lines() came twice and cut, or without end.

local fast_map = require "fast_map"

local host = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "lua5.4"

describe("the lines of an input file", function()
  local numbers, script = os.tmpname(), os.tmpname()
  local lines = 5000

  setup(function()
    local f <close> = assert(io.open(numbers, "w"))
    for i = 1, lines do f:write(i, "\n") end
  end)

  teardown(function()
    os.remove(numbers)
    os.remove(script)
  end)

  after_each(function() io.input(io.stdin) end)

  local function count(f, input, options)
    local n = 0
    for i, line in fast_map(f, input, options) do
      n = n + 1
      if line ~= tostring(i) then error(("line %d is %s"):format(i, line)) end
    end
    return n
  end

  local tasks = {
    ["io.write"] = function(line)
      io.write ""
      return line
    end,
    ["io.open"] = function(line)
      local f <close> = assert(io.open(numbers))
      return f and line
    end,
    ["the file itself"] = function(line)
      io.input():flush()
      io.input():close()
      io.input(io.stdin)
      return line
    end,
  }

  for title, task in pairs(tasks) do
    it("come once each while tasks use " .. title, function()
      for _, options in ipairs { {}, { max_tasks_per_worker = 500 }, { procs_limit = 1, threads_limit = 1 } } do
        io.input(numbers)
        assert.equal(lines, count(task, io.lines(), options))
        io.input():close()
      end
    end)
  end

  it("come once each when the task uses another field of the table that holds the file", function()
    local job <close> = setmetatable({ file = assert(io.open(numbers)), n = 0 }, {
      __close = function(job) job.file:close() end,
    })
    assert.equal(lines, count(function(line) return line, job.n end, job.file:lines(), { max_tasks_per_worker = 700 }))
  end)

  it("can be read on after a map", function()
    local job = { file = assert(io.open(numbers)), n = 0 }
    for i = 1, 300, 100 do
      for k = i, i + 99 do assert.equal(tostring(k), job.file:read "l") end
      fast_map.map(function() return job.n end, { 1, 2, 3 }, { procs_limit = 2 })
    end
    assert.equal("301", job.file:read "l")
    job.file:close()
  end)

  for title, command in pairs {
    ["a file"] = "HOST SCRIPT <NUMBERS",
    ["a pipe"] = "cat NUMBERS | HOST SCRIPT",
    -- (what a terminal keeps for a reader that is not there yet)
    ["a terminal"] = "(head -n 600 NUMBERS; printf '\\004') | script -qec 'HOST SCRIPT' /dev/null",
  } do
    it("come once each when standard input is " .. title, function()
      local f = assert(io.open(script, "w"))
      f:write [[
        local fast_map = require "fast_map"
        local n = 0
        local function task(line)
          io.write ""
          io.stdin:flush()
          io.stdin:close()
          return line
        end
        for i, line in fast_map(task, io.lines(), { max_tasks_per_worker = 500 }) do
          if line == tostring(i) then n = n + 1 end
        end
        print(n, io.read "a" == "")
      ]]
      f:close()
      command = command:gsub("%u%u+", { HOST = host, SCRIPT = script, NUMBERS = numbers })
      local pipe = io.popen(('timeout -k 5 60 sh -c "%s" 2>&1'):format(command))
      local text = pipe:read "a"
      pipe:close()
      assert.matches((title == "a terminal" and 600 or lines) .. "\ttrue%s*$", text)
    end)
  end
end)
