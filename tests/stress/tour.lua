-- tour.lua - a little of everything, once each, for a run under a checker of memory (valgrind.sh). Prints `right` at its end.

local fast_map = require "fast_map"

local function each(f, tasks, options, check)
  local count = 0
  for i, v, err in fast_map(f, tasks, options) do
    count = count + 1
    if check then check(i, v, err) end
  end
  return count
end

assert(each(function(x) return x * 2 end, fast_map.range(1, 2000), nil, function(i, v) assert(v == i * 2) end) == 2000)

-- failures, threads, long results, what tasks print
each(function(x)
  io.write "" -- a file of the script's
  if x % 7 == 0 then error { x } end
  fast_map.sleep(0.01)
  return ("x"):rep(x * 3000)
end, { 1, 2, 3, 4, 5, 6, 7, 8 }, { on_error = "return", threads_limit = 4, procs_limit = 2, output = "group", retries = 1,
  retry_delay = 0.01 }, function(i, v, err)
  assert(i % 7 == 0 and err.message[1] == i or #v == i * 3000)
end)

-- callbacks
local got = {}
local handle = fast_map.fast_map_async(function(x) return x end, { 1, 2, 3 }, {
  on_result = function(i) got[#got + 1] = i end,
  on_done = function() got.done = true end,
})
handle:fd()
handle:join()
assert(#got == 3 and got.done)

-- an endless input that is left
local n = 0
for _ in fast_map(function(x) fast_map.sleep(0.01) return x end, fast_map.range(1, math.huge), { threads_limit = 6 }) do
  n = n + 1
  if n == 30 then break end
end

-- maps in maps
each(function(x)
  local sum = 0
  for _, y in fast_map(function(y) return y end, { x, x }) do sum = sum + y end
  return sum
end, { 1, 2, 3 }, nil, function(i, v) assert(v == 2 * i) end)

-- a journal, used twice; ends; progress
local name = os.tmpname()
for _ = 1, 2 do
  each(function(x) return { x, name = "n" .. x } end, { 1, 2, 3, 4 }, { journal = name, init = function() return 1 end,
    exit = function() end, progress = function() end }, function(i, v) assert(v[1] == i) end)
end
os.remove(name)

-- a death, limits
each(function(x)
  if x == 2 then os.execute "kill -9 $PPID" end
  if x == 4 then return #("x"):rep(1 << 24) end
  return x
end, { 1, 2, 3, 4, 5 }, { on_error = "return", procs_limit = 1, timeout = 60, memory_limit = 1 << 23, max_tasks_per_worker = 2 },
  function(i, _, err) assert((err ~= nil) == (i == 2 or i == 4)) end)

-- an input that fails
assert(not pcall(fast_map.map, function() end, function() error "on purpose" end))
print "right"
