#!/usr/bin/env fmlua
-- fast_map_usage.lua - a tour of fast_map in a few steps. Run it, then read it:
--
--   ./fmlua scripts/fast_map_usage.lua

local fast_map = require "fast_map" -- fmlua has it as a global already; any Lua 5.4 can require it

local step = 0
local function title(text)
  step = step + 1
  print(("\n%d. %s"):format(step, text))
end

-- The seconds that f() takes.
local function seconds(f)
  local start = fast_map.now()
  f()
  return fast_map.now() - start
end

title "A loop over a function's results, in the order of the tasks"

local function square(x)
  return x * x
end

for i, y in fast_map(square, { 1, 2, 3, 4 }) do
  print("task " .. i, y)
end

title "Tasks that wait do so all at the same time: 60 tasks of one second"

local function wait(time)
  fast_map.sleep(time) -- or os.execute, a socket, a database: anything that waits
  return time
end

local waits = {}
for i = 1, 60 do waits[i] = 1 end
print(("%.1f seconds"):format(seconds(function() fast_map.map(wait, waits) end)))

title "Tasks that compute use every core"

local function compute(n)
  local sum = 0
  for i = 1, n do sum = sum + i % 7 end
  return sum
end

local work = {}
for i = 1, 24 do work[i] = 1000000 end
local alone = seconds(function() for i = 1, #work do compute(work[i]) end end)
local mapped = seconds(function() fast_map.map(compute, work) end)
print(("plain loop %.2f s, fast_map %.2f s on %d CPUs"):format(alone, mapped, fast_map.cpus()))

title "A result is there as soon as it and all before it are done"

local start = fast_map.now()
for i, time in fast_map(wait, { 0.3, 0.1, 0.6 }) do
  print(("task %d slept %.1f s, delivered after %.1f s"):format(i, time, fast_map.now() - start))
end

title "ordered = false: as they come"

for i, time in fast_map(wait, { 0.3, 0.1, 0.6 }, { ordered = false }) do
  print(("task %d slept %.1f s"):format(i, time))
end

title "Input: lists, ranges, several lists, pairs, iterators (endless ones too)"

for i, y in fast_map(square, fast_map.range(10, 30, 10)) do print("range", i, y) end

local function join(a, b) return a .. "-" .. b end
for i, s in fast_map(join, fast_map.zip({ "a", "b", "c" }, { 1, 2, 3 })) do print("zip", i, s) end

local prices = { tea = 2, coffee = 3 }
local total = 0
for _, _, price in fast_map(function(name, price) return name, price * 2 end, fast_map.each(pairs(prices))) do
  total = total + price
end
print("each", total)

for i, word in fast_map(string.upper, ("read as they are needed"):gmatch "%a+") do print("iterator", i, word) end

local n = 0
local function naturals()
  n = n + 1
  return n
end
for i, y in fast_map(square, naturals, { buffersize = 100 }) do -- looks at most 100 tasks ahead
  if i == 5 then
    print("endless", y)
    break -- cancels the rest and ends its processes
  end
end

title "Any results: nil, false, several, tables"

local function results_of(kind)
  if kind == "several" then return 1, nil, "three" end
  if kind == "table" then return { list = { 1, 2 }, name = "x" } end
  if kind == "false" then return false end
end

for _, a, b, c in fast_map(results_of, { "nothing", "false", "several", "table" }) do
  print(type(a) == "table" and a.list[2] or a, b, c)
end

title "All results in a table"

local all = fast_map.map(square, fast_map.range(1, 1000))
print(all.n, all[1000])

title "Functions bring what they use: upvalues, globals, modules"

local rates = { EUR = 1.0, USD = 1.25 }
function to_euro(amount, currency) return amount / rates[currency] end -- luacheck: ignore (a global on purpose)

for _, euro in fast_map(function(amount) return to_euro(amount, "USD") end, { 10, 20 }) do print(euro) end -- luacheck: ignore

title "An error in a task arrives at its turn, and says where it happened"

local function risky(x)
  if x == 3 then error "three is too much" end
  return x
end

local ok, err = pcall(function()
  for i in fast_map(risky, { 1, 2, 3, 4 }) do print("task " .. i .. " is fine") end
end)
print(ok, err.kind, err.index)
print(err)

for i, value, failure in fast_map(risky, { 1, 2, 3, 4 }, { on_error = "return" }) do -- or go on
  print(i, value, failure and failure.message)
end

title "Limits only limit"

local pid_file = "/proc/self/stat" -- begins with the process's number
local function pid()
  local file = io.open(pid_file)
  local number = file and file:read "n"
  if file then file:close() end
  return number or 0
end

local seen, processes = {}, 0
for _, id in fast_map(pid, fast_map.range(1, 100), { procs_limit = 2, threads_limit = 8 }) do
  if not seen[id] then processes = processes + 1 end
  seen[id] = true
end
print(processes <= 2 and "at most 2 processes" or "too many processes")
