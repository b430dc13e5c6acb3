-- What the Lua programs of the benches share: the task's computation, its calibration, a clock, medians.
local M = {}

--- The tasks' computation, the same in every language: bench/run.lua reckons its result by another way and compares.
function M.spin(x, iterations)
  for _ = 1, iterations do
    x = (x * 5 + 1) & 0xffff
  end
  return x
end

local ok, socket = pcall(require, "socket")

--- Seconds; processor time where nothing better can be had without fast_map (a plain loop never waits).
M.now = ok and socket.gettime or os.clock

function M.median(values)
  table.sort(values)
  local n = #values
  return n % 2 == 1 and values[n // 2 + 1] or (values[n // 2] + values[n // 2 + 1]) / 2
end

--- Iterations of spin that take so many microseconds now: the median of several tries of some milliseconds.
function M.calibrate(microseconds)
  local rates = {}
  for i = 1, 9 do
    local began = os.clock() -- processor time: what else the machine does must not make the tasks shorter
    M.spin(i, 300000)
    rates[i] = 300000 / ((os.clock() - began) * 1e6)
  end
  return math.max(1, math.floor(M.median(rates) * microseconds + 0.5))
end

--- Seconds that the plain loop takes over `count` tasks, from a first part of them of at most a quarter of a second.
function M.plain(f, count, microseconds)
  local part = math.min(count, math.floor(250000 / microseconds) + 1)
  local began = M.now()
  for i = 1, part do
    f(i)
  end
  return (M.now() - began) * count / part
end

function M.sum(results)
  local sum = 0
  for i = 1, #results do
    sum = sum + results[i]
  end
  return sum
end

--- A record as programs send them about, and a table of n of them.
function M.records(n)
  local list = {}
  for i = 1, n do
    list[i] = {id = i, name = "name" .. i, score = i / 7, tags = {"red", "green", "blue"}}
  end
  return list
end

--- Prints one line of key=value figures.
function M.report(figures)
  local words = {}
  for key, value in pairs(figures) do
    words[#words + 1] = key .. "=" .. (math.type(value) == "float" and ("%.9g"):format(value) or tostring(value))
  end
  table.sort(words)
  print(table.concat(words, " "))
end

function M.unknown(workload)
  io.stderr:write("no workload '", tostring(workload), "'\n")
  os.exit(2)
end

return M
