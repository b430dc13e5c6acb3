local source = require "fast_map.source"

-- Everything that is left in a source, each task as a table.pack of its arguments; at most `most` at a time.
local function drain(opened, most)
  local tasks = {}
  local function push(...) tasks[#tasks + 1] = table.pack(...) end
  repeat
    local before = #tasks
    local pulled = opened:pull(push, most or 3)
    assert.equal(pulled, #tasks - before)
    assert.is_true(pulled <= (most or 3))
  until pulled == 0
  assert.is_true(opened.done)
  assert.equal(0, opened:pull(push, 1))
  return tasks
end

-- The tasks as lists of their arguments; for those without nils.
local function all(tasks, most)
  local list = drain(source.new(tasks), most)
  for _, task in ipairs(list) do task.n = nil end
  return list
end

-- The single arguments of all tasks.
local function singles(tasks)
  local list = drain(source.new(tasks))
  for i, task in ipairs(list) do
    assert.equal(1, task.n)
    list[i] = task[1]
  end
  return list
end

local function complaint(tasks)
  local ok, message = pcall(source.new, tasks)
  assert.is_false(ok)
  return message
end

-- An iterator of 1..n that counts its calls and fails when it is called after its end.
local function counter(n)
  local calls = { 0 }
  return function()
    calls[1] = calls[1] + 1
    assert(calls[1] <= n + 1, "called after the end")
    if calls[1] <= n then return calls[1] end
  end, calls
end

local function closable()
  local log = {}
  return setmetatable({}, { __close = function(_, err) log[#log + 1] = err == nil and "closed" or err end }), log
end

describe("a sequence", function()
  it("gives its items in order", function()
    for n = 0, 7 do
      local t = {}
      for i = 1, n do t[i] = i * 10 end
      assert.same(t, singles(t))
    end
  end)

  it("is told to the fast path", function()
    local t = { 1, 2, 3 }
    local opened = source.new(t)
    assert.equal("table", opened.kind)
    assert.equal(t, opened.table)
    assert.equal(3, opened.count)
  end)

  it("is pulled lazily, never more than asked for", function()
    local t, seen = { 1, 2, 3, 4, 5 }, {}
    local opened = source.new(t)
    assert.equal(2, opened:pull(function(v) seen[#seen + 1] = v end, 2))
    t[3] = "changed"
    assert.equal(0, opened:pull(error, 0))
    assert.equal(1, opened:pull(function(v) seen[#seen + 1] = v end, 1))
    assert.same({ 1, 2, "changed" }, seen)
    assert.is_false(opened.done)
  end)

  it("counts nil tasks when it has the field n", function()
    local tasks = drain(source.new(table.pack(nil, 2, nil)))
    assert.same({ { n = 1 }, { 2, n = 1 }, { n = 1 } }, tasks)
    assert.equal(2, source.new({ n = 2 }).count)
    assert.equal(0, source.new({ n = 0, "not a task" }).count)
  end)

  it("has no count in a field n that is not a non-negative integer", function()
    assert.same({ "a" }, singles { "a", n = "5" })
    assert.same({ "a" }, singles { "a", n = -1 })
    assert.same({ "a" }, singles { "a", n = 5.0 })
  end)

  it("may have other keys too, and false items", function()
    assert.same({ false, 1 }, singles { false, 1, name = "list" })
  end)

  it("is read without its metatable when that says nothing about items", function()
    local opened = source.new(setmetatable({ 1, 2 }, { __name = "list", __tostring = print }))
    assert.equal("table", opened.kind)
  end)

  it("that is a map is refused with the way to do it", function()
    assert.equal(
      'tasks is a map (it has the key "a", but no item 1): use fast_map.each(pairs(t)) to run over its pairs',
      (complaint { a = 1 }:gsub("^%S+:%d+: ", "")))
    assert.matches("is a map", complaint { [0] = 1 })
    assert.matches("is a map", complaint { n = "x" })
    assert.matches("is a map", complaint(setmetatable({ name = "instance" }, { __index = { method = print } })))
  end)
end)

describe("an object", function()
  it("is read with its own __len and __index", function()
    local asked = {}
    local object = setmetatable({}, {
      __len = function() return 3.0 end,
      __index = function(_, k) asked[#asked + 1] = k; return k * 2 end,
    })
    local opened = source.new(object)
    assert.equal("other", opened.kind)
    assert.equal(3, opened.count)
    assert.same({}, asked)
    assert.same({ 2, 4, 6 }, singles(object))
    assert.same({ 1, 2, 3 }, asked)
  end)

  it("keeps nil items when it knows its length", function()
    local object = setmetatable({}, { __len = function() return 2 end })
    assert.same({ { n = 1 }, { n = 1 } }, drain(source.new(object)))
  end)

  it("without a length ends at its first nil", function()
    local list = { 5, 6, 7 }
    assert.same(list, singles(setmetatable({}, { __index = list })))
    assert.same(list, singles(setmetatable({ private = 1 }, { __index = function(_, k) return list[k] end })))
    assert.is_nil(source.new(setmetatable({}, { __index = list })).count)
  end)

  it("of a class is a list like any other", function()
    local List = { push = function(self, v) self[#self + 1] = v end }
    List.__index = List
    local list = setmetatable({}, List)
    assert.same({}, singles(list))
    list:push "a"
    list:push "b"
    assert.same({ "a", "b" }, singles(list))
  end)

  it("with a protected metatable works as any other", function()
    local object = setmetatable({}, { __metatable = false, __len = function() return 1 end, __index = { "x" } })
    assert.same({ "x" }, singles(object))
  end)

  it("with a senseless length is refused", function()
    for _, length in ipairs { -1, 1.5, "x", {} } do
      assert.matches("must have a length that is a non%-negative integer",
        complaint(setmetatable({}, { __len = function() return length end })))
    end
  end)

  it("that raises passes its error on and ends", function()
    local err = {}
    local object = setmetatable({}, { __len = function() return 5 end, __index = function(_, k)
      if k == 3 then error(err) end
      return k
    end })
    local opened, seen = source.new(object), {}
    local ok, message = pcall(opened.pull, opened, function(v) seen[#seen + 1] = v end, 9)
    assert.is_false(ok)
    assert.equal(err, message)
    assert.same({ 1, 2 }, seen)
    assert.is_true(opened.done)
    assert.equal(0, opened:pull(error, 9))
  end)

  it("of penlight is a list", function()
    local found, List = pcall(require, "pl.List")
    if not found then return pending "penlight is not installed" end
    assert.same({ 1, 2, 3 }, singles(List { 1, 2, 3 }))
    assert.same({}, singles(List {}))
  end)
end)

describe("a range", function()
  local huge, max, min = math.huge, math.maxinteger, math.mininteger

  it("gives what the numeric for gives", function()
    for a = -3, 3 do
      for b = -7, 7 do
        for _, step in ipairs { 1, 2, 3, -1, -2, -5 } do
          local expected = {}
          for i = a, b, step do expected[#expected + 1] = i end
          local r = source.range(a, b, step)
          assert.same(expected, singles(r))
          assert.equal(#expected, #r)
          assert.equal("integer", #r > 0 and math.type(r[1]) or "integer")
        end
      end
    end
    assert.same({ 1, 2, 3 }, singles(source.range(1, 3)))
    assert.same({ 1, 2, 3 }, singles(source.range(1, 3.9)))
    assert.same({ 3, 2 }, singles(source.range(3, 1.1, -1)))
  end)

  it("counts in floats without losing the last one", function()
    assert.equal(11, #source.range(0, 1, 0.1))
    assert.equal(4, #source.range(0, 0.3, 0.1))
    assert.equal(1001, #source.range(0, 100, 0.1))
    assert.equal(0, #source.range(1.0, 0.5))
    assert.equal(1, #source.range(1.0, 1))
    assert.same({ 1.0, 0.5, 0.0 }, singles(source.range(1, 0, -0.5)))
    assert.equal("float", math.type(source.range(1.0, 3)[1]))
    assert.equal("float", math.type(source.range(1, 3, 1.0)[1]))
    assert.equal(0.1 + 6 * 0.1, source.range(0.1, 1, 0.1)[7])
  end)

  it("does not overflow", function()
    assert.same({ max - 1, max }, singles(source.range(max - 1, max)))
    assert.same({ min + 1, min }, singles(source.range(min + 1, min, -1)))
    assert.same({ max - 1 }, singles(source.range(max - 1, max, max)))
    assert.same({ min, -1, max - 1 }, singles(source.range(min, max, max)))
    assert.same({ max, 0, min + 1 }, singles(source.range(max, min, -max)))
    assert.same({ max, -1 }, singles(source.range(max, min, min)))
    assert.same({}, singles(source.range(min, max, min)))
    assert.equal(max, #source.range(min, max))
    assert.equal(max, #source.range(max, min, -1))
    assert.equal(6148914691236517206, #source.range(min, max, 3))
    assert.equal(max, source.range(min, max, 3)[6148914691236517206])
  end)

  it("goes on for ever to math.huge", function()
    local r = source.range(5, huge)
    assert.equal(5, r[1])
    assert.equal("integer", math.type(r[1]))
    assert.equal(max - 4, #r)
    assert.equal(0, #source.range(5, -huge))
    assert.equal(max, #source.range(0, -huge, -1))
    assert.equal(max, #source.range(0.5, huge))
    assert.equal(0, #source.range(0, -1e300))
    assert.equal(0, #source.range(0, 1e300, -1))
  end)

  it("takes no memory per number", function()
    collectgarbage()
    local before = collectgarbage "count"
    local r = source.range(1, 1 << 60)
    local opened = source.new(r)
    opened:pull(function() end, 10000)
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 8)
  end)

  it("is told to the fast path", function()
    local opened = source.new(source.range(10, 2, -4))
    assert.equal("range", opened.kind)
    assert.equal(10, opened.first)
    assert.equal(-4, opened.step)
    assert.equal(3, opened.count)
  end)

  it("can be read as a table, and shown", function()
    local r = source.range(10, 30, 10)
    assert.equal(20, r[2])
    assert.equal(20, r[2.0])
    assert.is_nil(r[0])
    assert.is_nil(r[4])
    assert.is_nil(r["2"])
    assert.is_nil(r.other)
    local seen = {}
    for i, v in ipairs(r) do seen[i] = v end
    assert.same({ 10, 20, 30 }, seen)
    assert.equal("fast_map.range(10, 30, 10)", tostring(r))
    assert.has_error(function() r[1] = 5 end, "a range cannot be changed")
  end)

  it("can be used again", function()
    local r = source.range(1, 3)
    assert.same(singles(r), singles(r))
  end)

  it("refuses what it cannot count, at the caller's line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, message = pcall(function() source.range(1, 2, 0) end)
    assert.is_false(ok)
    assert.matches("source_spec.lua:" .. line .. ": range: the step must not be 0", message, 1, true)
    ok, message = pcall(function() source.range "5" end)
    assert.is_false(ok)
    assert.matches("source_spec.lua:" .. line + 3 .. ': range: the first number must be a number, got "5"',
      message, 1, true)
    assert.has_error(function() source.range(1) end, "range: the last number must be a number, got nil")
    assert.has_error(function() source.range(1, 2, "1") end, 'range: the step must be a number, got "1"')
    assert.has_error(function() source.range(huge, 2) end, "range: the first number must be a finite number, got inf")
    assert.has_error(function() source.range(1, 0 / 0) end, "range: the last number must be a finite number, got nan")
    assert.has_error(function() source.range(1, 2, 1.0 * 0) end, "range: the step must not be 0")
  end)
end)

describe("an iterator", function()
  it("is called until its first value is nil, and never again", function()
    local iterator, calls = counter(7)
    assert.same({ 1, 2, 3, 4, 5, 6, 7 }, singles(iterator))
    assert.equal(8, calls[1])
  end)

  it("is called only as often as tasks are pulled", function()
    local iterator, calls = counter(7)
    local opened = source.new(iterator)
    assert.equal("other", opened.kind)
    assert.is_nil(opened.count)
    opened:pull(function() end, 2)
    assert.equal(2, calls[1])
  end)

  it("gives all its values as arguments, nils too", function()
    local i = 0
    local tasks = drain(source.new(function()
      i = i + 1
      if i == 1 then return 1, nil, nil end
      if i == 2 then return false end
      return nil, "not a task"
    end))
    assert.same({ { 1, n = 3 }, { false, n = 1 } }, tasks)
  end)

  it("may be coroutine.wrap's, ending with its function", function()
    assert.same({ { 1, "a" }, { 2, "b" } }, all(coroutine.wrap(function()
      coroutine.yield(1, "a")
      coroutine.yield(2, "b")
    end)))
  end)

  it("may be string.gmatch's", function()
    assert.same({ { "a", "1" }, { "b", "2" } }, all(("a=1, b=2"):gmatch "(%w)=(%w)"))
  end)

  it("may be io.lines, with the three values that follow it", function()
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write "one\ntwo\n"
    file:close()
    assert.same({ "one", "two" }, singles(io.lines(name)))
    assert.same({ "one", "two" }, singles(source.each(io.lines(name))))
    os.remove(name)
  end)

  it("may be a callable object, called with itself alone", function()
    local object = setmetatable({}, { __call = function(self, ...)
      assert.equal(0, select("#", ...))
      self.i = (self.i or 0) + 1
      if self.i <= 2 then return self.i end
    end })
    assert.same({ 1, 2 }, singles(object))
  end)

  it("that raises passes its error on as it is and is not called again", function()
    local err, calls = {}, 0
    local opened = source.new(function()
      calls = calls + 1
      if calls == 3 then error(err) end
      return calls
    end)
    local seen = {}
    local ok, message = pcall(opened.pull, opened, function(v) seen[#seen + 1] = v end, 10)
    assert.is_false(ok)
    assert.equal(err, message)
    assert.same({ 1, 2 }, seen)
    assert.is_true(opened.done)
    assert.equal(0, opened:pull(error, 10))
    assert.equal(3, calls)
  end)

  it("is not called from within itself", function()
    local opened
    local calls, inner = 0, nil
    opened = source.new(function()
      calls = calls + 1
      inner = opened:pull(error, 1)
      if calls <= 2 then return calls end
    end)
    assert.same({ { 1, n = 1 }, { 2, n = 1 } }, drain(opened))
    assert.equal(0, inner)
    assert.equal(3, calls)
  end)

  it("that closes its own source gives no more tasks", function()
    local opened
    local calls = 0
    opened = source.new(function()
      calls = calls + 1
      if calls == 2 then opened:close() end
      return calls
    end)
    assert.same({ { 1, n = 1 } }, drain(opened, 10))
    assert.equal(2, calls)
  end)

  it("is given up when the receiver raises", function()
    local iterator, calls = counter(9)
    local opened = source.new(iterator)
    assert.has_error(function() opened:pull(function() error("full", 0) end, 5) end, "full")
    assert.is_true(opened.done)
    assert.equal(1, calls[1])
  end)

  it("that is pairs' or ipairs' own function is refused with the way to do it", function()
    assert.matches("tasks is the bare iterator of pairs%(t%): write fast_map.each%(pairs%(t%)%)", complaint((pairs {})))
    assert.matches("tasks is the bare iterator of ipairs%(t%)", complaint((ipairs {})))
  end)
end)

describe("each", function()
  it("runs over a generic for's values", function()
    local t, seen = { a = 1, b = 2, c = 3 }, {}
    for _, task in ipairs(all(source.each(pairs(t)))) do seen[task[1]] = task[2] end
    assert.same(t, seen)
    assert.same({ { 1, "x" }, { 2, "y" } }, all(source.each(ipairs { "x", "y" })))
  end)

  it("hands the state and the last first value to the iterator, as for does", function()
    local log = {}
    local function iterator(state, control)
      log[#log + 1] = { state, control }
      if control < 2 then return control + 1, "rest" end
    end
    assert.same({ { 1, "rest" }, { 2, "rest" } }, all(source.each(iterator, "state", 0)))
    assert.same({ { "state", 0 }, { "state", 1 }, { "state", 2 } }, log)
  end)

  it("takes a callable object as iterator", function()
    local object = setmetatable({}, { __call = function(_, n, i) if i < n then return i + 1 end end })
    assert.same({ { 1 }, { 2 } }, all(source.each(object, 2, 0)))
  end)

  it("closes the closing value once, at the end", function()
    local closing, log = closable()
    local opened = source.new(source.each(ipairs { 1, 2 }))
    opened:close()
    opened = source.new(source.each(counter(2), nil, nil, closing))
    opened:pull(function() end, 2)
    assert.same({}, log)
    opened:pull(function() end, 1)
    assert.same({ "closed" }, log)
    opened:close()
    assert.same({ "closed" }, log)
  end)

  it("closes the closing value when the map is cancelled, before the first pull too", function()
    local closing, log = closable()
    source.new(source.each(print, nil, nil, closing)):close()
    assert.same({ "closed" }, log)
  end)

  it("closes the closing value with the error of the iterator", function()
    local closing, log = closable()
    local err = {}
    local opened = source.new(source.each(function() error(err) end, nil, nil, closing))
    local ok, message = pcall(opened.pull, opened, print, 1)
    assert.is_false(ok)
    assert.equal(err, message)
    assert.equal(err, log[1])
    assert.equal(1, #log)
  end)

  it("closes a file that io.lines opened", function()
    local name = os.tmpname()
    local iterator, state, control, file = io.lines(name)
    local opened = source.new(source.each(iterator, state, control, file))
    assert.equal("file", io.type(file))
    opened:close()
    assert.equal("closed file", io.type(file))
    os.remove(name)
  end)

  it("passes an error of the closing value on", function()
    local closing = setmetatable({}, { __close = function() error("stuck", 0) end })
    local opened = source.new(source.each(counter(0), nil, nil, closing))
    assert.has_error(function() opened:pull(print, 1) end, "stuck")
    assert.is_true(opened.done)
    assert.equal(0, opened:pull(print, 1))
  end)

  it("serves one map only", function()
    local each = source.each(pairs { 1 })
    singles(source.each(counter(1)))
    source.new(each)
    assert.matches("tasks is an each%(...%) that another map has used already: make a new one for each map",
      complaint(each))
  end)

  it("refuses what is no iterator or cannot be closed", function()
    assert.has_error(function() source.each { 1, 2 } end,
      "each: the iterator must be a function, such as pairs(t) returns, got a table")
    assert.has_error(function() source.each() end,
      "each: the iterator must be a function, such as pairs(t) returns, got nil")
    assert.has_error(function() source.each(next, {}, nil, {}) end,
      "each: the closing value has no __close metamethod, got a table")
    assert.same({}, singles(source.each(next, {}, nil, false)))
  end)
end)

describe("zip", function()
  it("gives the k-th items of all inputs to task k, until the shortest ends", function()
    assert.same({ { 1, "a" }, { 2, "b" } }, all(source.zip({ 1, 2, 3 }, { "a", "b" })))
    assert.same({ { 1, "a" }, { 2, "b" } }, all(source.zip({ 1, 2 }, { "a", "b", "c" })))
    assert.same({}, all(source.zip({}, { 1 })))
    assert.same({ { 1 }, { 2 } }, all(source.zip { 1, 2 }))
  end)

  it("takes every kind of tasks", function()
    local lazy = setmetatable({}, { __index = { 7, 8, 9 } })
    assert.same({ { 1, "a", 10, 7, "x" }, { 2, "b", 20, 8, "y" } },
      all(source.zip({ 1, 2, 3 }, ("ab"):gmatch ".", source.range(10, math.huge, 10), lazy,
        source.zip { "x", "y", "z" })))
  end)

  it("gives all values of an iterator", function()
    assert.same({ { 1, "a", "x" }, { 2, "b", "y" } }, all(source.zip(source.each(ipairs { "a", "b" }), { "x", "y" })))
  end)

  it("counts the nils of table.pack", function()
    assert.same({ { 1, nil, n = 2 }, { nil, nil, n = 2 } },
      drain(source.new(source.zip(table.pack(1, nil), table.pack(nil, nil, 3)))))
  end)

  it("knows its count when all inputs know theirs", function()
    assert.equal(2, source.new(source.zip({ 1, 2, 3 }, source.range(1, 2))).count)
    assert.is_nil(source.new(source.zip({ 1, 2, 3 }, function() end)).count)
  end)

  it("takes no item of an iterator that it cannot use, when a counted input has ended", function()
    local iterator, calls = counter(9)
    assert.equal(2, #all(source.zip(iterator, { 1, 2 })))
    assert.equal(2, calls[1])
  end)

  it("can be used again when its inputs can", function()
    local zip = source.zip({ 1, 2 }, source.range(3, 4))
    assert.same(all(zip), all(zip))
    zip = source.zip(source.each(ipairs { 1 }))
    all(zip)
    assert.matches("zip: argument 1 is an each%(...%) that another map has used already", complaint(zip))
    local each = source.each(ipairs { 1 })
    assert.matches("zip: argument 2 is an each%(...%) that another map has used", complaint(source.zip(each, each)))
  end)

  it("closes all its inputs, whatever ends it", function()
    for _, ending in ipairs { "end", "close", "error" } do
      local first, first_log = closable()
      local second, second_log = closable()
      local function iterator() if ending == "error" then error "x" end end
      local opened = source.new(source.zip(source.each(counter(5), nil, nil, first),
        source.each(iterator, nil, nil, second)))
      if ending == "close" then opened:close() else pcall(opened.pull, opened, print, 3) end
      assert.equal(1, #first_log)
      assert.equal(1, #second_log)
    end
  end)

  it("closes all its inputs even when one cannot be closed", function()
    local first, log = closable()
    local bad = setmetatable({}, { __close = function() error("stuck", 0) end })
    local opened = source.new(source.zip(source.each(print, nil, nil, first), source.each(print, nil, nil, bad)))
    assert.has_error(function() opened:close() end, "stuck")
    assert.same({ "closed" }, log)
  end)

  it("names the argument that is wrong, at the caller's line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, message = pcall(function() source.zip({ 1 }, "abc") end)
    assert.is_false(ok)
    assert.matches("source_spec.lua:" .. line .. ": zip: argument 2 must be a table", message, 1, true)
    assert.has_error(function() source.zip() end, "zip needs at least one list of tasks")
    assert.has_error(function() source.zip(nil) end,
      "zip: argument 1 must be a table, fast_map.range, zip or each, or an iterator function, got nil")
  end)
end)

describe("what cannot be tasks", function()
  local function message(tasks)
    return (complaint(tasks):gsub("^%S+:%d+: ", ""))
  end
  local start = "tasks must be a table, fast_map.range, zip or each, or an iterator function, got "

  it("is refused with its value shown and what to do", function()
    assert.equal(start .. '"abc"', message "abc")
    assert.equal(start .. "nil", message(nil))
    assert.equal(start .. "true", message(true))
    assert.equal(start .. "10: fast_map.range(1, n) counts to n", message(10))
    assert.equal(start .. "a coroutine: give the function that coroutine.wrap makes", message(coroutine.create(print)))
    assert.equal(start .. "a userdata (FILE*): give its lines, file:lines()", message(io.stdout))
  end)

  it("is blamed on the caller's line", function()
    local function api(tasks) local opened = source.new(tasks, 2); return opened end
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, text = pcall(function() api(5) end)
    assert.is_false(ok)
    assert.matches("source_spec.lua:" .. line .. ": tasks must be", text, 1, true)
  end)
end)
