-- The benches' tasks through fast_map, default options unless the workload says otherwise.
-- usage: fmlua fast_map.lua [limit=N] WORKLOAD ARGUMENT...     (limit=N: threads_limit)
local fast_map = require "fast_map" -- before the path leads to this very file
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local tasks = require "tasks"
tasks.now = fast_map.now
local now = fast_map.now

local options = {}
if arg[1] and arg[1]:match("^limit=%d+$") then
  options.threads_limit = math.tointeger(tonumber(arg[1]:sub(7)))
  table.remove(arg, 1)
end

--- Runs the map over 1..count and returns seconds and the sum of the results.
local function run(f, count)
  local sum = 0
  local began = now()
  for _, v in fast_map(f, fast_map.range(1, count), options) do
    sum = sum + v
  end
  return now() - began, sum
end

local W = {}

function W.noop(count)
  local cpu = os.clock()
  local seconds, sum = run(function(i) return i end, count)
  return {seconds = seconds, checksum = sum, cpu_us = (os.clock() - cpu) / count * 1e6}
end

--- The same, all results collected into a table.
function W.noop_collected(count)
  local began = now()
  local results = fast_map.map(function(i) return i end, fast_map.range(1, count), options)
  local seconds = now() - began
  return {seconds = seconds, checksum = tasks.sum(results)}
end

--- The same with a closure of three upvalues, which it only looks at.
function W.noop_closure(count)
  local a, b, c = 1, {2}, "three"
  local seconds, sum = run(function(i) if a and b and c then return i end end, count)
  return {seconds = seconds, checksum = sum}
end

--- cpu: processor time of this process alone (its workers are others) for one delivered result.
function W.compute(count, microseconds)
  local iterations, spin = tasks.calibrate(microseconds), tasks.spin
  local function f(i) return spin(i, iterations) end
  local plain = tasks.plain(f, count, microseconds)
  local cpu = os.clock()
  local seconds, sum = run(f, count)
  cpu = os.clock() - cpu
  plain = (plain + tasks.plain(f, count, microseconds)) / 2 -- half before, half after: the machine's speed drifts
  return {seconds = seconds, plain = plain, checksum = sum, iterations = iterations, cpu_us = cpu / count * 1e6}
end

--- Like compute, the number of iterations given: for the comparison with plain processes (share.lua).
function W.iterate(count, iterations)
  local spin = tasks.spin
  local seconds, sum = run(function(i) return spin(i, iterations) end, count)
  return {seconds = seconds, checksum = sum, iterations = iterations}
end

function W.wait(count, duration)
  local sleep = fast_map.sleep
  local seconds, sum = run(function(i) sleep(duration) return i end, count)
  return {seconds = seconds, checksum = sum}
end

function W.wait_compute(count, duration, microseconds)
  local iterations, spin, sleep = tasks.calibrate(microseconds), tasks.spin, fast_map.sleep
  local function f(i) return spin(i, iterations) end
  local plain = tasks.plain(f, count, microseconds)
  local seconds, sum = run(function(i) sleep(duration) return spin(i, iterations) end, count)
  plain = (plain + tasks.plain(f, count, microseconds)) / 2
  return {seconds = seconds, plain = plain, checksum = sum, iterations = iterations}
end

--- Every tenth task waits 0.1 s, the others compute.
function W.mixed(count, microseconds)
  local iterations, spin, sleep = tasks.calibrate(microseconds), tasks.spin, fast_map.sleep
  local seconds, sum = run(function(i)
    if i % 10 == 0 then
      sleep(0.1)
      return i
    end
    return spin(i, iterations)
  end, count)
  return {seconds = seconds, checksum = sum, iterations = iterations}
end

function W.echo(count, size)
  local strings, inputs, sum = {}, {}, 0
  for i = 1, 4 do
    strings[i] = string.char(64 + i):rep(size)
  end
  for i = 1, count do
    inputs[i] = strings[i % 4 + 1]
  end
  local began = now()
  for _, s in fast_map(function(s) return s end, inputs, options) do
    sum = sum + #s + s:byte(-1)
  end
  return {seconds = now() - began, checksum = sum}
end

--- Tables of records echoed; cjson: what encoding and decoding the same twice in this process costs.
function W.records(count, size)
  local list, sum = tasks.records(size), 0
  local inputs = {}
  for i = 1, count do
    inputs[i] = list
  end
  local began = now()
  for _, t in fast_map(function(t) return t end, inputs, options) do
    sum = sum + t[#t].id
  end
  local seconds, cjson = now() - began
  local found, json = pcall(require, "cjson")
  if found then
    began = now()
    for _ = 1, count do
      json.decode(json.encode(json.decode(json.encode(list))))
    end
    cjson = now() - began
  end
  return {seconds = seconds, checksum = sum, cjson = cjson}
end

--- Seconds until the result is in hand, and until the map has ended; the result.
local function one_map()
  local began, first, result = now()
  for _, v in fast_map(function(i) return i end, {1}, options) do
    first, result = now() - began, v
  end
  return first, now() - began, result
end

--- One task from call to result, to the end of its map, and a fork of this same process, by turns.
function W.startup(repeats)
  local firsts, maps, forks, sum = {}, {}, {}, 0
  local found, fork_cost = pcall(require, "fork_cost")
  for i = 1, repeats do
    local v
    firsts[i], maps[i], v = one_map()
    sum = sum + v
    if found then
      forks[i] = fork_cost()
    end
  end
  return {
    seconds = tasks.median(maps), first = tasks.median(firsts), fork = found and tasks.median(forks) or nil,
    checksum = sum // repeats,
  }
end

--- The same in a script with 1,000 globals and 100 modules, which the task does not use.
function W.startup_crowded(repeats)
  for i = 1, 1000 do
    _G["global" .. i] = {i, tostring(i)}
  end
  for i = 1, 100 do
    local module = {name = "module" .. i}
    for k = 1, 20 do
      module["f" .. k] = function() return module, k end
    end
    package.loaded[module.name] = module
  end
  return W.startup(repeats)
end

--- The same with a heap of so many megabytes: tables of floats and many strings.
function W.heap(repeats, megabytes)
  local heap = {}
  collectgarbage("stop")
  while collectgarbage("count") < megabytes * 1024 do
    local part = {}
    for k = 1, 8192 do
      part[k] = k + 0.5
    end
    for k = 1, 1024 do
      part[8192 + k] = "string " .. #heap .. ":" .. k
    end
    heap[#heap + 1] = part
  end
  local figures = W.startup(repeats)
  figures.heap_mb = collectgarbage("count") // 1024
  assert(heap[1][1] == 1.5)
  return figures
end

local workload = table.remove(arg, 1)
local numbers = {}
for i, word in ipairs(arg) do
  numbers[i] = math.tointeger(tonumber(word)) or tonumber(word)
end
tasks.report((W[workload] or tasks.unknown(workload))(table.unpack(numbers)))
