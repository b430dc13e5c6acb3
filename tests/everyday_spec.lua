-- everyday_spec.lua - what scripts do every day, each as a small function that must give the same in a plain loop, in tasks on one
-- and on several threads, in two processes, and in a map inside a task. Results are compared as text.

local fast_map = require "fast_map"
local write = require "pl.pretty".write
local describe, it, assert = describe, it, assert
local _ENV = _G -- luacheck: ignore
-- (the environment of the script, not of the test program: cases change globals)
-- luacheck: ignore

local ways = {
  { "one thread", { procs_limit = 1, threads_limit = 1 } },
  { "several threads", { procs_limit = 1, threads_limit = 4 } },
  { "two processes", { procs_limit = 2, threads_limit = 4 } },
}

local function as_text(values)
  for i = 1, values.n do
    values[i] = type(values[i]) == "table" and write(values[i], "") or tostring(values[i])
  end
  return table.concat(values, " ; ", 1, values.n)
end

-- make() prepares the script and returns the function, and one that undoes it all.
local function case(title, make)
  it(title, function()
    local f, undo = make()
    local function run() return as_text(table.pack(f())) end
    local seen = {}
    local ok, err = pcall(function()
      seen.here = run()
      for _, way in ipairs(ways) do
        for i, text in fast_map(run, fast_map.range(1, 3), way[2]) do seen[way[1] .. ", task " .. i] = text end
      end
      seen["a map inside a task"] = fast_map.map(function() return fast_map.map(run, { 1 })[1] end, { 1 })[1]
    end)
    if undo then undo() end
    assert.is_true(ok, tostring(err))
    for way, text in pairs(seen) do assert.are.equal(seen.here, text, way) end
  end)
end

describe("globals:", function()
  case("strict.lua refuses what is not declared, by the caller's line", function()
    local old, declared = getmetatable(_G), {}
    setmetatable(_G, {
      __newindex = function(t, k, v)
        if not declared[k] and debug.getinfo(2, "S").what ~= "main" then error("assign undeclared " .. k, 2) end
        rawset(t, k, v)
      end,
      __index = function(_, k) error("undeclared " .. k, 2) end,
    })
    return function()
      local ok, read = pcall(function() return spec_nothing end)
      local ok2, written = pcall(function() spec_nothing = 5 end)
      return ok, read, ok2, written, rawget(_G, "print") == print, type(string)
    end, function() setmetatable(_G, old) end
  end)

  case("a chain behind _G, and a metatable that is locked", function()
    setmetatable(_G, { __metatable = "locked", __index = setmetatable({ spec_b = 2 }, { __index = { spec_c = 3 } }) })
    return function()
      return spec_b, spec_c, rawget(_G, "spec_b"), spec_d, getmetatable(_G), pcall(setmetatable, _G, {})
    end, function() debug.setmetatable(_G, nil) end
  end)

  case("_G may be called, measured and joined", function()
    setmetatable(_G, {
      __call = function(_, x) return "called" .. x end, __tostring = function() return "globals" end,
      __len = function() return 77 end, __concat = function() return "joined" end,
    })
    return function() return _G(1), tostring(_G), #_G, _G .. "x" end, function() setmetatable(_G, nil) end
  end)

  case("an _ENV that functions share", function()
    local env = setmetatable({}, { __index = _G })
    local f = load("x = (x or 0) + 1 return x, y", "f", "t", env)
    local g = load("y = (y or 10) + 1 x = x * 2 return x", "g", "t", env)
    return function()
      env.x, env.y = nil, nil
      local a, b = f(), g()
      return a, b, select(2, f()), rawget(_G, "x"), env.x, env.print == print
    end
  end)

  case("a table of functions with the globals behind it, as module() made it", function()
    SpecModule = setmetatable({}, { __index = _G })
    load("function hello() return tostring(other()) end function other() return 5 end", "m", "t", SpecModule)()
    return function() return SpecModule.hello(), SpecModule.print == print end, function() SpecModule = nil end
  end)
end)

describe("functions:", function()
  case("from string.dump, their upvalues set by debug.setupvalue, and stripped ones", function()
    local a, b = {}, 2
    local function f() return a[1] + b end
    local g = load(string.dump(f), "dumped", "b")
    for i = 1, 2 do debug.setupvalue(g, i, debug.getupvalue(g, i) == "a" and { 5 } or 10) end
    debug.setupvalue(g, 1, { 5 })
    debug.setupvalue(g, 2, 10)
    local stripped = load(string.dump(function(x) return x + 1, debug.getinfo(1, "l").currentline end, true))
    return function() return g(), stripped(4) end
  end)

  case("with 121 upvalues", function()
    local names, values = {}, {}
    for i = 1, 120 do names[i], values[i] = "a" .. i, i end
    local f = load(("local %s = ... local b = 0 return function() return b + %s end")
      :format(table.concat(names, ","), table.concat(names, "+")))(table.unpack(values))
    return function() return f() end
  end)

  case("are one in upvalues, globals, tables and keys; upvalues keep their identity", function()
    local x = 1
    local function f() return x end
    local function g() x = x + 0 return x end
    local function h() return g end
    debug.upvaluejoin(h, 1, f, 1)
    SpecF = f
    local t = { f }
    return function()
      return SpecF == f and t[1] == f and ({ [f] = 2 })[SpecF], h(), debug.upvalueid(f, 1) == debug.upvalueid(g, 1),
        debug.upvalueid(h, 1) == debug.upvalueid(f, 1)
    end, function() SpecF = nil end
  end)

  case("tell where they are: debug.getinfo, debug.getlocal, hooks", function()
    local function f(a, b)
      local c = a
      return debug.getinfo(1, "Slnu"), c, b
    end
    return function()
      local info, more, lines, count = f(), debug.getinfo(f, "SLu"), {}, 0
      for line in pairs(more.activelines) do lines[#lines + 1] = line end
      table.sort(lines)
      debug.sethook(function() count = count + 1 end, "l")
      local x = 1
      x = x + 1
      debug.sethook()
      return info.short_src, info.source, info.currentline, info.linedefined, info.lastlinedefined, info.what, info.nparams,
        info.nups, lines, debug.getlocal(f, 2), count > 0
    end
  end)

  case("errors and tracebacks have the script's lines", function()
    local function deep() error("deep") end
    local function by_caller() error("here", 2) end
    return function()
      local _, text = xpcall(deep, function(m) return debug.traceback(m):match "^([^\n]*\n[^\n]*)" end)
      local _, index = pcall(function() local t; return t.y end)
      local _, second = pcall(function() by_caller() end)
      local _, object = xpcall(function() error { code = 5 } end, function(e) return e.code end)
      return text, index, second, object, arg[0], select(2, pcall(function() string.rep() end))
    end
  end)

  case("use coroutines and close variables", function()
    local function count(n)
      return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end)
    end
    return function()
      local sum, log = 0, {}
      for i in count(10) do sum = sum + i end
      local co = coroutine.create(function(a) error { coroutine.yield(a + 1) } end)
      local _, first = coroutine.resume(co, 1)
      local ok, err = coroutine.resume(co, 7)
      pcall(function()
        local c <close> = setmetatable({}, { __close = function(_, e) log[1] = e end })
        error("closed", 0)
      end)
      return sum, first, ok, err[1], coroutine.status(co), coroutine.isyieldable(), log
    end
  end)
end)

describe("objects:", function()
  case("metamethods of all kinds", function()
    local M = {
      __eq = function() return true end, __lt = function(a, b) return a.v < b.v end, __le = function(a, b) return a.v <= b.v end,
      __len = function() return 42 end, __concat = function() return "joined" end, __name = "Spec", __unm = function() return "minus" end,
      __idiv = function() return "idiv" end, __band = function() return "band" end,
      __pairs = function(t) return function(_, k) if not k then return 1, "one" end end, t, nil end,
    }
    local a, b = setmetatable({ v = 1 }, M), setmetatable({ v = 2 }, M)
    local locked = setmetatable({}, { __metatable = false })
    return function()
      local seen = {}
      for k, v in pairs(a) do seen[#seen + 1] = k .. v end
      return a == b, a < b, a <= b, #a, a .. b, seen, a // b, a & b, -a, tostring(a):match "^Spec: ", getmetatable(locked),
        select(2, pcall(function() return a + 1 end)), pcall(setmetatable, locked, {})
    end
  end)

  case("classes with inheritance, registries keyed by class, private state in weak tables", function()
    SpecBase = {}
    SpecBase.__index = SpecBase
    function SpecBase.new(class, v) return setmetatable({ v = v }, class) end
    function SpecBase:get() return self.v end
    local Derived = setmetatable({}, { __index = SpecBase })
    Derived.__index = Derived
    function Derived:get() return SpecBase.get(self) * 2 end
    local object = Derived:new(4)
    local names, private = { [SpecBase] = "base", [Derived] = "derived" }, setmetatable({ [object] = { 7 } }, { __mode = "k" })
    return function()
      return object:get(), names[getmetatable(object)], names[getmetatable(Derived:new(1))], private[object][1], rawget(_G, "SpecBase") == SpecBase
    end, function() SpecBase = nil end
  end)

  case("weak tables, finalizers", function()
    local k1, k2, done = {}, {}, 0
    local cache = setmetatable({ [k1] = "one", [k2] = { k2 } }, { __mode = "k" })
    local values = setmetatable({ a = k1, b = {} }, { __mode = "v" })
    local finalized = setmetatable({ v = 3 }, { __gc = function() done = done + 100 end, __close = function() done = done + 1 end })
    return function()
      done = 0
      do local c <close> = finalized end
      do local mine = setmetatable({}, { __gc = function() done = done + 10 end }) end
      collectgarbage()
      collectgarbage()
      cache[{}] = 1
      collectgarbage()
      local count = 0
      for _ in pairs(cache) do count = count + 1 end
      return cache[k1], cache[k2][1] == k2, values.a == k1, count, done, finalized.v, getmetatable(finalized).__gc ~= nil
    end
  end)

  case("values at the edges", function()
    local t = { 0 / 0, -0.0, 1 / 0, math.mininteger, "a\0b", nil, 7, [2^53] = 1, [-1] = 2, [1.5] = 3, [math.maxinteger] = 5, [""] = 6 }
    local long = { [("k"):rep(100)] = ("v"):rep(5000) }
    return function()
      return t[1] ~= t[1], 1 / t[2], t[3], t[4], #t[5], t[6], t[7], t[2^53], t[-1], t[1.5], t[math.maxinteger], t[""], math.type(t[2]),
        #long[("k"):rep(100)]
    end
  end)
end)

describe("modules:", function()
  case("from package.preload, with results of all kinds, in a circle", function()
    package.preload["spec.pre"] = function(...) return { args = { ... } } end
    package.preload["spec.a"] = function() local M = {} package.loaded["spec.a"] = M M.b = require "spec.b" return M end
    package.preload["spec.b"] = function() return { a = require "spec.a" } end
    package.loaded["spec.true"], package.loaded["spec.text"], package.loaded["spec.f"] = true, "text", function() return 5 end
    require "spec.a"
    return function()
      package.loaded["spec.pre"] = nil
      local m, extra = require "spec.pre"
      return m.args, extra, require "spec.true", require "spec.text", require "spec.f"(), require "spec.a".b.a == require "spec.a"
    end, function()
      for name in pairs(package.loaded) do if name:find "^spec%." then package.loaded[name] = nil end end
      for name in pairs(package.preload) do if name:find "^spec%." then package.preload[name] = nil end end
    end
  end)

  case("from files below package.path, with their state, or loaded first in the task", function()
    local folder, old = os.tmpname(), package.path
    os.remove(folder)
    os.execute("mkdir " .. folder)
    for _, name in ipairs { "spec_one", "spec_two" } do
      local file = io.open(folder .. "/" .. name .. ".lua", "w")
      file:write("local M, n = { name = ... }, 0 function M.next() n = n + 1 return n end function M.set(k) n = k end return M")
      file:close()
    end
    package.path = folder .. "/?.lua;" .. old
    local one = require "spec_one"
    one.set(41)
    one.extra = "x"
    return function()
      one.set(41)
      package.loaded.spec_two = nil
      local two, where = require "spec_two"
      return require "spec_one".next(), one.extra, one.name, require "spec_one" == one, two.next(), where,
        package.searchpath("spec_two", package.path), select(2, pcall(require, "spec_three"))
    end, function()
      package.path = old
      package.loaded.spec_one = nil
      os.execute("rm -r " .. folder)
    end
  end)

  case("are all listed in package.loaded", function()
    return function()
      local names = {}
      for name in pairs(package.loaded) do if not name:find "^spec" then names[#names + 1] = name end end
      table.sort(names)
      return table.concat(names, " ")
    end
  end)
end)

describe("the standard library:", function()
  case("replaced by functions that use the old ones", function()
    local old_setmetatable, old_pairs, old_require, old_print = setmetatable, pairs, require, print
    setmetatable = function(...) return old_setmetatable(...) end
    pairs = function(t) return old_pairs(t) end
    require = function(name) return old_require(name) end
    print = function(...) return "printed", ... end
    SpecSeen = true
    return function()
      local object, seen = setmetatable({}, { __index = { z = 1 } }), false
      for k in pairs(_G) do seen = seen or k == "SpecSeen" end
      return object.z, seen, require "pl.pretty" == package.loaded["pl.pretty"], print(1)
    end, function()
      setmetatable, pairs, require, print, SpecSeen = old_setmetatable, old_pairs, old_require, old_print, nil
    end
  end)

  case("with functions and whole libraries taken away or replaced", function()
    local execute, insert, u, s = os.execute, table.insert, utf8, string
    os.execute, table.insert, utf8, string = nil, nil, nil, { only = 1 }
    return function()
      return os.execute, table.insert, utf8, package.loaded.utf8 ~= nil, type(os.time), string.only, ("x"):rep(2), require "string" == string
    end, function() os.execute, table.insert, utf8, string = execute, insert, u, s end
  end)

  case("strings with an index of their own", function()
    local meta = getmetatable ""
    local old = meta.__index
    meta.__index = function(s, k) if type(k) == "number" then return old.sub(s, k, k) end return old[k] end
    meta.__call = function(s, ...) return s .. table.concat { ... } end
    return function() return ("abc")[2], ("x"):upper(), ("f")("y", "z"), "10" + 1 end,
      function() meta.__index, meta.__call = old, nil end
  end)

  case("files: standard ones, open, closed, popen, dofile, loadfile", function()
    local name = os.tmpname()
    local closed, out = io.open(name), io.stdout
    closed:close()
    local file = io.open(name, "w")
    file:write "SpecFile = 5 return ..., 7"
    file:close()
    return function()
      local pipe = io.popen "echo hi; exit 3"
      local text, r, s = pipe:read "a", dofile(name)
      local a, global = loadfile(name)(3), SpecFile
      SpecFile = nil
      return io.type(closed), tostring(closed), pcall(closed.read, closed), out == io.stdout, io.output() == out, io.type(io.stdin), text,
        r, s, a, global, pipe:close()
    end, function() os.remove(name) end
  end)

  case("fast_map itself, its inputs, objects that tasks of it return", function()
    local numbers, both = fast_map.range(1, 3), fast_map.zip({ 1, 2 }, { 3, 4 })
    local C = {}
    C.__index = C
    return function()
      local products = {}
      for i, a, b in fast_map(function(a, b) return a, b end, both) do products[i] = a * b end
      local made = fast_map.map(function(x) return setmetatable({ x }, C) end, { 1, 2 })
      local shared = fast_map.map(function() local t = {} t.t, t.f = t, function() return t.t == t end return t end, { 1 })[1]
      local _, err = pcall(fast_map.map, function() error(setmetatable({ code = 5 }, C)) end, { 1 })
      return products, fast_map.map(string.rep, both), fast_map.map(function(x) return x end, numbers), getmetatable(made[2]) == C,
        shared.f(), getmetatable(err.message) == C, err.kind,
        (fast_map.map(setmetatable({}, { __call = function(_, x) return x + 1 end }), { 1 }))
    end
  end)
end)

describe("results of two tasks", function()
  it("do not share the table that both had from the script", function()
    local shared = { 1 }
    for _, way in ipairs(ways) do
      local results = fast_map.map(function() return { shared }, shared end, { 1, 2 }, way[2])
      assert.is_false(rawequal(results[1][1], results[2][1]))
      assert.is_false(rawequal(results[1][1], shared))
      assert.are.same({ { 1 }, { 1 } }, { results[1][1], results[2][1] })
    end
  end)
end)

describe("maps inside tasks", function()
  it("end at a depth of four with a clear error, in every thread", function()
    local function dive(depth)
      local ok, below = pcall(fast_map.map, dive, { depth + 1 })
      return ok and below[1] or { depth, tostring(below.message or below) }
    end
    for _, way in ipairs(ways) do
      for _, last in fast_map(dive, { 1, 1, 1 }, way[2]) do
        assert.are.equal(4, last[1])
        assert.matches("maps are nested 4 deep", last[2])
      end
    end
  end)

  it("have one process each unless they ask for more", function()
    local function pid() return io.open("/proc/self/stat"):read "n" end
    local function pids(options)
      local seen, count = {}, 0
      for _, id in fast_map(function() fast_map.sleep(0.01) return pid() end, fast_map.range(1, 8), options) do
        if not seen[id] then seen[id], count = true, count + 1 end
      end
      return count
    end
    assert.are.same({ 1, 2 }, fast_map.map(function() return { pids(), pids { procs_limit = 2 } } end, { 1 })[1])
  end)
end)
