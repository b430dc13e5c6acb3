#!/usr/bin/env fmlua
-- sweep.lua - tries a simulation with every combination of some parameters, and shows which is best.
--
--   fmlua scripts/sweep.lua [-s SEED] [-r ROUNDS] > results.csv
--
-- The simulation: customers come at random to a number of counters, wait in one line, and are served. What is the cheapest
-- number of counters, for each number of customers an hour, when waiting costs money, and counters too?

local fast_map = require "fast_map"

local settings = { ["-s"] = 1, ["-r"] = 20000 }
for i = 1, #arg, 2 do
  local value = math.tointeger(tonumber(arg[i + 1]))
  if not settings[arg[i]] or not value or arg[i] == "-r" and value < 1 then
    io.stderr:write "usage: sweep.lua [-s SEED] [-r ROUNDS] > results.csv\n"
    os.exit(2)
  end
  settings[arg[i]] = value
end
local rounds = settings["-r"]

-- Every combination; each is one task. Endless or adaptive ones would do as well.
local function combinations()
  for customers = 20, 100, 20 do
    for counters = 1, 10 do coroutine.yield(customers, counters) end
  end
end

local function exponential(mean)
  return -mean * math.log(1 - math.random())
end

-- The task: the cost of an hour. Its random numbers follow from the seed and the task's number, so that each combination
-- gives the same result in every run, on any number of cores.
local function simulate(customers, counters)
  local free_at = {} -- when each counter is free again
  for i = 1, counters do free_at[i] = 0 end
  local now, waited = 0, 0
  for _ = 1, rounds do
    now = now + exponential(1 / customers)
    local first = 1
    for i = 2, counters do
      if free_at[i] < free_at[first] then first = i end
    end
    local start = math.max(now, free_at[first])
    waited = waited + start - now
    free_at[first] = start + exponential(1 / 15) -- 15 customers an hour
  end
  local cost = 12 * counters + 20 * waited / now
  return customers, counters, cost
end

local best = {}
print "customers,counters,cost"
for _, customers, counters, cost in fast_map(simulate, coroutine.wrap(combinations), { seed = settings["-s"] }) do
  print(("%d,%d,%.2f"):format(customers, counters, cost))
  local known = best[customers]
  if not known or cost < known.cost then best[customers] = { counters = counters, cost = cost } end
end
for customers = 20, 100, 20 do
  local b = best[customers]
  io.stderr:write(("%d customers an hour: %d counters, %.2f\n"):format(customers, b.counters, b.cost))
end
