local options = require "fast_map.options"

local function read(user)
  return options.read(user, 1, function() return 8 end)
end

-- The message that reading `user` raises, without its place.
local function complaint(user)
  local ok, message = pcall(read, user)
  assert.is_false(ok)
  return (message:gsub("^[^:]+:%d+: ", ""))
end

describe("options", function()
  it("have these defaults", function()
    assert.same({
      buffersize = 65536, chunksize = "auto", ordered = true, on_error = "raise", callbacks = "interrupt",
      kill_after = 1, retries = 0, retry_delay = 0, rerun = true, resume = true, nice = 0,
    }, read(nil))
    assert.same(read(nil), read {})
  end)

  it("are kept as they are given, in a table of their own", function()
    local function f() end
    local user = {
      threads_limit = 4, procs_limit = 2, buffersize = 1, chunksize = 10, ordered = false, on_result = f, on_error = f,
      on_done = f, callbacks = "polled", total = 0, timeout = 0.5, kill_after = 0, retries = 3, retry_delay = 0.1,
      rerun = false, memory_limit = 1 << 30, max_tasks_per_worker = 7, seed = -1,
      journal = "a file", resume = "force", trace = "a file", report = "a file", progress = true,
      nice = 19, init = f, exit = f, output = "tag",
    }
    local result = read(user)
    assert.same(user, result)
    assert.not_equal(user, result)
    for _, row in ipairs(options.table) do assert.not_nil(user[row[1]], row[1] .. " is not tried here") end
  end)

  it("take the words that they name", function()
    assert.equal("return", read { on_error = "return" }.on_error)
    assert.equal("raise", read { on_error = "raise" }.on_error)
    assert.equal("auto", read { chunksize = "auto" }.chunksize)
    assert.equal("interrupt", read { callbacks = "interrupt" }.callbacks)
  end)

  it("take callable objects as functions", function()
    local object = setmetatable({}, { __call = function() end })
    assert.equal(object, read { on_result = object }.on_result)
  end)

  it("turn whole floats into integers", function()
    local names = { "threads_limit", "procs_limit", "buffersize", "total", "retries", "seed", "memory_limit" }
    for _, name in ipairs(names) do
      local value = read({ [name] = 4.0 })[name]
      assert.equal("integer", math.type(value))
      assert.equal(4, value)
    end
  end)

  it("take math.huge as no limit", function()
    local result = read {
      threads_limit = math.huge, procs_limit = math.huge, total = math.huge, timeout = math.huge,
      memory_limit = math.huge, max_tasks_per_worker = 1e300, buffersize = math.huge, retries = math.huge,
    }
    local absent = { "threads_limit", "procs_limit", "total", "timeout", "memory_limit", "max_tasks_per_worker" }
    for _, name in ipairs(absent) do
      assert.is_nil(result[name])
    end
    assert.equal(math.maxinteger, result.buffersize)
    assert.equal(math.maxinteger, result.retries)
    assert.equal(math.huge, read({ kill_after = math.huge }).kill_after)
  end)

  it("count threads_limit in percent of the CPUs too", function()
    assert.equal(32, read({ threads_limit = "400%" }).threads_limit)
    assert.equal(1, read({ threads_limit = "1%" }).threads_limit)
  end)

  it("take nice as nice(1) does, downwards only", function()
    assert.equal(0, read({ nice = 0 }).nice)
    assert.equal(7, read({ nice = 7.0 }).nice)
    for _, wrong in ipairs { -1, 20, 1.5, "10" } do
      assert.matches("^option 'nice' must be an integer from 0 to 19, got ", complaint { nice = wrong })
    end
  end)

  it("count procs_limit in percent of the CPUs, at least one", function()
    assert.equal(4, read({ procs_limit = "50%" }).procs_limit)
    assert.equal(1, read({ procs_limit = "1%" }).procs_limit)
    assert.equal(16, read({ procs_limit = " 200 % " }).procs_limit)
    assert.equal(3, read({ procs_limit = "33.4%" }).procs_limit)
    assert.equal("integer", math.type(read({ procs_limit = "50%" }).procs_limit))
    for _, wrong in ipairs { "0%", "-50%", "%", "50", "50 percent", "1e400%", "" } do
      assert.equal(('option \'procs_limit\' must be a positive integer or a percentage such as "50%%", got "%s"')
        :format(wrong), complaint { procs_limit = wrong })
    end
  end)

  it("show what they accept and what they got", function()
    assert.equal([[option 'threads_limit' must be a positive integer or a percentage such as "50%", got "four"]],
      complaint { threads_limit = "four" })
    assert.equal([[option 'threads_limit' must be a positive integer or a percentage such as "50%", got "4"]],
      complaint { threads_limit = "4" })
    assert.equal([[option 'threads_limit' must be a positive integer or a percentage such as "50%", got 0]],
      complaint { threads_limit = 0 })
    assert.equal([[option 'threads_limit' must be a positive integer or a percentage such as "50%", got 1.5]],
      complaint { threads_limit = 1.5 })
    assert.equal("option 'buffersize' must be a positive integer, got nan", complaint { buffersize = 0 / 0 })
    assert.equal("option 'buffersize' must be a positive integer, got -inf", complaint { buffersize = -math.huge })
    assert.equal("option 'total' must be a non-negative integer, got -1", complaint { total = -1 })
    assert.equal("option 'seed' must be an integer, got inf", complaint { seed = math.huge })
    assert.equal("option 'ordered' must be true or false, got 1", complaint { ordered = 1 })
    assert.equal("option 'timeout' must be a positive number of seconds, got 0", complaint { timeout = 0 })
    assert.equal("option 'kill_after' must be a number of seconds, 0 or more, got false",
      complaint { kill_after = false })
    assert.equal("option 'on_result' must be a function, got a table", complaint { on_result = {} })
    assert.equal("option 'on_done' must be a function, got a coroutine",
      complaint { on_done = coroutine.create(print) })
    assert.equal([[option 'on_error' must be a function, "raise" or "return", got "ignore"]],
      complaint { on_error = "ignore" })
    assert.equal([[option 'chunksize' must be a positive integer or "auto", got a userdata (FILE*)]],
      complaint { chunksize = io.stdout })
    assert.equal([[option 'callbacks' must be "interrupt" or "polled", got a function]],
      complaint { callbacks = print })
  end)

  it("show long and odd strings on one short line", function()
    assert.equal([[option 'total' must be a non-negative integer, got "a\n\"\\\000b"]],
      complaint { total = 'a\n"\\\0b' })
    assert.equal(([[option 'total' must be a non-negative integer, got "%s"...]]):format(("x"):rep(60)),
      complaint { total = ("x"):rep(1000000) })
  end)

  it("suggest the nearest name", function()
    local function meant(name) return complaint({ [name] = 1 }):match "^unknown option '.*', did you mean '(.-)'%?$" end
    assert.equal("unknown option 'thread_limit', did you mean 'threads_limit'?", complaint { thread_limit = 1 })
    assert.equal("threads_limit", meant "threadsLimit")
    assert.equal("threads_limit", meant "THREADS-LIMIT")
    assert.equal("procs_limit", meant "proc_limit")
    assert.equal("buffersize", meant "buffer_size")
    assert.equal("buffersize", meant "bufefrsize")
    assert.equal("chunksize", meant "chunk_size")
    assert.equal("on_result", meant "onresult")
    assert.equal("retries", meant "retry")
    assert.equal("timeout", meant "time_out")
    assert.equal("seed", meant "sed")
  end)

  it("know the names that other libraries use", function()
    local function meant(name) return complaint({ [name] = 1 }):match "did you mean '(.-)'%?$" end
    assert.equal("procs_limit", meant "max_workers")
    assert.equal("procs_limit", meant "n_jobs")
    assert.equal("threads_limit", meant "threads")
    assert.equal("max_tasks_per_worker", meant "maxtasksperchild")
  end)

  it("list themselves when no name is near", function()
    local message = complaint { spaghetti_carbonara = 1 }
    assert.matches("^unknown option 'spaghetti_carbonara'; the options are threads_limit, procs_limit, ", message)
    assert.matches("^unknown option ''; ", complaint { [""] = 1 })
    assert.matches("^unknown option 'xxxx", complaint { [("x"):rep(100000)] = 1 })
  end)

  it("name the first of several unknown names, whatever the order of the table", function()
    for _ = 1, 20 do
      assert.matches("'aaaaaa_1'", complaint { ["bbbbbb_" .. math.random(9)] = 1, aaaaaa_1 = 1, threads_limit = "x" })
    end
  end)

  it("must be in a table, by name", function()
    assert.equal("options must be a table, got 4", complaint(4))
    assert.equal("options must be a table, got a function", complaint(print))
    assert.equal("options must be a table, got false", complaint(false))
    assert.matches("^options are given by name", complaint { 4 })
  end)

  it("are also read through a metatable", function()
    assert.equal(3, read(setmetatable({}, { __index = { retries = 3 } })).retries)
  end)

  it("blame the caller's line", function()
    local function api(user) local o = options.read(user, 2); return o end
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, message = pcall(function() api { retries = -1 } end)
    assert.is_false(ok)
    assert.matches(("options_spec.lua:%d: option 'retries'"):format(line), message, 1, true)
    ok, message = pcall(function() local _ = options.read { retries = -1 } end)
    assert.is_false(ok)
    assert.matches(("options_spec.lua:%d: option 'retries'"):format(line + 3), message, 1, true)
  end)

  it("have a help text of one line each, no wider than a terminal allows", function()
    local lines = 0
    for line in options.help():gmatch "[^\n]+" do
      lines = lines + 1
      assert.is_true(#line <= 120, line)
    end
    assert.equal(#options.table, lines)
  end)
end)
