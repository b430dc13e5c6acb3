-- What a script sees: each promise of the API is a test here.
-- Loops that are left at once are what is tested:
-- luacheck: ignore 512

local fast_map = require "fast_map"

local host = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "lua5.4"

-- The number of the process that runs this (begins Linux's stat file).
local function pid()
  local file = assert(io.open "/proc/self/stat")
  local number = file:read "n"
  file:close()
  return number
end

-- Not a zombie either: its parent has reaped it.
local function is_alive(number)
  local file = io.open(("/proc/%d/stat"):format(number))
  if file then file:close() end
  return file ~= nil
end

-- The processes whose parent is this one.
local function children()
  local list, me = {}, pid()
  local pipe = io.popen "echo /proc/[0-9]*/stat"
  local names = pipe:read "a"
  pipe:close()
  for name in names:gmatch "%S+" do
    local file = io.open(name)
    local text = file and file:read "a"
    if file then file:close() end
    local id, parent = (text or ""):match "^(%d+) %(.*%) %a (%d+) "
    if tonumber(parent) == me then list[#list + 1] = tonumber(id) end
  end
  return list
end

local function wait(seconds, ...)
  fast_map.sleep(seconds)
  return seconds, ...
end

local function times(n, value)
  local list = {}
  for i = 1, n do list[i] = value end
  return list
end

-- Seconds that f() takes.
local function seconds(f)
  local start = fast_map.now()
  f()
  return fast_map.now() - start
end

local function between(low, high, value)
  assert(value >= low and value <= high, ("%s is not in [%s, %s]"):format(value, low, high))
end

-- All that an iterator yields, each round as a table.pack.
local function collect(...)
  local rounds = {}
  local function note(index, ...)
    if index == nil then return false end
    rounds[#rounds + 1] = table.pack(index, ...)
    return true
  end
  local iterator, state, control, closing = ...
  local _ <close> = closing
  while true do
    local round = table.pack(iterator(state, control))
    control = round[1]
    if not note(table.unpack(round, 1, round.n)) then return rounds end
  end
end

-- Runs Lua text in a process of its own; returns its output (errors too) and exit code.
local function run(text)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(text)
  file:close()
  local _, _, code = os.execute(("timeout -k 5 60 %s %s >%s.out 2>&1 </dev/null"):format(host, name, name))
  file = assert(io.open(name .. ".out"))
  local output = file:read "a"
  file:close()
  os.remove(name)
  os.remove(name .. ".out")
  return output, code
end

-- The message of the error that f raises, without its place, which is returned too.
local function complaint(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  local place, text = tostring(message):match "^([^:]+:%d+): (.*)$"
  return text or message, place
end

local function current_line()
  return debug.getinfo(2, "l").currentline
end

describe("the iterator", function()
  it("yields index and result in the order of the tasks", function()
    local rounds = {}
    for i, v in fast_map(function(x) return x * 10 end, { 3, 1, 2 }) do rounds[#rounds + 1] = { i, v } end
    assert.same({ { 1, 30 }, { 2, 10 }, { 3, 20 } }, rounds)
  end)

  it("keeps input order when workers finish backwards", function()
    local order = {}
    for i, v in fast_map(wait, { 0.4, 0.3, 0.2, 0.1, 0 }) do order[i] = v end
    assert.same({ 0.4, 0.3, 0.2, 0.1, 0 }, order)
  end)

  it("hands over a result as soon as it and all before it are done", function()
    local after
    local start = fast_map.now()
    for i in fast_map(wait, { 0.1, 5 }) do
      assert.equal(1, i)
      after = fast_map.now() - start
      break
    end
    between(0.1, 2, after)
  end)

  it("yields every result: nil, false, several values, trailing nils, none", function()
    local function results(kind)
      if kind == 1 then return nil end
      if kind == 2 then return false end
      if kind == 3 then return 1, nil, "x", nil, nil end
      if kind == 4 then return end
      return { list = { 1, { 2 } } }
    end
    local rounds = collect(fast_map(results, { 1, 2, 3, 4, 5 }))
    assert.same({
      { 1, nil, n = 2 },
      { 2, false, n = 2 },
      { 3, 1, nil, "x", nil, nil, n = 6 },
      { 4, n = 1 },
      { 5, { list = { 1, { 2 } } }, n = 2 },
    }, rounds)
  end)

  it("ends at once for no tasks", function()
    assert.same({}, collect(fast_map(error, {})))
    assert.same({}, collect(fast_map(error, fast_map.range(1, 0))))
    assert.same({}, collect(fast_map(error, function() end)))
    assert.same({ n = 0 }, fast_map.map(error, {}))
  end)

  it("yields results as they come with ordered = false, each with its index", function()
    local order, values = {}, {}
    for i, v in fast_map(wait, { 1, 0.5, 0 }, { ordered = false }) do
      order[#order + 1] = i
      values[i] = v
    end
    assert.same({ 3, 2, 1 }, order)
    assert.same({ 1, 0.5, 0 }, values)
  end)

  it("calls the function in other processes", function()
    local me = pid()
    for _, other in fast_map(pid, { 1, 2 }) do assert.not_equal(me, other) end
  end)

  it("is correct with 100,000 tasks", function()
    local sum, last = 0, 0
    for i, v in fast_map(function(x) return x + 1 end, fast_map.range(1, 100000)) do
      assert(i == last + 1 and v == i + 1)
      last, sum = i, sum + v
    end
    assert.equal(100000, last)
    assert.equal(5000150000, sum)
  end)
end)

describe("tasks", function()
  local function double(x) return x * 2 end

  it("may be a sequence", function()
    assert.same({ 2, 4, 6, n = 3 }, fast_map.map(double, { 1, 2, 3 }))
  end)

  it("may be nil in a table with a field n", function()
    local kinds = fast_map.map(function(x) return type(x) end, table.pack(nil, 1, nil))
    assert.same({ "nil", "number", "nil", n = 3 }, kinds)
  end)

  it("may be an object with __index and __len", function()
    local object = setmetatable({}, { __len = function() return 3 end, __index = function(_, k) return k * 100 end })
    assert.same({ 200, 400, 600, n = 3 }, fast_map.map(double, object))
  end)

  it("may be a range", function()
    assert.same({ 2, 6, 10, n = 3 }, fast_map.map(double, fast_map.range(1, 5, 2)))
    assert.same({ 6, 4, 2, n = 3 }, fast_map.map(double, fast_map.range(3, 1, -1)))
    assert.same({ 1.0, 2.0, n = 2 }, fast_map.map(double, fast_map.range(0.5, 1, 0.5)))
  end)

  it("may have several arguments from several lists", function()
    local function join(...) return table.concat({ ... }, "-") end
    assert.same({ "a-1", "b-2", n = 2 }, fast_map.map(join, fast_map.zip({ "a", "b", "c" }, fast_map.range(1, 2))))
  end)

  it("may be a generic for's values", function()
    local seen = {}
    for _, k, v in fast_map(function(k, v) return k, v end, fast_map.each(pairs { a = 1, b = 2 })) do seen[k] = v end
    assert.same({ a = 1, b = 2 }, seen)
  end)

  it("may be an iterator: string.gmatch, coroutine.wrap, io.lines", function()
    assert.same({ "A", "B", n = 2 }, fast_map.map(string.upper, ("a b"):gmatch "%a"))
    local wrapped = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
    assert.same({ 2, 4, 6, n = 3 }, fast_map.map(double, wrapped))
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write "one\ntwo\n"
    file:close()
    assert.same({ "ONE", "TWO", n = 2 }, fast_map.map(string.upper, io.lines(name)))
    os.remove(name)
  end)

  it("are never pulled more than buffersize ahead of the one being delivered", function()
    local pulled, most = 0, 0
    local function endless()
      pulled = pulled + 1
      return pulled
    end
    for i in fast_map(double, endless, { buffersize = 10 }) do
      most = math.max(most, pulled - i)
      if i == 500 then break end
    end
    assert.is_true(most <= 10, most)
    assert.is_true(pulled <= 511)
  end)

  it("are not pulled ahead without end behind a slow first task", function()
    local pulled = 0
    local function endless()
      pulled = pulled + 1
      return pulled == 1 and 0.5 or 0
    end
    for _ in fast_map(wait, endless, { buffersize = 20 }) do break end
    between(1, 1 + 20, pulled)
  end)

  it("may be endless", function()
    local last
    for i, v in fast_map(double, fast_map.range(1, math.huge)) do
      last = v
      if i == 1000 then break end
    end
    assert.equal(2000, last)
  end)

  it("are pulled in the script's own state", function()
    local seen = {}
    local function iterator()
      if #seen < 5 then
        seen[#seen + 1] = pid()
        return #seen
      end
    end
    fast_map.map(double, iterator)
    assert.same(times(5, pid()), seen)
  end)

  it("whose iterator raises pass its error on as it is", function()
    local err = { "mine" }
    local count = 0
    local function iterator()
      count = count + 1
      if count == 4 then error(err) end
      return count
    end
    local ok, message = pcall(fast_map.map, double, iterator)
    assert.is_false(ok)
    assert.equal(err, message)
    assert.equal(4, count)
  end)

  it("that are a map are refused with the way to do it", function()
    assert.equal(
      'tasks is a map (it has the key "a", but no item 1): use fast_map.each(pairs(t)) to run over its pairs',
      (complaint(function() fast_map.map(double, { a = 1 }) end)))
  end)

  it("travel whole: numbers, strings, nested tables, shared and cyclic ones", function()
    local shared = { 1 }
    local cycle = { name = "c" }
    cycle.self = cycle
    local values = {
      0, -1, math.maxinteger, math.mininteger, 1.5, -0.0, math.huge, "", "a\0b", ("x"):rep(300000), true, false,
      { 1, 2, { 3, k = "v" } }, { shared, shared }, cycle,
    }
    local back = fast_map.map(function(x) return x end, values)
    assert.same(values[13], back[13])
    assert.equal(back[14][1], back[14][2])
    assert.equal(back[15], back[15].self)
    for i = 1, 12 do
      assert.equal(values[i], back[i])
      assert.equal(math.type(values[i]), math.type(back[i]))
    end
    assert.equal(-math.huge, 1 / back[6])
    local nan = fast_map.map(function(x) return x end, { 0 / 0 })[1]
    assert.is_true(nan ~= nan)
  end)
end)

describe("fast_map.map", function()
  it("collects the results into a table with the field n", function()
    assert.same({ 1, 4, 9, n = 3 }, fast_map.map(function(x) return x * x end, { 1, 2, 3 }))
  end)

  it("counts nil results", function()
    local results = fast_map.map(function(x) if x ~= 2 then return x end end, { 1, 2, 3, 4 })
    assert.equal(4, results.n)
    assert.is_nil(results[2])
    assert.equal(4, results[4])
  end)
end)

describe("processes and threads", function()
  -- How many tasks each process ran.
  local function processes(f, tasks, options)
    local count, by_pid = 0, {}
    for _, id in fast_map(f, tasks, options) do
      if not by_pid[id] then count = count + 1 end
      by_pid[id] = (by_pid[id] or 0) + 1
    end
    return count, by_pid
  end

  local function wait_in(time)
    fast_map.sleep(time)
    return pid()
  end

  it("let 60 tasks that sleep 1 s take about 1 s", function()
    between(1, 3, seconds(function() fast_map.map(wait, times(60, 1)) end))
  end)

  it("obey threads_limit together: 8 tasks of half a second on 4 threads take a second", function()
    between(1, 3, seconds(function() fast_map.map(wait, times(8, 0.5), { threads_limit = 4 }) end))
  end)

  it("are one and one with threads_limit = 1", function()
    local count
    between(0.8, 2.5, seconds(function() count = processes(wait_in, times(8, 0.1), { threads_limit = 1 }) end))
    assert.equal(1, count)
  end)

  it("bound the threads by a share of the CPUs", function()
    local waiting = seconds(function() fast_map.map(wait, times(4 * fast_map.cpus(), 0.2), { threads_limit = "100%" }) end)
    between(0.75, 10, waiting) -- four rounds of 0.2 s
  end)

  it("are kept low for other programs by nice", function()
    local function niceness()
      local file <close> = io.open "/proc/thread-self/stat"
      return tonumber(file:read("a"):match("%) " .. ("%S+ "):rep(16) .. "(%S+)"))
    end
    local own = niceness()
    for _, value in fast_map(function() fast_map.sleep(0.05) return niceness() end, times(8, 0), { nice = 5 }) do
      assert.equal(math.min(own + 5, 19), value)
    end
    assert.equal(own, niceness())
  end)

  it("are as many processes as CPUs, and no more than procs_limit", function()
    assert.equal(fast_map.cpus(), (processes(wait_in, times(8 * fast_map.cpus(), 0.1))))
    assert.equal(1, (processes(wait_in, times(20, 0.05), { procs_limit = 1 })))
    assert.equal(3, (processes(wait_in, times(30, 0.1), { procs_limit = 3 })))
    assert.equal(fast_map.cpus(), (processes(wait_in, times(8 * fast_map.cpus(), 0.1), { procs_limit = "100%" })))
  end)

  it("are never more processes than tasks or threads", function()
    assert.equal(1, (processes(wait_in, { 0 }, { procs_limit = 4 })))
    assert.equal(2, (processes(wait_in, { 0.2, 0.2 }, { procs_limit = 4 })))
    assert.equal(2, (processes(wait_in, times(8, 0.1), { procs_limit = 4, threads_limit = 2 })))
  end)

  it("may have limits far above what is there", function()
    assert.equal(10, fast_map.map(wait, times(10, 0), { threads_limit = 1 << 40, buffersize = 1 << 50 }).n)
    assert.equal(10, fast_map.map(wait, times(10, 0), { threads_limit = math.huge, procs_limit = math.huge }).n)
  end)

  it("get equal tasks evenly", function()
    local most -- of one process: a busy machine may hold one up, so of several tries one must be even
    for _ = 1, 5 do
      local count, by_pid = processes(wait_in, times(1000, 0.002), { procs_limit = 2 })
      assert.equal(2, count)
      most = 0
      for _, tasks in pairs(by_pid) do most = math.max(most, tasks) end
      if most <= 550 then break end
    end
    assert.is_true(most <= 550, most)
  end)

  it("cost the waiting parent next to nothing", function()
    local before = os.clock()
    fast_map.map(wait, times(8, 3))
    assert.is_true(os.clock() - before < 0.05, os.clock() - before)
  end)

  it("compute at the same time in all processes", function()
    local function compute() -- returns its process, and when it began and ended
      local start, x = fast_map.now(), 0
      for i = 1, 5000000 do x = x + i % 3 end
      return pid(), start, fast_map.now()
    end
    local spans, overlapping = {}, false
    for _, id, start, stop in fast_map(compute, times(16, 1), { procs_limit = 2 }) do
      for _, span in ipairs(spans) do
        overlapping = overlapping or id ~= span.id and start < span.stop and span.start < stop
      end
      spans[#spans + 1] = { id = id, start = start, stop = stop }
    end
    assert.is_true(overlapping)
  end)

  it("draw different random numbers", function()
    local seen = {}
    for _, number in fast_map(function() return math.random(0) end, times(200, 1)) do
      assert.is_nil(seen[number])
      seen[number] = true
    end
  end)
end)

describe("leaving the loop", function()
  -- Starts a map of long tasks, calls leave(iterator...) and checks that nothing of it is left after that.
  local function leaves_nothing(leave)
    local before = #children()
    local time = seconds(leave)
    assert.equal(before, #children())
    assert.is_true(time < 5, time)
  end

  local tasks = times(20, 60)
  tasks[1] = 0

  it("by break ends the map's processes", function()
    leaves_nothing(function()
      for i, _, id in fast_map(function(t) fast_map.sleep(t) return t, pid() end, tasks) do
        assert.equal(1, i)
        assert.is_true(is_alive(id))
        break
      end
    end)
  end)

  it("by return ends the map's processes", function()
    leaves_nothing(function()
      for i in fast_map(wait, tasks) do return i end
    end)
  end)

  it("by goto ends the map's processes", function()
    leaves_nothing(function()
      for _ in fast_map(wait, tasks) do goto out end
      ::out::
    end)
  end)

  it("by an error ends the map's processes and passes it on", function()
    leaves_nothing(function()
      local err = {}
      local ok, message = pcall(function()
        for _ in fast_map(wait, tasks) do error(err) end
      end)
      assert.is_false(ok)
      assert.equal(err, message)
    end)
  end)

  it("by its end ends the map's processes", function()
    leaves_nothing(function() fast_map.map(wait, times(10, 0)) end)
  end)

  it("of a map whose task failed ends its processes", function()
    leaves_nothing(function()
      pcall(fast_map.map, function(t) if t == 0 then error "x" end fast_map.sleep(t) end, tasks)
    end)
  end)

  it("closes the input's closing value", function()
    local closed = 0
    local closing = setmetatable({}, { __close = function() closed = closed + 1 end })
    local function ones() return 1 end
    for _ in fast_map(wait, fast_map.each(function() return 0 end, nil, nil, closing)) do break end
    assert.equal(1, closed)
    pcall(fast_map.map, error, fast_map.each(ones, nil, nil, closing))
    assert.equal(2, closed)
    fast_map.map(wait, fast_map.each(function() end, nil, nil, closing))
    assert.equal(3, closed)
  end)

  it("by dropping the iterator ends the map's processes when it is collected", function()
    leaves_nothing(function()
      do
        local iterator, state, control = fast_map(wait, tasks)
        iterator(state, control)
      end
      collectgarbage()
      collectgarbage()
    end)
  end)
end)

describe("several maps", function()
  it("may be interleaved", function()
    local a, a_state, a_control, a_close = fast_map(function(x) return "a" .. x end, fast_map.range(1, 50))
    local b, b_state, b_control, b_close = fast_map(function(x) return "b" .. x end, fast_map.range(1, 50))
    local _ <close> = a_close
    local _ <close> = b_close
    for k = 1, 50 do
      local i, v = a(a_state, a_control)
      assert.same({ k, "a" .. k }, { i, v })
      a_control = i
      i, v = b(b_state, b_control)
      assert.same({ k, "b" .. k }, { i, v })
      b_control = i
    end
    assert.is_nil((a(a_state, a_control)))
    assert.is_nil((b(b_state, b_control)))
  end)

  it("may be nested in the loop", function()
    local seen = {}
    for i in fast_map(wait, times(3, 0)) do
      for j, v in fast_map(function(x) return x * i end, { 1, 10 }) do seen[#seen + 1] = { i, j, v } end
    end
    assert.same({ { 1, 1, 1 }, { 1, 2, 10 }, { 2, 1, 2 }, { 2, 2, 20 }, { 3, 1, 3 }, { 3, 2, 30 } }, seen)
  end)

  it("may be nested in tasks", function()
    if os.getenv "NO_NESTED_MAPS" then return end
    local results = fast_map.map(function(n)
      local sum = 0
      for _, v in fast_map(function(x) return x * x end, fast_map.range(1, n)) do sum = sum + v end
      return sum
    end, { 1, 2, 3, 10 })
    assert.same({ 1, 5, 14, 385, n = 4 }, results)
  end)

  it("may feed one another", function()
    local function naturals()
      return coroutine.wrap(function()
        for _, v in fast_map(function(x) return x + 1 end, { 1, 2, 3 }) do coroutine.yield(v) end
      end)
    end
    assert.same({ 20, 30, 40, n = 3 }, fast_map.map(function(x) return x * 10 end, naturals()))
  end)

  it("may run in coroutines that take turns", function()
    local function squares()
      return coroutine.wrap(function()
        for _, v in fast_map(function(x) return x * x end, fast_map.range(1, 20)) do coroutine.yield(v) end
      end)
    end
    local a, b = squares(), squares()
    for k = 1, 20 do
      assert.equal(k * k, a())
      assert.equal(k * k, b())
    end
  end)

  it("can follow one another many times", function()
    for k = 1, 200 do assert.same({ k, n = 1 }, fast_map.map(function(x) return x end, { k })) end
    assert.equal(0, #children())
  end)
end)

describe("an error in a task", function()
  local line = current_line() + 2
  local function risky(x)
    if x == 3 then error("no " .. x) end
    if x == 4 then error { code = 7 } end
    if x == 5 then error() end
    return x
  end

  it("is raised at its turn, after everything before it was delivered", function()
    local seen = {}
    local ok, err = pcall(function()
      for i in fast_map(risky, { 1, 2, 3, 1 }) do seen[#seen + 1] = i end
    end)
    assert.is_false(ok)
    assert.same({ 1, 2 }, seen)
    assert.equal(3, err.index)
    assert.equal("error", err.kind)
    assert.equal(1, err.attempt)
    assert.equal("integer", math.type(err.pid))
    assert.matches(("api_spec.lua:%d: no 3$"):format(line), err.message)
    assert.matches("stack traceback:", err.traceback, 1, true)
    assert.matches(("api_spec.lua:%d:"):format(line), err.traceback, 1, true)
  end)

  it("shows itself with the worker's traceback", function()
    local _, err = pcall(fast_map.map, risky, { 3 })
    assert.matches(("^task 1 failed: [^\n]*api_spec.lua:%d: no 3\n  in worker %%d+, attempt 1:\nstack traceback:\n")
      :format(line), tostring(err))
  end)

  it("keeps the original error value", function()
    local _, err = pcall(fast_map.map, risky, { 4 })
    assert.same({ code = 7 }, err.message)
    _, err = pcall(fast_map.map, risky, { 5 })
    assert.is_nil(err.message)
    assert.equal("error", err.kind)
  end)

  it("is returned with on_error = \"return\", and the map goes on", function()
    local rounds = collect(fast_map(risky, { 1, 3, 2 }, { on_error = "return" }))
    assert.same({ 1, 1, n = 2 }, rounds[1])
    assert.same({ 3, 2, n = 2 }, rounds[3])
    assert.equal(3, rounds[2].n)
    assert.equal(2, rounds[2][1])
    assert.is_nil(rounds[2][2])
    assert.equal(2, rounds[2][3].index)
    assert.equal(3, #rounds)
  end)

  it("is in the results' errors with on_error = \"return\", which are empty when there is none", function()
    local results = fast_map.map(risky, { 1, 3, 2 }, { on_error = "return" })
    assert.equal(2, results.errors[2].index)
    assert.is_nil(next(results.errors, 2))
    assert.same({}, fast_map.map(risky, { 1, 2 }, { on_error = "return" }).errors)
    assert.is_nil(fast_map.map(risky, { 1, 2 }).errors)
    local _, err = pcall(fast_map.map, risky, { 3 })
    assert.is_nil(fast_map.map(function() return nil, err end, { 1 }).errors) -- it is a result
  end)

  it("is given to on_error at its turn, and the map goes on", function()
    local log = {}
    local options = { on_error = function(i, err) log[#log + 1] = { i, err.kind } end }
    for i in fast_map(risky, { 1, 3, 2 }, options) do log[#log + 1] = i end
    assert.same({ 1, { 2, "error" }, 3 }, log)
  end)

  it("does not lose the results of others with ordered = false", function()
    local values, failures = {}, 0
    for _, v, err in fast_map(risky, { 1, 3, 2, 3, 6 }, { ordered = false, on_error = "return" }) do
      if err then failures = failures + 1 else values[#values + 1] = v end
    end
    table.sort(values)
    assert.same({ 1, 2, 6 }, values)
    assert.equal(2, failures)
  end)

  it("is a crash when the task's process is killed, and names the signal", function()
    local ok, err = pcall(fast_map.map, function()
      os.execute("kill -9 " .. pid())
      fast_map.sleep(60)
    end, { 1 }, { rerun = false })
    assert.is_false(ok)
    assert.equal("crash", err.kind)
    assert.equal(1, err.index)
    assert.matches("signal 9", tostring(err))
    assert.equal(0, #children())
  end)

  it("names the way to a value that cannot travel, when it is used", function()
    local box = { co = coroutine.create(print) }
    assert.same({ "ok", n = 1 }, fast_map.map(function() return box and "ok" end, { 1 }))
    local _, err = pcall(fast_map.map, function() return box.co.x end, { 1 })
    assert.matches("upvalue 'box'.co of function at ", err.message, 1, true)
    assert.matches("is a coroutine", err.message, 1, true)
    _, err = pcall(fast_map.map, function() return { deep = { coroutine.create(print) } } end, { 1 })
    assert.equal("transfer", err.kind)
    assert.matches(".deep[1] is a coroutine", err.message, 1, true)
  end)
end)

describe("the callback form", function()
  it("calls on_result for each result in order, then on_done once", function()
    local log = {}
    local map = fast_map.fast_map_async(wait, { 0.2, 0.1, 0 }, {
      on_result = function(...) log[#log + 1] = table.pack(...) end,
      on_done = function(...) log[#log + 1] = "done" .. select("#", ...) end,
    })
    assert.is_true(map:join())
    assert.same({ { 1, 0.2, n = 2 }, { 2, 0.1, n = 2 }, { 3, 0, n = 2 }, "done0" }, log)
  end)

  it("needs no callbacks", function()
    local map = fast_map.fast_map_async(wait, { 0, 0 })
    assert.is_true(map:join())
    assert.is_true(map:join())
  end)

  it("calls back while the script computes, without a call of the library", function()
    local count, done = 0, false
    fast_map.fast_map_async(wait, { 0.05, 0.1, 0.15 }, {
      on_result = function() count = count + 1 end,
      on_done = function() done = true end,
    })
    local limit = os.time() + 20
    local rounds = 0
    while not done and (rounds % 1000 ~= 0 or os.time() < limit) do rounds = rounds + 1 end
    assert.is_true(done)
    assert.equal(3, count)
  end)

  it("calls back in the middle of a computation inside a coroutine", function()
    local done = false
    fast_map.fast_map_async(wait, { 0.1 }, { on_done = function() done = true end })
    local co = coroutine.wrap(function()
      local limit, rounds = os.time() + 20, 0
      while not done and (rounds % 1000 ~= 0 or os.time() < limit) do rounds = rounds + 1 end
      return done
    end)
    assert.is_true(co())
  end)

  it("returns before the map is done", function()
    local map
    local time = seconds(function() map = fast_map.fast_map_async(wait, { 2 }) end)
    assert.is_true(time < 1.5)
    map:cancel()
  end)

  it("joins for a while only when told so", function()
    local map = fast_map.fast_map_async(wait, { 5 })
    local joined
    between(0.2, 3, seconds(function() joined = map:join(0.2) end))
    assert.is_false(joined)
    map:cancel()
  end)

  it("calls back only in join, poll and sleep when callbacks = \"polled\"", function()
    local count = 0
    local map = fast_map.fast_map_async(wait, { 0, 0 }, {
      callbacks = "polled", on_result = function() count = count + 1 end,
    })
    local stop = fast_map.now() + 0.5
    while fast_map.now() < stop do end -- luacheck: ignore (waits by computing)
    assert.equal(0, count)
    map:poll()
    assert.equal(2, count)
    map:join()
    fast_map.fast_map_async(wait, { 0 }, { callbacks = "polled", on_result = function() count = count + 1 end })
    local limit = fast_map.now() + 20
    while count < 3 and fast_map.now() < limit do fast_map.sleep(0.05) end
    assert.equal(3, count)
  end)

  it("calls back in fast_map.sleep", function()
    local count = 0
    local map = fast_map.fast_map_async(wait, { 0.05, 0.1 }, { on_result = function() count = count + 1 end })
    fast_map.sleep(2)
    assert.equal(2, count)
    map:join()
  end)

  it("gives errors to on_error with the others going on", function()
    local log = {}
    local map = fast_map.fast_map_async(function(x) return x == 2 and error "two" or x end, { 1, 2, 3 }, {
      on_result = function(i) log[#log + 1] = i end,
      on_error = function(i, err) log[#log + 1] = i .. err.kind end,
      on_done = function() log[#log + 1] = "done" end,
    })
    map:join()
    assert.same({ 1, "2error", 3, "done" }, log)
  end)

  it("raises an error that no on_error takes in join", function()
    local map = fast_map.fast_map_async(function() error "mine" end, { 1 }, { callbacks = "polled" })
    local ok, err = pcall(map.join, map)
    assert.is_false(ok)
    assert.equal(1, err.index)
    assert.matches("mine", err.message)
    assert.same({ false, err }, { pcall(map.join, map) }) -- also a second time
  end)

  it("raises an error of a callback again in a later join", function()
    local mine = {}
    local map = fast_map.fast_map_async(math.abs, { 1 }, { callbacks = "polled", on_result = function() error(mine) end })
    assert.same({ false, mine }, { pcall(map.join, map) })
    assert.same({ false, mine }, { pcall(map.join, map) })
    assert.equal("failed", map:status())
  end)

  it("keeps its callbacks one at a time", function()
    local inside, most, count = 0, 0, 0
    local map = fast_map.fast_map_async(wait, times(50, 0), {
      on_result = function()
        inside = inside + 1
        most = math.max(most, inside)
        count = count + 1
        for _ = 1, 10000 do end -- luacheck: ignore (time for another to come in between)
        inside = inside - 1
      end,
    })
    map:join()
    assert.equal(50, count)
    assert.equal(1, most)
  end)

  it("runs two maps at once, each with its own callbacks", function()
    local a, b = {}, {}
    local first = fast_map.fast_map_async(wait, times(20, 0.01), { on_result = function(i) a[#a + 1] = i end })
    local second = fast_map.fast_map_async(wait, times(20, 0.01), { on_result = function(i) b[#b + 1] = i end })
    second:join()
    first:join()
    assert.same(a, b)
    assert.equal(20, #a)
    assert.equal(20, a[20])
  end)

  it("can be cancelled: no more callbacks, no process left", function()
    local before = #children()
    local map = fast_map.fast_map_async(wait, times(10, 60), { on_result = error, on_done = error })
    local during = #children()
    assert(during > before, ("%d processes before, %d during the map"):format(before, during))
    map:cancel()
    assert.equal(before, #children())
    map:cancel()
  end)

  it("is cancelled at the end of its block when it is to be closed", function()
    local before = #children()
    do
      local _ <close> = fast_map.fast_map_async(wait, times(10, 60))
    end
    assert.equal(before, #children())
  end)

  it("has a status and a descriptor for event loops", function()
    local map = fast_map.fast_map_async(wait, { 0.1 }, { callbacks = "polled" })
    assert.not_nil(map:status())
    local fd = map:fd()
    assert.equal("integer", math.type(fd))
    assert.is_true(fd >= 0)
    map:join()
    assert.not_nil(map:status())
  end)

  it("pulls an endless input no further than it may", function()
    local pulled, delivered = 0, 0
    local map = fast_map.fast_map_async(function(x) return x end, function()
      pulled = pulled + 1
      return pulled
    end, { buffersize = 10, on_result = function(i) delivered = i end })
    local limit = fast_map.now() + 20
    while delivered < 100 and fast_map.now() < limit do fast_map.sleep(0.01) end
    map:cancel()
    assert.is_true(delivered >= 100)
    assert.is_true(pulled <= delivered + 1 + 10, pulled - delivered)
  end)

  it("gets all its callbacks before the program exits, without join", function()
    local output, code = run [[
      local fast_map = require "fast_map"
      fast_map.fast_map_async(function(x) fast_map.sleep(x) return x end, { 0.2, 0.1 }, {
        on_result = function(i, x) print(i, x) end,
        on_done = function() print "done" end,
      })
      print "end of script"
    ]]
    assert.equal("end of script\n1\t0.2\n2\t0.1\ndone\n", output)
    assert.equal(0, code)
  end)

  it("leaves another debug hook alone", function()
    local output, code = run [[
      local fast_map = require "fast_map"
      local count, results = 0, 0
      debug.sethook(function() count = count + 1 end, "", 1000)
      local options = { on_result = function() results = results + 1 end }
      local map = fast_map.fast_map_async(function(x) return x end, { 1, 2 }, options)
      local stop = fast_map.now() + 0.3
      while fast_map.now() < stop do end
      local before = results
      map:join()
      print(before, results, count > 100, debug.gethook() ~= nil)
    ]]
    assert.equal("0\t2\ttrue\ttrue\n", output)
    assert.equal(0, code)
  end)
end)

describe("what a program prints", function()
  it("before a map is not printed twice", function()
    local output, code = run [[
      local fast_map = require "fast_map"
      io.stdout:setvbuf "full"
      io.write "once;"
      for i in fast_map(function(x) return x end, { 1, 2, 3 }) do io.write(i, ";") end
    ]]
    assert.equal("once;1;2;3;", output)
    assert.equal(0, code)
  end)

  it("in tasks comes out in whole lines", function()
    local output = run [[
      local fast_map = require "fast_map"
      fast_map.map(function(x) print(("x"):rep(50) .. x) end, fast_map.range(1, 200))
    ]]
    local lines = 0
    for text in output:gmatch "[^\n]+" do
      lines = lines + 1
      assert.matches("^" .. ("x"):rep(50) .. "%d+$", text)
    end
    assert.equal(200, lines)
  end)
end)

describe("misuse", function()
  local function id(x) return x end

  it("of options names the caller's line and the nearest name", function()
    local text, place = complaint(function() for _ in fast_map(id, {}, { thread_limit = 1 }) do end end) -- luacheck: ignore
    assert.equal("unknown option 'thread_limit', did you mean 'threads_limit'?", text)
    assert.matches("api_spec.lua:" .. current_line() - 2 .. "$", place)
    text, place = complaint(function() local _ = fast_map.map(id, {}, { threads_limit = "four" }) end)
    assert.equal("option 'threads_limit' must be a positive integer or a percentage such as \"50%\", got \"four\"", text)
    assert.matches("api_spec.lua:" .. current_line() - 2 .. "$", place)
    text, place = complaint(function() local _ = fast_map.fast_map_async(id, {}, { ordered = 1 }) end)
    assert.equal("option 'ordered' must be true or false, got 1", text)
    assert.matches("api_spec.lua:" .. current_line() - 2 .. "$", place)
  end)

  it("of tasks names the caller's line and shows the value", function()
    for _, wrong in ipairs { "abc", 5, true } do
      for _, call in ipairs { fast_map, fast_map.map, fast_map.fast_map_async } do
        local text, place = complaint(function() local _ = call(id, wrong) end)
        assert.matches("^tasks must be a table", text)
        assert.matches("api_spec.lua:" .. current_line() - 2 .. "$", place)
      end
    end
    assert.matches("got nil", (complaint(function() local _ = fast_map(id) end)), 1, true)
  end)

  it("of the function names the caller's line and shows the value", function()
    for _, call in ipairs { fast_map, fast_map.map, fast_map.fast_map_async } do
      local text, place = complaint(function() local _ = call("print", {}) end)
      assert.matches('got "print"', text, 1, true)
      assert.matches("api_spec.lua:" .. current_line() - 2 .. "$", place)
    end
  end)
end)

describe("small functions", function()
  it("sleep and now measure seconds", function()
    between(0.1, 2, seconds(function() fast_map.sleep(0.1) end))
    fast_map.sleep(0)
  end)

  it("cpus is a positive integer", function()
    assert.equal("integer", math.type(fast_map.cpus()))
    assert.is_true(fast_map.cpus() >= 1)
  end)

  it("encode and decode do not mind how long a string is", function()
    for _, size in ipairs { 0, 1, 40, 41, 127, 128, 4095, 4096, 4097, 16383, 16384, 1 << 20 } do
      local text = ("\0"):rep(size)
      local bytes, both = fast_map.encode(text), fast_map.encode(text, text)
      assert.equal(text, fast_map.decode(bytes))
      assert.equal(bytes:sub(2), both:sub(2, #bytes)) -- behind the number of values
    end
  end)

  it("encode and decode turn values into a string and back", function()
    local text = fast_map.encode(1, nil, { "x", { y = false } }, nil)
    assert.equal("string", type(text))
    assert.same({ 1, nil, { "x", { y = false } }, nil, n = 4 }, table.pack(fast_map.decode(text)))
  end)

  it("encode says where in its arguments something cannot travel", function()
    local _, message = pcall(fast_map.encode, print)
    assert.equal("cannot encode: the value is a C function", message)
    _, message = pcall(fast_map.encode, 1, { a = { print } })
    assert.equal("cannot encode: value 2.a[1] is a C function", message)
  end)

  it("decode refuses what it cannot read", function()
    assert.has_error(function() fast_map.decode "" end)
    assert.has_error(function() fast_map.decode "\255garbage" end)
  end)
end)

describe("fmlua", function()
  it("has fast_map and fast_map_async predefined", function()
    local fmlua = os.getenv "FMLUA"
    if not fmlua then return pending "FMLUA is not set" end
    local pipe = io.popen(fmlua .. [[ -e 'for i, v in fast_map(math.abs, {-1, -2}) do print(i, v) end
      fast_map_async(math.abs, {-3}, {on_result = print}):join()' 2>&1]])
    assert.equal("1\t1\n2\t2\n1\t3\n", pipe:read "a")
    pipe:close()
  end)
end)
