-- The benches' tasks in a plain Lua loop.
-- usage: lua5.4 plain.lua WORKLOAD ARGUMENT...
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local tasks = require "tasks"
local now = tasks.now

local W = {}

function W.noop(count)
  local function f(i) return i end
  local sum = 0
  local began = now()
  for i = 1, count do
    sum = sum + f(i)
  end
  return {seconds = now() - began, checksum = sum}
end

function W.compute(count, microseconds)
  local iterations, spin = tasks.calibrate(microseconds), tasks.spin
  local sum = 0
  local began = now()
  for i = 1, count do
    sum = sum + spin(i, iterations)
  end
  local seconds = now() - began
  return {seconds = seconds, plain = seconds, checksum = sum, iterations = iterations}
end

--- One process's share: bench/physical.c runs as many of these as there are CPUs.
function W.share(count, iterations)
  local sum = 0
  for i = 1, count do
    sum = sum + tasks.spin(i, iterations)
  end
  return {checksum = sum}
end

--- For commands: one task a process.
function W.task(i, iterations)
  print(tasks.spin(i, iterations))
end

function W.calibrate(microseconds)
  print(tasks.calibrate(microseconds))
end

local workload = table.remove(arg, 1)
local numbers = {}
for i, word in ipairs(arg) do
  numbers[i] = math.tointeger(tonumber(word)) or tonumber(word)
end
local figures = (W[workload] or tasks.unknown(workload))(table.unpack(numbers))
if figures then
  tasks.report(figures)
end
