-- roster.lua - who works on what now: told on stderr when the script gets the signal SIGUSR1.

local core = require "fast_map.core"
local plain = require "fast_map.plain"

local M = {}

local MOST = 20 -- tasks that are named

local open = setmetatable({}, { __mode = "k" }) -- maps that may be running

local function line(task)
  local where = task.where or "waits in C"
  return ("  task %d: %.1f s, process %d, thread %d, %s"):format(task.index, task.seconds, task.pid, task.thread, where)
end

local function append(lines, map)
  local pulled, delivered, processes = map:figures()
  if processes == 0 then return end
  local tasks, count = map:running()
  table.sort(tasks, function(a, b) return a.seconds > b.seconds end)
  lines[#lines + 1] = ("fast_map: %d tasks taken, %d delivered, %d process%s; %d run now"):format(pulled, delivered,
    processes, processes == 1 and "" or "es", count)
  for i = 1, math.min(MOST, #tasks) do lines[#lines + 1] = line(tasks[i]) end
  if count > MOST then lines[#lines + 1] = ("  ... and %d more"):format(count - MOST) end
end

local function text()
  local lines = {}
  for map in pairs(open) do append(lines, map) end
  if #lines == 0 then lines[1] = "fast_map: no map runs" end
  return table.concat(lines, "\n") .. "\n"
end

--- The text: of each map, the tasks that threads work on now, the longest first.
---@return string
function M.text() return plain(text) end

local function tell()
  io.stderr:write(M.text())
end

--- From now on the signal tells of this map, too.
---@param map userdata
function M.add(map)
  open[map] = true
end

if core.depth() == 0 then core.on_report(tell) end -- at once: the signal must not end a script that has no map yet

return M
