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

function codec.run(bench, programs, say)
  local words = {"env", programs.fmlua, programs.folder .. "/codec.lua", bench.quick and 3 or 9}
  local pipe = io.popen("timeout 60 " .. runner.command(words) .. " 2>&1 </dev/null")
  local text = pipe:read("a")
  local ok = pipe:close()
  say("\n" .. codec.title .. "  [codec]")
  if not ok then
    say("  failed: " .. (text:match("[^\n]+") or "it said nothing"))
    return
  end
  say(("  %-14s%-14s%10s%10s"):format("", "", "encode", "decode"))
  for _, row in ipairs(rows(text)) do
    if row.encode and row.decode then
      say(("  %-14s%-14s%10.1f%10.1f  %s"):format(row.workload, row.library, row.encode, row.decode, row.note))
      bench.figures:add("codec_encode", row.workload, row.library, 1, row.encode, {})
      bench.figures:add("codec_decode", row.workload, row.library, 1, row.decode, {})
    else
      say(("  %-14s%-14s%20s  %s"):format(row.workload, row.library, "failed", row.note))
    end
  end
end

return codec
