-- trace.lua - a map's timeline in the Trace Event Format, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

local core = require "fast_map.core"

local M = {}

local PIECE = 10000 -- records looked at in one go

-- verdicts of src/worker/port.h
local verdicts = { "done", "error", "memory", "transfer", "timeout", "crash", "cancelled", "fatal" }

-- A time in microseconds.
local function time(seconds)
  return ("%.3f"):format(seconds * 1e6)
end

local function event(out, text)
  out.file:write(out.first and "\n" or ",\n", text)
  out.first = false
end

local function name_process(out, pid, name, order)
  event(out, ('{"ph":"M","name":"process_name","pid":%d,"args":{"name":"%s"}}'):format(pid, name))
  event(out, ('{"ph":"M","name":"process_sort_index","pid":%d,"args":{"sort_index":%d}}'):format(pid, order))
end

local function write_processes(out, map)
  for _, life in ipairs(map:forks()) do
    name_process(out, life.pid, ("worker %d"):format(life.worker), life.worker + 1)
    event(out, ('{"ph":"i","s":"p","name":"fork","pid":%d,"tid":0,"ts":%s}'):format(life.pid, time(life.start)))
    if life.stop then
      event(out, ('{"ph":"i","s":"p","name":"end","pid":%d,"tid":0,"ts":%s}'):format(life.pid, time(life.stop)))
    end
  end
end

local function name_thread(out, r)
  local key = r.pid << 20 | r.thread
  if out.threads[key] then return end
  out.threads[key] = true
  local text = '{"ph":"M","name":"thread_name","pid":%d,"tid":%d,"args":{"name":"thread %d"}}'
  event(out, text:format(r.pid, r.thread, r.thread))
end

local slice = '{"ph":"X","cat":"%s","name":"%s","pid":%d,"tid":%d,"ts":%s,"dur":%s%s}'

local function write_task(out, r)
  name_thread(out, r)
  local args = (',"args":{"index":%d,"attempt":%d,"verdict":"%s","waited_us":%s}')
    :format(r.index, r.attempt, verdicts[r.verdict] or "?", time(r.waited))
  event(out, slice:format("task", "task " .. r.index, r.pid, r.thread, time(r.start), time(r.seconds), args))
  if not r.wait_at then return end
  local most = r.start + r.seconds - r.wait_at -- several waits are drawn as one, from the first on
  event(out, slice:format("wait", "wait", r.pid, r.thread, time(r.wait_at), time(math.max(0, math.min(r.waited, most))), ""))
end

--- Writes the trace of a map that has ended.
---@param map userdata
---@param file file*
function M.write(map, file)
  local out = { file = file, first = true, threads = {} }
  local script, tally = core.pid(), map:tally()
  file:write '{"displayTimeUnit":"ms","traceEvents":['
  name_process(out, script, "script", 0)
  event(out, slice:format("map", "map", script, 0, "0.000", time(tally.wall),
    (',"args":{"tasks":%d,"failed":%d}'):format(tally.delivered, tally.failed)))
  write_processes(out, map)
  local first = 1
  repeat
    local list, count, left_out = map:records(first, PIECE)
    for _, record in ipairs(list) do write_task(out, record) end
    first, out.left_out = first + PIECE, left_out
  until first > count
  file:write(('\n],"otherData":{"left_out":%d}}\n'):format(out.left_out))
end

return M
