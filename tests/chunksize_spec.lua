-- How many tasks a thread takes at a time: by itself, and with the option chunksize.

local fast_map = require "fast_map"

-- A file that a task waits for.
local function new_signal()
  local name = os.tmpname()
  os.remove(name)
  return name
end

local function give(name)
  assert(io.open(name, "w")):close()
end

-- Never sleeps: nobody is told that it waits.
local function busy_until(name)
  local file
  repeat file = io.open(name) until file
  file:close()
end

describe("short tasks", function()
  it("have their results at once though the next one takes long, computing", function()
    local signal, last = new_signal(), 3000
    local function f(i)
      if i == last then busy_until(signal) end
      return i
    end
    for i, v in fast_map(f, fast_map.range(1, last), { procs_limit = 1, threads_limit = 1 }) do
      assert.equal(i, v)
      if i == last - 1 then give(signal) end
    end
    os.remove(signal)
  end)

  it("have their results at once though the next one takes long, waiting", function()
    local signal, last = new_signal(), 3000
    local function f(i)
      local function there()
        local file = io.open(signal)
        if file then file:close() end
        return file
      end
      while i == last and not there() do fast_map.sleep(0.001) end
      return i
    end
    for i in fast_map(f, fast_map.range(1, last), { procs_limit = 1 }) do
      if i == last - 1 then give(signal) end
    end
    os.remove(signal)
  end)

  it("do not wait in the same thread behind one that waits", function()
    local signal = new_signal()
    local function f(i)
      while i == 2000 do
        local file = io.open(signal)
        if file then return file:close() end
        fast_map.sleep(0.001)
      end
      return i
    end
    local done = 0
    for i in fast_map(f, fast_map.range(1, 4000), { procs_limit = 1, ordered = false }) do
      done = done + (i == 2000 and 0 or 1)
      if done == 3999 then give(signal) end -- all others come while it waits
    end
    assert.equal(3999, done)
    os.remove(signal)
  end)

  it("arrive with their errors, each at its turn", function()
    local function f(i)
      if i % 7 == 0 then error({ i }) end
      return i
    end
    local failures = 0
    for i, v, err in fast_map(f, fast_map.range(1, 20000), { on_error = "return" }) do
      if i % 7 == 0 then
        failures = failures + 1
        assert.equal(i, err.message[1])
        assert.equal(i, err.index)
      else
        assert.equal(i, v)
      end
    end
    assert.equal(20000 // 7, failures)
  end)

  it("may be followed by results of any size", function()
    local function f(i) return ("x"):rep(i % 500 == 0 and 300000 or i % 50 == 0 and 2000 or i % 9) end
    for i, v in fast_map(f, fast_map.range(1, 5000)) do
      assert.equal(i % 500 == 0 and 300000 or i % 50 == 0 and 2000 or i % 9, #v)
    end
  end)
end)

describe("chunksize", function()
  it("is a number of tasks that a thread takes at a time", function()
    for _, size in ipairs { 1, 3, 1000, 1000000 } do
      local sum = 0
      for i, v in fast_map(function(x) return 2 * x end, fast_map.range(1, 5000), { chunksize = size }) do
        assert.equal(2 * i, v)
        sum = sum + v
      end
      assert.equal(5000 * 5001, sum)
    end
  end)

  it("leaves no task behind when a process dies in the middle of one", function()
    local flag = new_signal()
    local function f(i)
      local file = i == 500 and not io.open(flag)
      if file then
        give(flag)
        os.execute "kill -9 $PPID"
      end
      return i
    end
    local count = 0
    for i, v in fast_map(f, fast_map.range(1, 1000), { chunksize = 50, procs_limit = 2 }) do
      assert.equal(i, v)
      count = count + 1
    end
    assert.equal(1000, count)
    os.remove(flag)
  end)

  it("does not make tasks run twice when rerun is off", function()
    local log = os.tmpname()
    local function f(i)
      local file = assert(io.open(log, "a"))
      file:write(i, "\n")
      file:close()
      if i == 40 then os.execute "kill -9 $PPID" end
      return i
    end
    local crashes = 0
    for i, v, err in fast_map(f, fast_map.range(1, 100),
      { chunksize = 20, procs_limit = 1, threads_limit = 1, rerun = false, on_error = "return" }) do
      if err then
        crashes = crashes + 1
        assert.equal("crash", err.kind)
        assert.equal(40, i)
      else
        assert.equal(i, v)
      end
    end
    local seen = {}
    for line in io.lines(log) do
      assert.is_nil(seen[line], line .. " ran twice")
      seen[line] = true
    end
    os.remove(log)
    assert.equal(1, crashes)
  end)
end)

-- A thread takes 50 tasks at a time, and something strikes the 20th of them.
describe("in the middle of what a thread has taken", function()
  local faulty = dofile("tests/stress/kit.lua").faulty

  -- Runs the tasks 1..300, act(120) on its way; returns the error of each task that failed, and how often each task ran.
  local function struck(options, act)
    local log = os.tmpname()
    local function f(i)
      local file = assert(io.open(log, "a"))
      file:write(i, "\n")
      file:close()
      if i == 120 then act() end
      return i * 2, faulty.pid()
    end
    options.chunksize, options.on_error = 50, "return"
    options.procs_limit = options.procs_limit or 1
    local errors, times, pids, count = {}, {}, {}, 0
    for i, v, more in fast_map(f, fast_map.range(1, 300), options) do
      count = count + 1
      assert.equal(count, i)
      if v == nil then
        errors[i] = more
      else
        assert.equal(i * 2, v)
        pids[more] = (pids[more] or 0) + 1
      end
    end
    assert.equal(300, count)
    for line in io.lines(log) do times[tonumber(line)] = (times[tonumber(line)] or 0) + 1 end
    os.remove(log)
    return errors, times, pids
  end

  local function assert_only(kind, errors)
    assert.equal(kind, errors[120] and errors[120].kind)
    errors[120] = nil
    assert.is_nil(next(errors))
  end

  local function assert_each_ran_once(times)
    for i = 1, 300 do assert.equal(1, times[i]) end
  end

  for _, threads in ipairs { 1, 3 } do
    it("a timeout costs its task only, with threads_limit = " .. threads, function()
      local errors, times = struck({ timeout = 0.5, threads_limit = threads }, function() while true do end end)
      assert_only("timeout", errors)
      assert_each_ran_once(times)
    end)

    it("a process that is killed after a timeout costs that task only, with threads_limit = " .. threads, function()
      local errors, times = struck({ timeout = 0.5, kill_after = 0.05, threads_limit = threads },
        function() faulty.block(100) end)
      assert_only("timeout", errors)
      assert.equal(1, times[120])
    end)

    it("a crash costs its task only, with threads_limit = " .. threads, function()
      local errors, times = struck({ threads_limit = threads }, faulty.segfault)
      assert_only("crash", errors)
      assert.equal(1, times[120])
    end)

    it("a limit of memory costs the task that goes beyond it, with threads_limit = " .. threads, function()
      local errors, times = struck({ memory_limit = 16 << 20, threads_limit = threads },
        function() return #("x"):rep(64 << 20) end)
      assert_only("memory", errors)
      assert_each_ran_once(times)
    end)

    it("a thread that gets a fresh state for each task loses none, with threads_limit = " .. threads, function()
      local count = 0
      for i, v, err in fast_map(function() return #("x"):rep(64 << 20) end, fast_map.range(1, 100),
        { memory_limit = 16 << 20, threads_limit = threads, procs_limit = 1, chunksize = 50, on_error = "return" }) do
        count = count + 1
        assert.equal(count, i)
        assert.is_nil(v)
        assert.equal("memory", err.kind)
      end
      assert.equal(100, count)
    end)
  end

  it("a process is replaced after its number of tasks, and none runs twice", function()
    for _, most in ipairs { 1, 7, 60, 299 } do
      local errors, times, pids = struck({ max_tasks_per_worker = most }, function() end)
      assert.is_nil(next(errors))
      assert_each_ran_once(times)
      for _, n in pairs(pids) do assert.is_true(n <= most) end
    end
  end)

  it("several processes that are replaced and killed lose nothing", function()
    local errors, times = struck({ max_tasks_per_worker = 40, procs_limit = 3, threads_limit = 6 }, faulty.segfault)
    assert_only("crash", errors)
    assert.equal(1, times[120])
  end)
end)
