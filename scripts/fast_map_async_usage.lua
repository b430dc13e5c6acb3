#!/usr/bin/env fmlua
-- fast_map_async_usage.lua - maps that run while the script goes on. Run it, then read it:
--
--   ./fmlua scripts/fast_map_async_usage.lua

local fast_map = require "fast_map"
local fast_map_async = fast_map.fast_map_async -- fmlua has both as globals already

local step = 0
local function title(text)
  step = step + 1
  print(("\n%d. %s"):format(step, text))
end

local function wait(time)
  fast_map.sleep(time)
  return time
end

title "Callbacks: one for each result, in order, and one at the end"

local map = fast_map_async(wait, { 0.2, 0.1, 0.3 }, {
  on_result = function(i, time) print(("task %d slept %.1f s"):format(i, time)) end,
  on_done = function() print "done" end,
})
print "the map runs; the script goes on"
map:join() -- waits for the end

title "The script computes, and its callbacks come in between"

local arrived = 0
local finished = false
fast_map_async(wait, { 0.1, 0.2, 0.3 }, {
  on_result = function() arrived = arrived + 1 end,
  on_done = function() finished = true end,
})
local rounds = 0
while not finished do rounds = rounds + 1 end -- calls nothing of fast_map
print(("%d results while the script counted%s"):format(arrived, rounds > 1000 and " on and on" or ""))

title "Waiting for a while, and looking at the map meanwhile"

map = fast_map_async(wait, { 0.1, 1.0 })
if not map:join(0.4) then
  print("not done after 0.4 s; status: " .. (map:status()))
end
map:join()
print "done"

title "callbacks = \"polled\": only when the script says so"

local polled = 0
map = fast_map_async(wait, { 0.1, 0.1 }, {
  callbacks = "polled",
  on_result = function() polled = polled + 1 end,
})
repeat
  map:poll() -- delivers what is there; so do join and fast_map.sleep
  fast_map.sleep(0.01)
until polled == 2
print("polled", polled)

title "Two maps at once"

local order = {}
local function note(name)
  return function(i) order[#order + 1] = name .. i end
end
local a = fast_map_async(wait, { 0.1, 0.5 }, { on_result = note "a" })
local b = fast_map_async(wait, { 0.3, 0.7 }, { on_result = note "b" })
a:join()
b:join()
print(table.concat(order, " "))

title "Errors go to on_error, with the others going on"

map = fast_map_async(function(x)
  if x == 2 then error "two is out" end
  return x
end, { 1, 2, 3 }, {
  on_result = function(i, x) print("result", i, x) end,
  on_error = function(i, err) print("error", i, err.message) end,
})
map:join()

title "cancel: the rest is dropped, its processes end"

map = fast_map_async(wait, fast_map.range(1, 1000), { on_result = function() error "never" end })
map:cancel()
print "cancelled"

title "A to-be-closed map ends with its block"

do
  local short <close> = fast_map_async(wait, { 60, 60 })
  print("started", short ~= nil)
end
print "and gone"

title "The script ends here; this map's callbacks still come before the program exits"

fast_map_async(wait, { 0.1, 0.2 }, {
  on_result = function(i) print("late result", i) end,
  on_done = function() print "the very end" end,
})
