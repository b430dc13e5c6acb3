-- snapshot_spec.lua - a function works in a task as it does in a plain loop: upvalues, globals, modules, the standard library.
-- Each case is a function that is called here, then as the task of maps on one thread, on several threads, in two processes, and
-- of a map that a task runs.

local fast_map = require "fast_map"

local ways = {
  { name = "one thread", options = { procs_limit = 1, threads_limit = 1 } },
  { name = "several threads", options = { procs_limit = 1, threads_limit = 3 } },
  { name = "two processes", options = { procs_limit = 2, threads_limit = 2 } },
}

local function same_everywhere(f, ...)
  local expected = table.pack(f(...))
  local arguments = table.pack(...)
  local tasks = fast_map.range(1, 4)
  for _, way in ipairs(ways) do
    local count = 0
    for _, results in fast_map(function() return table.pack(f(table.unpack(arguments, 1, arguments.n))) end, tasks, way.options) do
      assert.are.same(expected, results, way.name)
      count = count + 1
    end
    assert.are.equal(4, count)
  end
  if os.getenv "NO_NESTED_MAPS" then return table.unpack(expected, 1, expected.n) end
  for _, results in fast_map(function()
    return fast_map.map(function() return table.pack(f(table.unpack(arguments, 1, arguments.n))) end, { 1, 2 }, { threads_limit = 2 })
  end, fast_map.range(1, 2), ways[3].options) do
    assert.are.same({ expected, expected, n = 2 }, results, "map in a task")
  end
  return table.unpack(expected, 1, expected.n)
end

describe("upvalues in a task", function()
  it("are deep tables with cycles and shared parts", function()
    local part = { 1, 2, { "deep" } }
    local t = { a = part, b = part, [2.5] = true, [true] = "yes" }
    t.self = t
    assert.are.same({ true, "deep", "yes", true },
      { same_everywhere(function() return t.a == t.b, t.a[3][1], t[true], t.self == t end) })
  end)

  it("are shared by the closures that share them here", function()
    local n = 0
    local function increment() n = n + 1 end
    local pair = { increment = increment, get = function() return n end }
    assert.are.equal(3, same_everywhere(function()
      n = 1
      pair.increment()
      increment()
      return pair.get()
    end))
  end)

  it("are functions that call themselves and each other", function()
    local odd
    local function even(n) return n == 0 or odd(n - 1) end
    function odd(n) return n ~= 0 and even(n - 1) end
    local function factorial(n) return n < 2 and 1 or n * factorial(n - 1) end
    assert.are.same({ true, false, 120 }, { same_everywhere(function() return even(10), odd(10), factorial(5) end) })
  end)

  it("are functions from text, from string.dump, with a variable number of arguments", function()
    local from_text = assert(load("local x = ... return function(y) return x, y end"))(5)
    local dumped = load(string.dump(function(...) return select("#", ...) end))
    assert.are.same({ 3, 5, 6 }, { same_everywhere(function() return dumped(nil, nil, 1), from_text(6) end) })
  end)

  it("may be an _ENV of one's own", function()
    local f
    do
      local _ENV = { y = 7 }
      f = function() z = y; return z end -- luacheck: ignore
    end
    assert.are.equal(7, same_everywhere(f))
  end)

  it("may be constants and variables to be closed", function()
    local constant <const> = { 5 }
    local closed <close> = setmetatable({ value = 6 }, { __close = function() end })
    assert.are.same({ 5, 6 }, { same_everywhere(function() return constant[1], closed.value end) })
  end)

  it("may be a list of 20,000 nodes", function()
    local list
    for i = 1, 20000 do list = { next = list, value = i } end
    assert.are.equal(20000, same_everywhere(function()
      local n, node = 0, list
      while node do n, node = n + 1, node.next end
      return n
    end))
  end)

  it("belong to the thread once they are changed", function()
    local n = 0
    for _, seen in fast_map(function() n = n + 1; return n end, fast_map.range(1, 3), ways[1].options) do n = seen - seen end
    assert.are.equal(0, n)
  end)
end)

describe("globals in a task", function()
  it("are found by name, in _G, and from text loaded there", function()
    _G.spec_value, _G.spec_table = 5, { deep = { 6 } }
    function _G.spec_function(x) return x + spec_value end
    assert.are.same({ 15, 6, 5, 5 }, { same_everywhere(function()
      return spec_function(10), spec_table.deep[1], _G["spec_" .. "value"], load("return spec_value")()
    end) })
  end)

  it("are one object with what an upvalue leads to", function()
    _G.spec_table = {}
    local t = spec_table
    assert.is_true(same_everywhere(function() return t == spec_table and rawget(_G, "spec_table") == t end))
  end)

  it("can be assigned, hidden and listed, in their thread only", function()
    _G.spec_value = 5
    assert.are.same({ "nil", 6, true }, { same_everywhere(function()
      local before = spec_value
      _G.spec_value = nil
      local hidden = tostring(spec_value)
      _G.spec_value = 6
      local assigned, listed = spec_value, false
      for name in pairs(_G) do listed = listed or name == "spec_value" end
      _G.spec_value = before
      return hidden, assigned, listed
    end) })
    for _ in fast_map(function() _G.spec_fresh = 1 end, { 1, 2 }) do end
    assert.is_nil(rawget(_G, "spec_fresh"))
  end)

  it("may be guarded by a metatable of _G", function()
    local old = getmetatable(_G)
    _G.spec_value = 5
    setmetatable(_G, {
      __index = function(_, name) error("undefined " .. name, 2) end,
      __newindex = function(_, name) error("assigned " .. name, 2) end,
    })
    local ok, err = pcall(same_everywhere, function()
      local a, undefined = pcall(function() return _G.spec_undefined end)
      local b, assigned = pcall(function() _G.spec_undefined = 1 end)
      _G.spec_value = 5
      return a, (undefined:gsub("^.*:%d+: ", "")), b, (assigned:gsub("^.*:%d+: ", "")), spec_value
    end)
    setmetatable(_G, old)
    assert.is_true(ok, err)
  end)

  it("cost nothing until they are named", function()
    _G.spec_big = {}
    for i = 1, 200000 do spec_big[i] = { i } end
    for _, kilobytes in fast_map(function() return collectgarbage("count") end, { 1 }) do
      assert.is_true(kilobytes < 5000, kilobytes)
    end
    assert.are.equal(200000, same_everywhere(function() return #spec_big end))
    _G.spec_big = nil
  end)
end)

describe("modules in a task", function()
  it("have the state that the script gave them, captured or required", function()
    package.preload.spec_config = function() return { level = 1 } end
    local config = require "spec_config"
    config.level = 3
    assert.are.same({ 3, true }, { same_everywhere(function()
      local again = require "spec_config"
      return again.level, again == config
    end) })
  end)

  it("come from package.preload, package.path and package.searchers as the script set them", function()
    package.preload.spec_preloaded = function(name) return { name = name } end
    local path = package.path
    package.path = "/nowhere/?.lua;" .. path
    local function searcher(name)
      if name == "spec_found" then return function() return { "found" } end end
      return "nothing"
    end
    table.insert(package.searchers, 2, searcher)
    assert.are.same({ "spec_preloaded", "/nowhere", "found" }, { same_everywhere(function()
      return require("spec_preloaded").name, package.path:match("^[^?]+"):sub(1, -2), require("spec_found")[1]
    end) })
    table.remove(package.searchers, 2)
    package.path = path
    package.loaded.spec_preloaded, package.loaded.spec_found = nil, nil
  end)

  local function with(name, title, test)
    local found, module = pcall(require, name)
    if found then
      it(title, function() test(module) end)
    else
      pending(title .. " (" .. name .. " is not installed)")
    end
  end

  with("cjson", "are C modules: lua-cjson", function(json)
    local encode = json.encode
    assert.are.same({ '[1,null]', 2.0, "[3]", true }, { same_everywhere(function()
      return json.encode { 1, json.null }, require("cjson").decode("[2]")[1], encode { 3 }, require "cjson" == json
    end) })
  end)

  with("lfs", "are C modules: luafilesystem", function(lfs)
    assert.are.equal("directory", same_everywhere(function() return lfs.attributes("/", "mode") end))
  end)

  with("socket", "are C modules: luasocket, with the Lua code around it", function(socket)
    local http = require "socket.http"
    assert.are.same({ true, "connection refused" }, { same_everywhere(function()
      local tcp = assert(socket.tcp())
      tcp:close()
      return socket.gettime() > 0, (select(2, http.request("http://127.0.0.1:1/")))
    end) })
  end)

  with("lpeg", "are C modules: LPeg, and Lua modules with patterns of their own", function(lpeg)
    local re = require "re"
    assert.are.same({ 4, "hello", 7 }, { same_everywhere(function()
      return lpeg.match(lpeg.P "a" ^ 1 * lpeg.Cp(), "aaab"), re.match("hello world", "{%w+}"), (require("re").find("hello 12", "%d+"))
    end) })
  end)

  with("luasql.sqlite3", "are C modules: LuaSQL", function(sqlite)
    assert.are.equal(5, same_everywhere(function()
      local environment = sqlite.sqlite3()
      local connection = assert(environment:connect(":memory:"))
      connection:execute "create table t(a)"
      connection:execute "insert into t values(5)"
      local cursor = connection:execute "select a from t"
      local value = cursor:fetch()
      cursor:close()
      connection:close()
      environment:close()
      return value
    end))
  end)

  with("pl.class", "are Lua libraries: Penlight", function(class)
    local List, pretty = require "pl.List", require "pl.pretty"
    local Animal = class()
    function Animal:_init(name) self.name = name end
    local Dog = class(Animal)
    function Dog:_init(name) self:super(name) end
    function Dog:speak() return self.name .. " barks" end
    assert.are.same({ "{1,2,3}", "Rex barks", true, "{1,{2}}" }, { same_everywhere(function()
      local dog = Dog("Rex")
      return tostring(List { 3, 1, 2 }:sort()), dog:speak(), dog:is_a(Animal), (pretty.write({ 1, { 2 } }, ""))
    end) })
  end)
end)

describe("the standard library in a task", function()
  it("has what the script added, replaced and removed", function()
    local old_print, old_ult = print, math.ult
    function string.spec_trim(s) return (s:gsub("^%s+", "")) end -- luacheck: ignore
    _G.print = function(...) return "mine", ... end
    math.ult = nil -- luacheck: ignore
    local ok, err = pcall(function()
      assert.are.same({ "x", "mine", 1, "nil" }, { same_everywhere(function()
        local mine, one = print(1)
        return ("  x"):spec_trim(), mine, one, tostring(math.ult)
      end) })
    end)
    _G.print, math.ult, string.spec_trim = old_print, old_ult, nil -- luacheck: ignore
    assert.is_true(ok, err)
  end)

  it("is one with the metatable of strings", function()
    local s = string
    assert.is_true(same_everywhere(function()
      return getmetatable("").__index == string and s == string and require "string" == s and ("x"):upper() == "X"
    end))
    assert.are.equal(11, same_everywhere(function() return "10" + 1 end))
  end)

  it("has the script's files", function()
    local name = os.tmpname()
    local log = assert(io.open(name, "a"))
    local out = io.stdout
    for _, ok in fast_map(function(i)
      log:write("line ", i, "\n")
      return out == io.stdout and io.type(log) == "file"
    end, fast_map.range(1, 50), ways[3].options) do
      assert.is_true(ok)
    end
    log:close()
    local seen = 0
    for line in io.lines(name) do
      assert.is_truthy(line:match("^line %d+$"), line)
      seen = seen + 1
    end
    os.remove(name)
    assert.are.equal(50, seen)
  end)

  it("draws other random numbers in every thread, and the same ones for a seed", function()
    local seen = {}
    for _, number in fast_map(function() fast_map.sleep(0.01); return math.random(1 << 60) end, fast_map.range(1, 8),
      { procs_limit = 2, threads_limit = 8 }) do
      assert.is_nil(seen[number])
      seen[number] = true
    end
    local function draw(options)
      options.seed = 42
      return fast_map.map(function() return math.random(1000), math.random() end, fast_map.range(1, 6), options)
    end
    local first = draw { procs_limit = 1, threads_limit = 1 }
    assert.are.same(first, draw { procs_limit = 2, threads_limit = 5 })
  end)

  it("tells where functions are", function()
    local here = debug.getinfo(1, "S").short_src
    local function f() return debug.getinfo(1, "Sl") end
    local info = same_everywhere(function()
      local about = f()
      return about.short_src .. ":" .. about.currentline
    end)
    assert.are.equal(here .. ":" .. debug.getinfo(f, "S").linedefined, info)
    assert.are.equal(arg[0], same_everywhere(function() return arg[0] end))
  end)
end)
