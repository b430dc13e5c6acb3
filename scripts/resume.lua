#!/usr/bin/env fmlua
-- resume.lua - a parameter sweep that can be stopped at any moment and goes on where it was.
--
--   fmlua scripts/resume.lua [-n POINTS] [JOURNAL]
--
-- Press Ctrl-C or kill it, then start it again: what was computed comes from the journal. Give more POINTS to the next run:
-- only the new ones are computed (each says so on stderr). Change the function: the journal is refused.

local fast_map = require "fast_map"

local usage = "usage: resume.lua [-n POINTS] [JOURNAL]"

local points, journal, i = 40, "sweep.journal", 1
while arg[i] do
  if arg[i] == "-n" then
    points = math.tointeger(tonumber(arg[i + 1]))
    i = i + 1
  elseif arg[i]:sub(1, 1) == "-" then
    points = nil
  else
    journal = arg[i]
  end
  if not points or points < 1 then
    io.stderr:write(usage, "\n")
    os.exit(2)
  end
  i = i + 1
end

-- How often the logistic map with this growth rate visits the upper half: a stand-in for hours of computing.
local function simulate(point)
  io.stderr:write("computing ", point.name, "\n")
  local x, visits = 0.5, 0
  for _ = 1, 300000 do
    x = point.rate * x * (1 - x)
    if x > 0.5 then visits = visits + 1 end
  end
  return visits / 300000
end

local tasks = {}
for k = 1, points do tasks[k] = { name = "point " .. k, rate = 4 - 0.5 / k } end

for k, share in fast_map(simulate, tasks, { journal = journal }) do
  print(("%-10s rate %.4f  upper half %.4f"):format(tasks[k].name, tasks[k].rate, share))
end
