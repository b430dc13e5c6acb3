-- What Lua code had added to a C library's types was lost in a task when the script had loaded the library: cqueues' loop,
-- LuaSec's info, luaossl's tostring, a script's own methods. So were settings, such as lpeg.setmaxstack.

local fast_map = require "fast_map"

local ways = { { procs_limit = 1, threads_limit = 1 }, { procs_limit = 2, threads_limit = 4 } }

-- A task, alone and beside others, and a task of a task return what f does here.
local function everywhere(f)
  local expected = f()
  for _, way in ipairs(ways) do
    for _, result in fast_map(f, fast_map.range(1, 6), way) do assert.are.same(expected, result) end
  end
  local nested = fast_map.map(function() return fast_map.map(f, { 1, 2 }, { threads_limit = 2 }) end, { 1 })[1]
  assert.are.same({ expected, expected, n = 2 }, nested)
  return expected
end

local function message_of(f)
  local ok, err = pcall(fast_map.map, f, { 1 })
  assert.is_false(ok)
  return err.message
end

-- A test that needs a library: f(module)
local function with(name, title, f)
  local found, module = pcall(require, name)
  if found then it(title, function() f(module) end) else pending(title .. ": " .. name .. " is not installed") end
end

describe("in tasks", function()
  with("cqueues", "the loop of cqueues runs, whatever parts the script has loaded", function(cqueues)
    local function loop()
      local out, queue, condition = {}, require "cqueues".new(), require "cqueues.condition".new()
      queue:wrap(function() condition:wait() out[#out + 1] = "woken" end)
      queue:wrap(function() cqueues.sleep(0.001) out[#out + 1] = "slept" condition:signal() end)
      assert(queue:loop())
      return out
    end
    everywhere(loop)
    local socket = require "cqueues.socket"
    require "cqueues.promise"
    everywhere(loop)
    assert.are.same({ "echo", "C" }, everywhere(function()
      local a, b = socket.pair()
      a:write "echo\n"
      a:flush()
      return { b:read "*l", debug.getinfo(socket.type, "S").what }
    end))
  end)

  with("ssl", "the connections of LuaSec have info", function(ssl)
    assert.are.equal("function", everywhere(function()
      local context = ssl.newcontext { mode = "client", protocol = "any" }
      return type(require "ssl.core".create(context).info)
    end))
  end)

  with("openssl.x509.name", "names of luaossl are shown as in the script", function(name)
    assert.are.equal("CN=x, O=me", everywhere(function()
      local n = name.new()
      n:add("CN", "x"):add("O", "me")
      return tostring(n)
    end))
  end)

  with("socket", "the script's own methods of LuaSocket are there", function(socket)
    local meta = getmetatable(socket.tcp())
    meta.__index.hello = function(self) return "hello from " .. tostring(self):match "^%a+" end
    assert.are.same({ "hello from tcp", true, "nil" }, everywhere(function()
      local tcp = require "socket".tcp()
      return { tcp:hello(), getmetatable(tcp) == meta, type(require "socket".udp().hello) }
    end))
    meta.__index.hello = nil
    assert.is_nil(everywhere(function() return require "socket".tcp().hello end))
    local send = meta.__index.send
    meta.__index.send = nil
    assert.is_nil(everywhere(function() return require "socket".tcp().send end))
    meta.__index.send = send
  end)

  with("socket", "what cannot travel in a type's methods is named with its path", function(socket)
    local methods = getmetatable(socket.tcp()).__index
    methods.default, methods.output = socket.tcp(), io.stdout
    assert.matches("registry 'tcp{master}'%.__index%.default is a userdata %(tcp{master}%), which cannot travel",
      message_of(function() return require "socket".tcp().default:getfd() end))
    assert.is_true(fast_map.map(function() return require "socket".tcp().output == io.stdout end, { 1 })[1])
    methods.default, methods.output = nil, nil
  end)

  with("lpeg", "patterns of LPeg can be called and added to, and its stack is as deep", function(lpeg)
    local meta = getmetatable(lpeg.P(true))
    local aa = lpeg.P "aa"
    meta.__call = function(self, ...) return self:match(...) end
    meta.__index.opt = function(self) return self ^ -1 end
    lpeg.setmaxstack(3000)
    assert.are.same({ 3, 4, 3, 2001, true }, everywhere(function()
      local balanced = lpeg.P { "(" * lpeg.V(1) ^ -1 * ")" }
      local text = ("("):rep(1000) .. (")"):rep(1000)
      return { aa "aab", lpeg.P "aaa" "aaab", (aa:opt() * "" ) "aa", balanced:match(text), getmetatable(aa) == meta }
    end))
    meta.__call, meta.__index.opt = nil, nil
    lpeg.setmaxstack(400)
  end)

  with("luasql.sqlite3", "the script's own methods of LuaSQL are there, and its finalizer", function(luasql)
    local env = luasql.sqlite3()
    local db = env:connect ":memory:"
    local meta = debug.getmetatable(db)
    meta.__index.all = function(self, statement)
      local cursor = assert(self:execute(statement))
      local row = cursor:fetch {}
      cursor:close()
      return row
    end
    assert.are.same({ 1 }, everywhere(function()
      local own = luasql.sqlite3():connect ":memory:"
      local row = own:all "select 1"
      own:close()
      return { tonumber(row[1]) }
    end))
    local collect = meta.__gc
    meta.__gc = function(self) collected = (collected or 0) + 1 return collect(self) end -- luacheck: ignore
    assert.are.equal(1, fast_map.map(function()
      luasql.sqlite3():connect ":memory:"
      collectgarbage()
      return collected -- luacheck: ignore
    end, { 1 })[1])
    meta.__gc = collect
    db:close()
  end)

  with("cjson", "an instance of cjson is named with its path", function(cjson)
    local own = cjson.new()
    local text = "upvalue 'own'%.encode of function at [^:]+:%d+ is a C function that holds a userdata, which cannot travel"
    assert.matches(text, message_of(function() return own.encode {} end))
    assert.matches(text, message_of(function()
      local _, err = pcall(fast_map.map, function() return own.encode {} end, { 1 })
      error(err.message, 0)
    end))
  end)

  with("lfs", "the iterator of lfs.dir is given back, its directory named", function(lfs)
    local iterator = fast_map.map(function() return (lfs.dir "/") end, { 1 })[1]
    assert.are.equal((lfs.dir "/"), iterator)
    assert.are.equal("the task's result value 2 is a userdata (directory metatable), which cannot travel",
      message_of(function() return lfs.dir "/" end))
  end)

  with("socket", "a module that is a C function loads", function()
    local found, serial = pcall(require, "socket.serial")
    if found then
      local function load() return { type(serial), serial == require "socket.serial" } end
      assert.are.same({ "function", true }, everywhere(load))
    end
  end)
end)
