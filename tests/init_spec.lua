-- init: a function that runs once in each thread's state, before its first task. exit: one that runs after its last.

local fast_map = require "fast_map"
local kit = dofile "tests/stress/kit.lua"
local faulty = kit.faulty

local function times(n, value)
  local list = {}
  for i = 1, n do list[i] = value end
  return list
end

-- A file that tasks append lines to: what happened, whichever process did it.
local function new_log()
  local name = os.tmpname()
  local log = {}
  function log.add(...)
    local file = assert(io.open(name, "a"))
    file:write(table.concat({ ... }, " "), "\n")
    file:close()
  end
  function log.lines()
    local lines = {}
    for line in io.lines(name) do lines[#lines + 1] = line end
    return lines
  end
  function log.remove() os.remove(name) end
  return log
end

local function fails(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err
end

describe("init", function()
  it("runs once in each thread, before its first task", function()
    local log = new_log()
    local function task()
      fast_map.sleep(0.02)
      return fast_map.state.name
    end
    local function init()
      local name = tostring({})
      log.add(faulty.pid(), name)
      return { name = faulty.pid() .. " " .. name }
    end
    local used, threads = {}, 0
    for _, name in fast_map(task, times(60, 0), { procs_limit = 2, threads_limit = 6, init = init }) do used[name] = true end
    local began = {}
    for _, name in ipairs(log.lines()) do
      assert.is_nil(began[name], "twice")
      began[name] = true
      threads = threads + 1
    end
    log.remove()
    assert.is_true(threads > 1 and threads <= 6, threads)
    for name in pairs(used) do assert.is_true(began[name]) end
  end)

  it("shares its local variables with the task", function()
    local connection
    local function init() connection = { queries = 0 } end
    local function query(x)
      connection.queries = connection.queries + 1
      return x, connection.queries, fast_map.state
    end
    for i, x, count, state in fast_map(query, fast_map.range(1, 20), { threads_limit = 1, init = init }) do
      assert.equal(i, x)
      assert.equal(i, count)
      assert.is_nil(state)
    end
    assert.is_nil(connection)
  end)

  it("may return anything, also what cannot travel", function()
    local function init() return coroutine.wrap(function() while true do coroutine.yield "here" end end) end
    local results = fast_map.map(function() return fast_map.state() end, times(4, 0), { init = init })
    assert.same({ "here", "here", "here", "here", n = 4 }, results)
    assert.equal(false, fast_map.map(function() return fast_map.state end, { 1 }, { init = function() return false end })[1])
  end)

  it("may be a callable object, and use modules and globals", function()
    local init = setmetatable({ word = "up" }, { __call = function(self) return string.upper(self.word) end })
    assert.equal("UP", fast_map.map(function() return fast_map.state end, { 1 }, { init = init })[1])
  end)

  it("leaves fast_map.state of the script alone", function()
    fast_map.map(function() end, { 1, 2 }, { init = function() return 1 end })
    assert.is_nil(fast_map.state)
  end)

  it("is seen whichever way a task reaches fast_map", function()
    local function task()
      local module = require "fast_map"
      local range = module.range(1, 2) -- the whole module is there from now on
      return module.state, fast_map.state, package.loaded.fast_map.state, rawget(module, "state"), #range
    end
    local rounds = table.pack(fast_map(task, { 1 }, { init = function() return "s" end })())
    assert.same({ 1, "s", "s", "s", "s", 2, n = 6 }, rounds)
  end)

  it("goes with callbacks, and with ordered = false", function()
    local seen = {}
    local handle = fast_map.fast_map_async(function(x) return fast_map.state + x end, { 1, 2, 3 }, {
      ordered = false, init = function() return 10 end, on_result = function(i, v) seen[i] = v end,
    })
    handle:join()
    assert.same({ 11, 12, 13 }, seen)
  end)

  it("goes with maps inside of maps, each with its own", function()
    local function inner(x) return fast_map.state, x end
    local function outer(x)
      local state = fast_map.state
      local with = fast_map.map(inner, { x }, { init = function() return state .. "/inner" end })
      local without = fast_map.map(inner, { x })
      return fast_map.state, with[1], without[1]
    end
    for _, mine, with, without in fast_map(outer, { 1, 2, 3 }, { init = function() return "outer" end }) do
      assert.equal("outer", mine)
      assert.equal("outer/inner", with)
      assert.is_nil(without)
    end
  end)

  it("runs again in a state that replaces one which ran out of memory", function()
    local log = new_log()
    local function task(x)
      if x == 2 then return ("x"):rep(1 << 24) end
      return fast_map.state
    end
    local errors, values = {}, {}
    local options = { threads_limit = 1, memory_limit = 4 << 20, on_error = "return",
      init = function() log.add "init" return "ready" end }
    for i, value, err in fast_map(task, { 1, 2, 3, 4 }, options) do values[i], errors[i] = value, err end
    assert.equal("memory", errors[2].kind)
    assert.same({ "ready", nil, "ready", "ready" }, values)
    assert.same({ "init", "init" }, log.lines())
    log.remove()
  end)

  it("runs in each process that replaces another", function()
    local log = new_log()
    local options = { procs_limit = 1, threads_limit = 1, max_tasks_per_worker = 2,
      init = function() log.add "init" return faulty.pid() end }
    for _, same in fast_map(function() return fast_map.state == faulty.pid() end, times(6, 0), options) do
      assert.is_true(same)
    end
    assert.is_true(#log.lines() >= 3)
    log.remove()
  end)

  it("does not count against a task's timeout", function()
    local function init() fast_map.sleep(0.5) return true end
    local function task() fast_map.sleep(0.4) return fast_map.state end
    assert.same({ true, true, n = 2 }, fast_map.map(task, { 1, 2 }, { timeout = 0.8, threads_limit = 2, init = init }))
  end)

  it("does not keep other threads from starting while it waits in C", function()
    local socket_sleep = function() os.execute "sleep 0.3" end
    local start = fast_map.now()
    fast_map.map(function() fast_map.sleep(0.2) end, times(20, 0), { procs_limit = 1, init = socket_sleep })
    assert.is_true(fast_map.now() - start < 4) -- one after the other: 6 s
  end)

  it("draws the same random numbers in every thread with a seed, and leaves those of tasks as they are", function()
    local function task() return fast_map.state, math.random(1 << 30) end
    local function run(options)
      local first, second = {}, {}
      options.seed = 7
      for i, a, b in fast_map(task, times(8, 0), options) do first[i], second[i] = a or false, b end
      return first, second
    end
    local states, numbers = run { init = function() return math.random(1 << 30) end }
    local none, plain = run { threads_limit = 1 }
    assert.same(plain, numbers)
    assert.same(times(8, false), none)
    assert.same(times(8, states[1]), states)
  end)
end)

describe("a failing init", function()
  local function no_init() error("no database") end

  it("is one error that says so, and ends the map whatever on_error is", function()
    for _, on_error in ipairs { "raise", "return", function() error "not called" end } do
      local err = fails(fast_map.map, function(x) return x end, fast_map.range(1, 1000),
        { init = no_init, on_error = on_error })
      assert.equal("init", err.kind)
      assert.is_nil(err.index)
      assert.matches("init_spec.lua:%d+: no database$", err.message)
      assert.matches("^init failed: [^\n]*init_spec.lua:%d+: no database\n  in worker %d+:\nstack traceback:\n", tostring(err))
      assert.matches("\n\t[^\n]*init_spec.lua:%d+: in ", tostring(err))
    end
  end)

  it("is raised by join, and no callback tells of it", function()
    local called = 0
    local function count() called = called + 1 end
    local handle = fast_map.fast_map_async(function() end, times(100, 0),
      { init = no_init, on_result = count, on_error = count, on_done = count })
    local err = fails(handle.join, handle)
    assert.equal("init", err.kind)
    assert.equal(0, called)
    assert.equal("failed", (handle:status()))
    assert.equal(err, fails(handle.join, handle))
  end)

  it("keeps its error value", function()
    local err = fails(fast_map.map, function() end, { 1 }, { init = function() error { code = 5 } end })
    assert.same({ code = 5 }, err.message)
    err = fails(fast_map.map, function() end, { 1 }, { init = function() error() end })
    assert.matches("^init failed: nil\n", tostring(err))
  end)

  it("runs once in a thread, however many tasks wait for it", function()
    local log = new_log()
    fails(fast_map.map, function() end, times(1000, 0),
      { procs_limit = 1, threads_limit = 1, init = function() log.add "x" error "no" end })
    assert.same({ "x" }, log.lines())
    log.remove()
  end)

  it("in some threads only ends the map too, after the results that were ready", function()
    local log = new_log()
    local function init()
      log.add "x"
      if #log.lines() > 1 then error "too many connections" end
    end
    local seen = 0
    local err = fails(function()
      for i in fast_map(function(x) fast_map.sleep(x / 10) end, times(20, 1), { procs_limit = 1, init = init }) do
        seen = seen + 1
        assert.equal(seen, i)
      end
    end)
    assert.matches("too many connections", err.message, 1, true)
    assert.is_true(seen < 20)
    log.remove()
  end)

  it("in lack of memory says so", function()
    local err = fails(fast_map.map, function() end, { 1, 2 },
      { memory_limit = 1 << 20, on_error = "return", init = function() return ("x"):rep(1 << 24) end })
    assert.equal("init", err.kind)
    assert.matches("not enough memory %(memory_limit is 1048576 bytes%)", err.message)
  end)

  it("that does not end is stopped by the timeout", function()
    local err = fails(fast_map.map, function() end, times(10, 0),
      { timeout = 0.2, on_error = "return", init = function() while true do end end })
    assert.equal("init", err.kind)
    assert.matches("init_spec.lua:%d+: timed out$", err.message)
  end)

  it("that does not even yield to that ends its process and the map", function()
    local err = fails(fast_map.map, function() end, times(10, 0), { timeout = 0.2, kill_after = 0.2, on_error = "return",
      init = function() faulty.spin() end })
    assert.equal("init", err.kind)
    assert.matches("^init failed: it did not yield to the interruption\n", tostring(err))
  end)

  it("that crashes is no task's crash, and ends the map", function()
    local err = fails(fast_map.map, function() end, times(100, 0),
      { on_error = "return", init = function() faulty.segfault() end })
    assert.equal("init", err.kind)
    assert.matches("^init failed: the worker was killed by signal 11 %(Segmentation fault%)\n", tostring(err))
    assert.matches("init_spec.lua:%d+: in ", tostring(err))
  end)

  it("whose process is killed from outside ends the map after some attempts", function()
    local err = fails(fast_map.map, function() end, times(100, 0),
      { on_error = "return", init = function() faulty.kill(0, 9) fast_map.sleep(10) end })
    assert.matches("its workers die one after the other", tostring(err), 1, true)
  end)

  it("leaves no process behind", function()
    local output, code, gone = kit.run [[
      local ok, err = pcall(fast_map.map, function() end, fast_map.range(1, 1000), { init = function() error "no" end })
      print(ok, err.kind)
    ]]
    assert.equal("false\tinit\n", output)
    assert.equal(0, code)
    assert.is_true(gone)
  end)

  it("is shown when the script ends without having asked", function()
    local output = kit.run [[
      fast_map.fast_map_async(function() end, { 1, 2, 3 }, { init = function() error "no" end, callbacks = "polled" })
    ]]
    assert.matches("^fast_map_async: init failed: ", output)
    local _, count = output:gsub("init failed", "")
    assert.equal(1, count)
  end)
end)

describe("exit", function()
  local log

  before_each(function() log = new_log() end)
  after_each(function() log.remove() end)

  local function count(pattern)
    local n = 0
    for _, line in ipairs(log.lines()) do
      if line:find(pattern) then n = n + 1 end
    end
    return n
  end

  local function task(x)
    fast_map.sleep(0.01)
    return x
  end

  -- Each thread that began has ended, with its own state.
  local function assert_paired()
    local open = {}
    for _, line in ipairs(log.lines()) do
      local what, name = line:match "^(%S+) (.*)$"
      assert.equal(what == "exit", open[name] ~= nil, line)
      open[name] = what == "init" or nil
    end
    assert.is_nil(next(open))
  end

  -- Options with an init and an exit that note the thread.
  local function noting(options)
    options.init = function()
      local name = faulty.pid() .. " " .. tostring({})
      log.add("init", name)
      return name
    end
    options.exit = function(name) log.add("exit", name) end
    return options
  end

  it("runs once in each thread after the last task, with what init returned, before the loop is over", function()
    fast_map.map(task, times(40, 0), noting { procs_limit = 2, threads_limit = 7 })
    assert.is_true(count "^exit" >= 2)
    assert_paired()
  end)

  it("runs whatever the other options are", function()
    for _, options in ipairs {
      { threads_limit = 1 }, { retries = 3 }, { procs_limit = 1, threads_limit = 20 }, { ordered = false }, { output = "group" },
      { max_tasks_per_worker = 3, threads_limit = 2 }, { memory_limit = 8 << 20 }, { timeout = 10 }, { buffersize = 1 },
    } do
      local n = 0
      for _ in fast_map(task, fast_map.range(1, 20), noting(options)) do n = n + 1 end
      assert.equal(20, n)
      assert_paired()
    end
    assert.is_true(count "^exit" >= 9)
  end)

  it("runs without init too", function()
    fast_map.map(task, { 1, 2 }, { threads_limit = 1, exit = function(...) log.add(select("#", ...), tostring(...)) end })
    assert.same({ "1 nil" }, log.lines())
  end)

  it("shares the local variables of init and the task", function()
    local total = 0
    local function add(x) total = total + x end
    fast_map.map(add, { 1, 2, 3, 4 }, { threads_limit = 1, exit = function() log.add(total) end })
    assert.same({ "10" }, log.lines())
    assert.equal(0, total)
  end)

  it("may be a callable object", function()
    local exit = setmetatable({ word = "bye" }, { __call = function(self, state) log.add(self.word, state) end })
    fast_map.map(task, { 1 }, { init = function() return "s" end, exit = exit })
    assert.same({ "bye s" }, log.lines())
  end)

  it("runs before on_done, when callbacks take the results", function()
    local options = noting { threads_limit = 3 }
    options.on_done = function() log.add("done", "all") end
    fast_map.fast_map_async(task, times(9, 0), options):join()
    local lines = log.lines()
    assert.equal("done all", lines[#lines])
    assert.is_true(count "^exit" > 0 and count "^exit" == count "^init")
  end)

  it("runs in maps inside of tasks, each in its own threads", function()
    local inner = noting { threads_limit = 2 }
    fast_map.map(function() return fast_map.map(task, { 1, 2, 3 }, inner).n end, { 1, 2 }, noting { threads_limit = 2 })
    assert.is_true(count "^exit" >= 3)
    assert_paired()
  end)

  it("closes the state behind it: finalizers run", function()
    local function init() return setmetatable({}, { __gc = function() log.add "collected" end }) end
    fast_map.map(task, { 1, 2 }, { threads_limit = 1, init = init, exit = function() log.add "exit" end })
    assert.same({ "exit", "collected" }, log.lines())
  end)

  it("runs in the state that replaced one without memory, not in that", function()
    local function hungry(x)
      if x == 2 then return ("x"):rep(1 << 24) end
      return x
    end
    fast_map.map(hungry, { 1, 2, 3 }, noting { threads_limit = 1, memory_limit = 4 << 20, on_error = "return" })
    assert.equal(2, count "^init")
    assert.equal(1, count "^exit")
  end)

  it("prints as tasks do", function()
    for mode, expected in pairs { line = "bye\n", group = "bye\n", tag = "[exit] bye\n" } do
      local output = kit.run(([[
        fast_map.map(function() end, { 1 }, { output = %q, exit = function() print "bye" end })
      ]]):format(mode))
      assert.equal(expected, output)
    end
  end)

  it("does not run when the map is cancelled", function()
    local function endless() return 1 end
    for i in fast_map(task, endless, noting {}) do
      if i == 5 then break end
    end
    local handle = fast_map.fast_map_async(task, endless, noting {})
    handle:join(0.1)
    handle:cancel()
    pcall(fast_map.map, function() error "no" end, endless, noting {})
    assert.equal(0, count "^exit")
  end)

  it("does not run in a process that died, but in its successor", function()
    local function dying(x) if x == 3 then faulty.kill(0, 9) end return x end
    fast_map.map(dying, fast_map.range(1, 6), noting { threads_limit = 1, on_error = "return" })
    assert.is_true(count "^init" >= 2)
    assert.equal(1, count "^exit")
  end)

  it("shows its error on stderr; the results are there", function()
    local output, code, gone = kit.run [[
      local t = fast_map.map(function(x) return x end, { 1, 2 }, { threads_limit = 1, exit = function() error "oops" end })
      print(t[1], t[2])
    ]]
    assert.matches("^fast_map: exit failed: [^\n]*:2: oops\n  in worker %d+:\nstack traceback:\n", output)
    assert.matches("\n1\t2\n$", output)
    assert.equal(0, code)
    assert.is_true(gone)
  end)

  it("may not do what a task may not do", function()
    local output = kit.run [[
      fast_map.map(print, { 1 }, { exit = function() os.exit(3) end })
      fast_map.map(print, { 2 }, { exit = function() coroutine.yield() end })
    ]]
    assert.matches("exit failed: [^\n]*os.exit%(3%) called in a task", output)
    assert.matches("exit failed: attempt to yield from outside a coroutine", output)
  end)

  it("that crashes harms no result, and leaves nothing", function()
    local output, code, gone = kit.run [[
      local t = fast_map.map(function(x) return x end, { 1, 2 }, { exit = function() faulty.segfault() end })
      print(t[1], t[2])
    ]]
    assert.equal("1\t2\n", output)
    assert.equal(0, code)
    assert.is_true(gone)
  end)

  it("that does not end is waited for, but not for ever", function()
    local start = fast_map.now()
    local output, code, gone = kit.run [[
      local t = fast_map.map(function(x) return x end, { 1, 2 }, { exit = function() fast_map.sleep(3600) end })
      print(t[1], t[2])
    ]]
    local time = fast_map.now() - start
    assert.equal("1\t2\n", output)
    assert.equal(0, code)
    assert.is_true(gone)
    assert.is_true(time > 9 and time < 20, time)
  end)

  it("ends with the script when that is killed", function()
    local run = kit.start [[
      print("script " .. faulty.pid())
      fast_map.map(function(x) return x end, { 1, 2 }, { exit = function() print "in exit" fast_map.sleep(3600) end })
    ]]
    assert.is_truthy(kit.says(run, "in exit"))
    assert.is_true(faulty.kill(tonumber(kit.output(run):match "script (%d+)"), 9))
    local _, _, gone = kit.finish(run)
    assert.is_true(gone)
  end)
end)
