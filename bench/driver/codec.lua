-- The serializers: runs bench/codec.lua, which measures them in a process of its own, and keeps its figures.
local runner = require "driver.runner"
local codec = {title = "Serializers, nanoseconds for a value"}

local function rows(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do
    local workload, library, encode, decode, _, note = line:match("^([^,]*),([^,]*),([^,]*),([^,]*),([^,]*),?(.*)$")
    if workload and library ~= "library" then
      list[#list + 1] = {workload = workload:match("^%s*(.-)%s*$"), library = library:match("^%s*(.-)%s*$"),
        encode = tonumber(encode), decode = tonumber(decode), note = note}
    end
  end
  return list
end

--- Keeps a row's figures, and shows them in the CSV files under each of the two experiments.
local function keep(bench, shows, row)
  for _, show in ipairs(shows) do
    bench.figures:add(show.experiment.name, row.workload, row.library, 1, row[show.direction], {})
    if not show.seen[row.workload] then
      show.seen[row.workload] = true
      table.insert(show.points, row.workload)
    end
    if not show.seen[row.library] then
      show.seen[row.library] = true
      table.insert(show.labels, row.library)
    end
  end
end

local function new_shows(bench)
  local shows = {}
  for i, direction in ipairs {"encode", "decode"} do
    shows[i] = {experiment = {name = "codec_" .. direction, unit = "ns", better = "less"}, points = {}, labels = {},
      seen = {}, direction = direction}
    table.insert(bench.shows, shows[i])
  end
  return shows
end

function codec.run(bench, programs, say)
  local words = {"env", programs.fmlua, programs.folder .. "/codec.lua", bench.quick and 2 or 9}
  local pipe = io.popen("timeout 60 " .. runner.command(words) .. " 2>&1 </dev/null")
  local text = pipe:read("a")
  local ok = pipe:close()
  say("\n" .. codec.title .. "  [codec]")
  if not ok then
    say("  failed: " .. (text:match("[^\n]+") or "it said nothing"))
    return
  end
  say(("  %-24s%-14s%10s%10s"):format("", "", "encode", "decode"))
  local shows = new_shows(bench)
  for _, row in ipairs(rows(text)) do
    if row.encode and row.decode then
      say(("  %-24s%-14s%10.1f%10.1f  %s"):format(row.workload, row.library, row.encode, row.decode, row.note))
      keep(bench, shows, row)
    else
      say(("  %-24s%-14s%20s  %s"):format(row.workload, row.library, "failed", row.note))
    end
  end
end

return codec
