-- kit.lua - for the specs of faults: scripts run as processes of their own, and what they leave behind.

local fast_map = require "fast_map"

local M = {}

local modules = os.getenv "TEST_MODULES" or "tests/stress"
package.cpath = modules .. "/?.so;" .. package.cpath

M.faulty = require "faulty"
M.host = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "lua5.4"
M.fmlua = os.getenv "FMLUA" or M.host
M.scarce = modules .. "/scarce.so"

local own_path = ("package.cpath = %q\npackage.path = %q\n"):format(package.cpath, package.path)
local count = 0

--- A function(low, high) -> integer, a generator of its own: what it draws depends on the seed alone.
function M.new_random(seed)
  local state = seed * 2654435769 + 1
  return function(low, high)
    state = state ~ (state << 13)
    state = state ~ (state >> 7)
    state = state ~ (state << 17)
    return low + (state >> 1) % (high - low + 1)
  end
end

--- The text of a file; "" when there is none.
function M.read(name)
  local file = io.open(name)
  if not file then return "" end
  local text = file:read "a" or ""
  file:close()
  return text
end

function M.write(name, text)
  local file = assert(io.open(name, "w"))
  file:write(text)
  file:close()
end

--- Calls f until it returns something true; false after so many seconds.
function M.await(f, seconds)
  local deadline = fast_map.now() + (seconds or 10)
  repeat
    local value = f()
    if value then return value end
    fast_map.sleep(0.002)
  until fast_map.now() > deadline
  return false
end

--- Not a zombie either.
function M.is_alive(pid)
  local state = M.read(("/proc/%d/stat"):format(pid)):match "%) (%a)"
  return state ~= nil and state ~= "Z"
end

--- The processes that have the mark in their environment.
function M.marked(mark)
  local list = {}
  local pipe = io.popen(("grep -lsF 'FAST_MAP_MARK=%s' /proc/[0-9]*/environ"):format(mark))
  for name in pipe:lines() do
    local pid = tonumber(name:match "%d+")
    if M.is_alive(pid) then list[#list + 1] = pid end
  end
  pipe:close()
  return list
end

--- True when all marked processes are gone within a second.
function M.all_gone(mark)
  return M.await(function() return #M.marked(mark) == 0 end, 1)
end

-- What every script begins with; on one line, so that the script's own lines count from 2.
local prelude = own_path:gsub("\\\n", "\\n"):gsub("\n", " ") ..
  'fast_map = require "fast_map" faulty = require "faulty" fast_map_async = fast_map.fast_map_async ' ..
  'io.stdout:setvbuf "line"\n'

--- Starts a script in the background. o: host, before (shell commands), environment, seconds, from and to (redirections).
--- Returns a table: name of the files made, mark.
function M.start(text, o)
  o = o or {}
  count = count + 1
  local name = os.tmpname()
  local run = { name = name, mark = ("%d-%d-%d"):format(M.faulty.pid(), count, math.random(0)) }
  M.write(name, prelude .. text)
  M.write(name .. ".sh", ([[
    FAST_MAP_MARK=%s; export FAST_MAP_MARK
    (%s
    exec env %s timeout --foreground -k 1 %s %s %s) %s %s
    echo $? >%s.code
  ]]):format(run.mark, o.before or "", o.environment or "", o.seconds or 30, o.host or M.host, name,
    o.from or "</dev/null", o.to or (">%s.out 2>&1"):format(name), name))
  os.execute(("sh %s.sh 2>/dev/null &"):format(name))
  return run
end

function M.output(run)
  return M.read(run.name .. ".out")
end

--- Waits for the first match of the pattern in what the script has written.
function M.says(run, pattern, seconds)
  return M.await(function() return M.output(run):match(pattern) end, seconds)
end

--- Waits for its end; returns output, exit code (124: it was too slow), whether all its processes are gone.
function M.finish(run)
  local code = M.await(function() return tonumber((M.read(run.name .. ".code"))) end, 60)
  local output = M.output(run)
  local gone = M.all_gone(run.mark)
  for _, ending in ipairs { "", ".sh", ".out", ".code" } do os.remove(run.name .. ending) end
  return output, code, gone
end

--- Runs a script to its end.
function M.run(text, o)
  return M.finish(M.start(text, o))
end

return M
