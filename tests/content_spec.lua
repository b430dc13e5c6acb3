-- What counts as equal: of a task's arguments, and of a map's function.

local content = require "fast_map.content"

local host = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "lua5.4"

local function of(...)
  return content.new():of(...)
end

local function whole(value)
  return content.new():standalone(value)
end

-- The functions that the text of a chunk returns, under another name of the chunk.
local function functions(text)
  return assert(load(text, "=" .. tostring({})))()
end

-- The same table, filled in another order.
local function shuffled(t)
  local keys, copy = {}, {}
  for key in pairs(t) do keys[#keys + 1] = key end
  for i = #keys, 2, -1 do
    local k = math.random(i)
    keys[i], keys[k] = keys[k], keys[i]
  end
  for _, key in ipairs(keys) do copy["gone" .. tostring(key)] = true end
  for key in pairs(copy) do copy[key] = nil end
  for _, key in ipairs(keys) do copy[key] = t[key] end
  return copy
end

describe("the content of values", function()
  it("tells plain values apart, by type too", function()
    local values = { false, true, 0, 1, 1.0, -1, 2^53, 0.1, -0.0, 0.0, 0/0, math.huge, "", "1", "1.0", "nil", {}, { {} }, print }
    local texts = { [of(nil)] = true }
    for _, value in ipairs(values) do
      local text = of(value)
      assert.is_nil(texts[text], tostring(value))
      assert.equal(text, of(value))
      texts[text] = true
    end
  end)

  it("tells how many values there are, and where one ends", function()
    assert.not_equal(of("a", "b"), of("ab"))
    assert.not_equal(of("a", "b"), of("as", "b"))
    assert.not_equal(of({ "a" }, "b"), of { "a", "b" })
    assert.not_equal(of(1, nil), of(1))
    assert.not_equal(of { 1, { 2 } }, of { { 1 }, 2 })
    assert.not_equal(of { a = { b = 1 } }, of { a = {}, b = 1 })
  end)

  it("does not depend on how a table was made", function()
    local list = {}
    for i = 1, 100 do list[i] = i * i end
    local backwards = {}
    for i = 100, 1, -1 do backwards[i] = i * i end
    assert.equal(of(list), of(backwards))
    local holes = table.pack(1, nil, 3, nil, nil, 6)
    local made = { n = 6 }
    made[6], made[3], made[1] = 6, 3, 1
    assert.equal(of(holes), of(made))
    assert.not_equal(of { 1, 2, nil, 4 }, of { 1, 2, 4 })
  end)

  it("does not depend on the order of pairs", function()
    local t = { [1] = "x", [2.5] = "y", [-3] = "z", [true] = 1, [false] = 0, [{ "key" }] = 1, [{ "other" }] = 2 }
    for i = 1, 60 do t["key " .. i] = { value = i, name = "n" .. i } end
    for _ = 1, 50 do assert.equal(of(t), of(shuffled(t))) end
    t["key 7"].value = 8
    assert.not_equal(of(t), of(shuffled(t)) .. "?")
  end)

  it("is the same in every process", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write [[
      local content, core = require "fast_map.content", require "fast_map.core"
      local Class = { __name = "Class" }
      Class.__index = Class
      local function norm(x) return setmetatable({ x = x }, Class) end
      function Class.add(a, b) return norm(a.x + b.x) end
      function Class.sub(a, b) return norm(a.x - b.x) end
      local even, odd
      function even(n) return n == 0 or odd(n - 1) end
      function odd(n) return n ~= 0 and even(n - 1) end
      local handlers = { even = even, odd = odd, deep = { norm = norm }, write = io.write, out = io.stdout, json = string }
      local t = { id = 1, name = "x", tags = { a = 1, b = { c = norm(3) } }, [1.5] = true, [handlers] = 1 }
      for i = 1, 40 do t["key" .. i] = "value" .. i end
      local function f(x) return x, t, handlers end
      local function hex(s) return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
      local c = content.new()
      print(hex(core.digest(c:of(t, "x", handlers))), hex(core.digest(c:standalone(f))))
    ]]
    file:close()
    local first
    for _ = 1, 8 do
      local pipe = io.popen(host .. " " .. path .. " 2>&1")
      local line = pipe:read "a"
      pipe:close()
      assert.matches("^%x+\t%x+\n$", line)
      first = first or line
      assert.equal(first, line)
    end
    os.remove(path)
  end)

  it("keeps sharing and cycles", function()
    local a = { 1 }
    assert.not_equal(of { a, a }, of { { 1 }, { 1 } })
    local function ring(n)
      local first = { n }
      first.next = { n, back = first }
      return first
    end
    assert.equal(of(ring(1)), of(ring(1)))
    assert.not_equal(of(ring(1)), of(ring(2)))
  end)

  it("tells objects of one class from those of another", function()
    local function class(name)
      local c = { __name = name }
      c.__index = c
      function c.get(self) return self.x end
      return c
    end
    local A, B = class "A", class "B"
    local function object(meta, x) return setmetatable({ x = x }, meta) end
    assert.equal(of(object(A, 1)), of(object(A, 1)))
    assert.equal(of(object(A, 1)), of(object(class "A", 1)))
    assert.not_equal(of(object(A, 1)), of(object(B, 1)))
    assert.not_equal(of(object(A, 1)), of { x = 1 })
  end)

  it("calls no metamethod and touches nothing", function()
    local function fail() error "called" end
    local meta = { __index = fail, __newindex = fail, __len = fail, __pairs = fail, __eq = fail, __lt = fail, __tostring = fail,
      __name = 7, __metatable = "hidden", __gc = nil, __call = fail }
    local t = setmetatable({ 1, 2, a = 3 }, meta)
    assert.equal(of(t), of(t))
    assert.same({ 1, 2, 3 }, { rawget(t, 1), rawget(t, 2), rawget(t, "a") })
  end)

  it("takes keys that are objects, and lead back", function()
    local function made(order)
      local set = {}
      local a, b = { name = "a", all = set }, { name = "b", all = set }
      a.set, b.set = { [b] = true }, { [a] = true, [b] = 1 }
      for _, k in ipairs(order) do set[k == 1 and a or b] = k end
      return set
    end
    for _ = 1, 20 do assert.equal(of(made { 1, 2 }), of(made { 2, 1 })) end
    assert.not_equal(of(made { 1, 2 }), of(made { 1 }))
  end)

  it("stays short for large values", function()
    local large, other = {}, {}
    for i = 1, 100000 do large[i], other[i] = { id = i }, { id = i } end
    local text = of(large)
    assert.is_true(#text < 200000)
    assert.equal(text, of(other))
    other[3].id = 4
    assert.not_equal(text, of(other))
  end)

  it("refuses what is nested too deeply", function()
    local function nested(levels)
      local t = {}
      for _ = 1, levels do t = { t } end
      return t
    end
    assert.equal(of(nested(15000)), of(nested(15000)))
    assert.error_matches(function() of(nested(150000)) end, "^a value is nested deeper than 20000 levels")
  end)

  it("goes by the name of modules, C functions and files", function()
    assert.equal(of(string), of(require "string"))
    assert.not_equal(of(string), of(table))
    assert.not_equal(of(string.rep), of(string.upper))
    assert.not_equal(of(io.stdout), of(io.stderr))
    assert.equal(of(_G), of(_G))
    local string_with_more = of(string)
    rawset(string, "spec_addition", function() end)
    assert.equal(string_with_more, of(string))
    rawset(string, "spec_addition", nil)
  end)

  it("takes userdata by their type, and coroutines", function()
    local a, b = assert(io.tmpfile()), assert(io.tmpfile())
    assert.equal(of(a), of(b))
    assert.equal(of(coroutine.create(print)), of(coroutine.create(print)))
    a:close()
    b:close()
  end)
end)

describe("the content of functions", function()
  local base = "local a, t = 1, {2} return function(x) local y = x + a if y > 10 then return 'big', t end return y * 1.5 end"

  it("does not depend on lines, comments and names of locals", function()
    local same = {
      base,
      "\n\n\n" .. base,
      "local before, it = 1, 2 " .. base,
      base:gsub("local y", "--[[ why ]]\n local y"):gsub("return y", "\n\n\nreturn y"),
      (base:gsub("y", "z"):gsub("%f[%w]x", "parameter")),
    }
    for _, text in ipairs(same) do assert.equal(whole(functions(base)), whole(functions(text)), text) end
  end)

  it("depends on what is done", function()
    local texts = { base }
    for from, to in pairs { ["x %+ a"] = "x - a", ["'big'"] = "'bug'", ["> 10"] = "> 11", ["1%.5"] = "1.25", ["big', t"] = "big'" } do
      texts[#texts + 1] = base:gsub(from, to)
    end
    for i = 1, #texts do
      for k = i + 1, #texts do assert.not_equal(whole(functions(texts[i])), whole(functions(texts[k])), texts[k]) end
    end
  end)

  it("depends on what upvalues hold, deeply", function()
    assert.not_equal(whole(functions(base)), whole(functions((base:gsub("= 1,", "= 2,")))))
    assert.not_equal(whole(functions(base)), whole(functions((base:gsub("{2}", "{3}")))))
    local helper = "local function help(n) return n + 1 end return function(x) return help(x) end"
    assert.equal(whole(functions(helper)), whole(functions("\n" .. helper)))
    assert.not_equal(whole(functions(helper)), whole(functions((helper:gsub("n %+ 1", "n + 2")))))
  end)

  it("depends on functions inside of it", function()
    local outer = "return function(x) local function inner(k) return function() return k + 1 end end return inner(x)() end"
    assert.equal(whole(functions(outer)), whole(functions((outer:gsub("local", "\nlocal")))))
    assert.not_equal(whole(functions(outer)), whole(functions((outer:gsub("k %+ 1", "k + 2")))))
  end)

  it("takes functions that call themselves", function()
    local text = "local function f(n) return n < 2 and 1 or n * f(n - 1) end return f"
    assert.equal(whole(functions(text)), whole(functions(text)))
  end)

  it("does not depend on globals and modules", function()
    local text = "local s = require 'string' return function(x) return some_global(x), s.rep(x, 2), print end"
    local before = whole(functions(text))
    rawset(_G, "some_global", function() end)
    assert.equal(before, whole(functions(text)))
    rawset(_G, "some_global", nil)
  end)

  it("tells a module that is the function itself in full", function()
    local function module(n)
      return setmetatable({ n = n }, { __call = function(self) return self.n end })
    end
    local texts = {}
    for n = 1, 2 do
      package.loaded.spec_callable = module(n)
      texts[n] = whole(package.loaded.spec_callable)
      package.loaded.spec_callable = nil
    end
    assert.not_equal(texts[1], texts[2])
  end)

  it("reads the code of every function there is", function()
    -- strange ones: many constants of each kind, long strings, varargs, closing variables, nested functions
    local text = "local a <close>, b <const> = nil, 5 return function(...) local x, y = ... local z <const> = 3.25 "
      .. "for i = 1, 10 do x = x + i // 3 end for k in pairs(y) do y[k] = nil end goto out do return 0x7fffffffffffffff, "
      .. "1e300, -1, true, false, nil, '" .. ("long"):rep(50) .. "' end ::out:: return function() return x, y, z, ... end end"
    text = text:gsub("z, %.%.%. end", "z end")
    assert.equal(whole(functions(text)), whole(functions("\n\n" .. text)))
    assert.not_equal(whole(functions(text)), whole(functions((text:gsub("3.25", "3.75")))))
    for _, name in ipairs { "busted.core", "pl.pretty", "fast_map.source", "fast_map.options" } do
      local ok, module = pcall(require, name)
      if ok and type(module) == "function" then whole(module) end
    end
  end)
end)
