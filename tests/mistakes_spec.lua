-- mistakes_spec.lua - what people get wrong, one by one: each message says what is wrong, where, and how it is right.

local fast_map = require "fast_map"
local packages = require "fast_map.packages"

local function id(...) return ... end

-- The message of calling f, which must raise; `here` stands for this file and a line of it.
local function complaint(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return (tostring(err):gsub("^%S*mistakes_spec%.lua:%d+: ", "here: "))
end

-- The first line of what a task fails with.
local function failure(f, tasks)
  local ok, err = pcall(fast_map.map, f, tasks or { 1 })
  assert.is_false(ok)
  return (tostring(err):match "^[^\n]*":gsub("%S*mistakes_spec%.lua:%d+", "here"))
end

describe("a mistake", function()
  it("in an option's name is told with the name that was meant", function()
    local meant = {
      thread_limit = "threads_limit", threads = "threads_limit", processes = "procs_limit", n_jobs = "procs_limit",
      bufersize = "buffersize", onresult = "on_result", time_limit = "timeout", retry = "retries", progres = "progress",
      progress_bar = "progress", ["on-error"] = "on_error", Ordered = "ordered",
    }
    for wrong, right in pairs(meant) do
      local message = complaint(function() fast_map(id, { 1 }, { [wrong] = 1 }) end)
      assert.equal(("here: unknown option '%s', did you mean '%s'?"):format(wrong, right), message)
    end
  end)

  it("in an option's type is told with the value", function()
    local function got(options) return complaint(function() fast_map(id, { 1 }, options) end) end
    assert.equal([[here: option 'threads_limit' must be a positive integer or a percentage such as "50%", got "4"]],
      got { threads_limit = "4" })
    assert.equal("here: option 'progress' must be true or false, a label or a function, got 5", got { progress = 5 })
    assert.equal([[here: option 'on_error' must be a function, "raise" or "return", got "ignore"]], got { on_error = "ignore" })
    assert.equal("here: options must be a table, got 4", got(4))
    assert.equal("here: options are given by name, such as {procs_limit = 2}: 1 is no name", got { 4 })
  end)

  it("in the arguments is told in every form of a map, at the caller's line", function()
    for name, map in pairs { fast_map = fast_map.fast_map, ["fast_map.map"] = fast_map.map, fast_map_async = fast_map.fast_map_async } do
      assert.equal(("here: %s: the first argument must be a function, got a table: the function comes first, then the tasks")
        :format(name), complaint(function() map({ 1 }, id) end))
      assert.equal(("here: %s: the first argument must be a function, got nil"):format(name), complaint(function() map(nil, {}) end))
    end
  end)

  it("in the tasks is told with what they should be", function()
    local function got(tasks) return complaint(function() fast_map(id, tasks) end) end
    assert.equal('here: tasks is a map (it has the key "a", but no item 1): use fast_map.each(pairs(t)) to run over its pairs',
      got { a = 1 })
    assert.equal("here: tasks is the bare iterator of pairs(t): write fast_map.each(pairs(t))", got((pairs {})))
    assert.equal("here: tasks must be a table, fast_map.range, zip or each, or an iterator function, "
      .. "got 5: fast_map.range(1, n) counts to n", got(5))
    assert.equal("here: tasks must be a table, fast_map.range, zip or each, or an iterator function, got nil", got(nil))
    assert.matches("give its lines, file:lines()", got(io.stdin), 1, true)
  end)

  it("such as a function that yields is told with what a task is", function()
    assert.equal("task 1 failed: attempt to yield from outside a coroutine: a task is no coroutine; "
      .. "what yields must run in a coroutine that the task itself resumes", failure(function() coroutine.yield(1) end))
  end)

  it("such as a value that cannot travel is told with its place", function()
    local co = coroutine.create(print)
    assert.equal("task 1 could not be transferred: the task's result is a userdata (FILE*), which cannot travel",
      failure(function() return io.tmpfile() end))
    assert.equal("task 1 could not be transferred: the task's result .deep[1] is a coroutine, which cannot travel",
      failure(function() return { deep = { coroutine.create(print) } } end))
    assert.equal("task 2 cannot travel: .x[1] is a coroutine", complaint(fast_map.map, id, { 1, { x = { co } } }))
    assert.equal("task 1 cannot travel: the value is a coroutine", complaint(fast_map.map, id, { co }))
  end)

  it("such as a misspelt global is told with its name", function()
    assert.equal("task 1 failed: here: attempt to call a nil value (global 'undefined')",
      failure(function() return undefined(1) end)) -- luacheck: ignore
  end)

  it("such as a module that is not installed is told with its package", function()
    local ok, err = pcall(fast_map.map, function() require "luasql.nosuch" end, { 1 })
    assert.is_false(ok)
    assert.matches("module 'luasql.nosuch' not found:\n", err.message, 1, true)
    assert.is_nil(err.message:find "Debian")
    ok, err = pcall(fast_map.map, function() require "cjson.nosuch" end, { 1 })
    assert.is_false(ok)
    assert.matches("\n\tDebian: apt install lua-cjson\n  in worker", tostring(err), 1, true)
  end)
end)

describe("packages", function()
  it("are known for modules and their parts", function()
    assert.equal("Debian: apt install lua-socket", packages.hint "socket.http")
    assert.equal("Debian: apt install lua-sql-sqlite3", packages.hint "luasql.sqlite3")
    assert.equal("Debian: apt install lua-filesystem", packages.hint "lfs")
    assert.is_nil(packages.hint "my.own")
    assert.is_nil(packages.hint "")
  end)

  it("are named once, and only in messages of require", function()
    local message = "job.lua:1: module 'lfs' not found:\n\tno field package.preload['lfs']"
    local explained = message .. "\n\tDebian: apt install lua-filesystem"
    assert.equal(explained, packages.explain(message))
    assert.equal(explained, packages.explain(explained))
    assert.equal("lfs not found", packages.explain "lfs not found")
    assert.equal("module 'mine' not found:\n\tx", packages.explain "module 'mine' not found:\n\tx")
  end)
end)
