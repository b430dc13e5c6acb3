-- What a C library keeps in the registry, and a script had set by calling the library or through getmetatable, was as new in
-- a task: settings, callbacks, methods. What belongs to the script's own objects must stay behind.

local fast_map = require "fast_map"

local source = [[
#include <lauxlib.h>
#include <lualib.h>

static const char mode, reference, cached, late;

static int f_limit(lua_State *L) {
  if (!lua_isnone(L, 1)) { lua_settop(L, 1); lua_setfield(L, LUA_REGISTRYINDEX, "kept.limit"); }
  lua_getfield(L, LUA_REGISTRYINDEX, "kept.limit");
  return 1;
}
static int f_verbose(lua_State *L) { /* not there before it is set */
  if (!lua_isnone(L, 1)) { lua_settop(L, 1); lua_setfield(L, LUA_REGISTRYINDEX, "kept.verbose"); }
  lua_getfield(L, LUA_REGISTRYINDEX, "kept.verbose");
  return 1;
}
static int f_mode(lua_State *L) {
  if (!lua_isnone(L, 1)) { lua_settop(L, 1); lua_rawsetp(L, LUA_REGISTRYINDEX, &mode); }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &mode);
  return 1;
}
static int f_late(lua_State *L) {
  if (!lua_isnone(L, 1)) { lua_settop(L, 1); lua_rawsetp(L, LUA_REGISTRYINDEX, &late); }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &late);
  return 1;
}
static int f_callback(lua_State *L) {
  if (!lua_isnone(L, 1)) { lua_settop(L, 1); lua_setfield(L, LUA_REGISTRYINDEX, "kept.callback"); return 0; }
  lua_getfield(L, LUA_REGISTRYINDEX, "kept.callback");
  lua_call(L, 0, 1);
  return 1;
}
static int f_reference(lua_State *L) { /* the object behind a reference, which has another number in each state */
  lua_rawgetp(L, LUA_REGISTRYINDEX, &reference);
  lua_rawgeti(L, LUA_REGISTRYINDEX, lua_tointeger(L, -1));
  return 1;
}
static int f_new(lua_State *L) {
  lua_newuserdatauv(L, 1, 0);
  luaL_setmetatable(L, "kept.thing");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cached);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, lua_touserdata(L, -2));
  lua_pop(L, 1);
  return 1;
}
static int f_later(lua_State *L) {
  static const luaL_Reg methods[] = {{"__index", NULL}, {NULL, NULL}};
  lua_newuserdatauv(L, 1, 0);
  if (luaL_newmetatable(L, "kept.later")) {
    luaL_setfuncs(L, methods, 0);
    luaL_newlib(L, ((const luaL_Reg[]){{"limit", f_limit}, {NULL, NULL}}));
    lua_setfield(L, -2, "__index");
  }
  lua_setmetatable(L, -2);
  return 1;
}
static int f_objects(lua_State *L) {
  lua_Integer n = 0;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cached);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) n++;
  lua_pushinteger(L, n);
  return 1;
}
static int f_options(lua_State *L) { lua_getfield(L, LUA_REGISTRYINDEX, "kept.options"); return 1; }
static int m_name(lua_State *L) { luaL_checkudata(L, 1, "kept.thing"); lua_pushliteral(L, "thing"); return 1; }
static int never(lua_State *L) { return luaL_error(L, "a metamethod ran while a task began"); }

int luaopen_kept(lua_State *L) {
  static const luaL_Reg functions[] = {{"limit", f_limit}, {"verbose", f_verbose}, {"mode", f_mode}, {"late", f_late},
    {"callback", f_callback}, {"reference", f_reference}, {"new", f_new}, {"later", f_later}, {"objects", f_objects},
    {"options", f_options}, {NULL, NULL}};
  static const luaL_Reg guards[] = {{"__index", never}, {"__newindex", never}, {"__pairs", never}, {"__len", never},
    {NULL, NULL}};
  lua_pushinteger(L, 10); lua_setfield(L, LUA_REGISTRYINDEX, "kept.limit");
  lua_pushliteral(L, "plain"); lua_rawsetp(L, LUA_REGISTRYINDEX, &mode);
  lua_newtable(L); lua_pushliteral(L, "mine"); lua_setfield(L, -2, "whose");
  lua_pushinteger(L, luaL_ref(L, LUA_REGISTRYINDEX)); lua_rawsetp(L, LUA_REGISTRYINDEX, &reference);
  lua_newtable(L); lua_rawsetp(L, LUA_REGISTRYINDEX, &cached);
  lua_newtable(L); lua_pushinteger(L, 1); lua_setfield(L, -2, "depth"); lua_setfield(L, LUA_REGISTRYINDEX, "kept.options");
  luaL_newmetatable(L, "kept.thing");
  lua_newtable(L); lua_pushcfunction(L, m_name); lua_setfield(L, -2, "name"); lua_setfield(L, -2, "__index");
  luaL_newlib(L, guards); lua_setmetatable(L, -2);
  luaL_newlib(L, functions);
  return 1;
}
static int f_call(lua_State *L) { return f_limit(L); }
int luaopen_kept_call(lua_State *L) { lua_pushcfunction(L, f_call); return 1; }
]]

local folder

-- Builds the library in a folder of its own, where `require` finds it.
local function build()
  local pipe = io.popen "mktemp -d"
  folder = pipe:read "l"
  pipe:close()
  local file = assert(io.open(folder .. "/kept.c", "w"))
  file:write(source)
  file:close()
  local command = "cd %s && cc -shared -fPIC -I/usr/include/lua5.4 $(pkg-config --cflags lua5.4) -o kept.so kept.c >log 2>&1"
  if not os.execute((command .. " && mkdir kept && cp kept.so kept/call.so"):format(folder)) then return nil end
  package.cpath = folder .. "/?.so;" .. package.cpath
  return require "kept"
end

local ways = { { procs_limit = 1, threads_limit = 1 }, { procs_limit = 2, threads_limit = 4 } }

local function everywhere(f)
  local expected = f()
  for _, way in ipairs(ways) do
    for _, result in fast_map(f, fast_map.range(1, 6), way) do assert.are.same(expected, result) end
  end
  local nested = fast_map.map(function() return fast_map.map(f, { 1, 2 }, { threads_limit = 2 }) end, { 1 })[1]
  assert.are.same({ expected, expected, n = 2 }, nested)
  return expected
end

describe("what a C library keeps in the registry", function()
  local kept = build()
  if not kept then
    pending "there is no C compiler, or no header of Lua"
    return
  end
  local tag = {}

  kept.limit(77)
  kept.mode "fancy"
  kept.verbose(true)
  kept.late(1.5)
  kept.callback(function() return tag end)
  kept.reference().whose = "the script's"
  kept.options().depth = 5
  kept.options().name = "deep"
  local thing, later = kept.new(), kept.later()
  local type_of, type_later = debug.getmetatable(thing), debug.getmetatable(later)
  rawget(type_of, "__index").twice = function(self) return self:name() .. self:name() end
  rawset(type_of, "__call", function(self, x) return x .. self:name() end)
  type_later.__index.half = function() return kept.limit() / 2 end

  it("are the settings that the script made: under names and addresses, set at first or later", function()
    assert.are.same({ 77, "fancy", true, 1.5 }, everywhere(function()
      local k = require "kept"
      return { k.limit(), k.mode(), k.verbose(), k.late() }
    end))
  end)

  it("are settings that a task may change, for itself", function()
    local results = fast_map.map(function(n)
      local before = kept.limit()
      kept.limit(n)
      package.loaded.lfs = nil
      require "lfs" -- another library's loading changes nothing
      return { before, kept.limit() }
    end, { 1 })
    assert.are.same({ { 77, 1 }, n = 1 }, results)
    assert.are.equal(77, kept.limit())
  end)

  it("are callbacks, and tables with settings", function()
    assert.are.same({ true, 5, "deep" }, everywhere(function()
      return { require "kept".callback() == tag, kept.options().depth, kept.options().name }
    end))
  end)

  it("are the methods and metamethods that Lua code gave to its types", function()
    assert.are.same({ "thingthing", "athing", 38.5 }, everywhere(function()
      local one, other = require "kept".new(), kept.later()
      return { one:twice(), one "a", other:half() }
    end))
  end)

  it("is one table, however a task comes to it", function()
    everywhere(function()
      local first = type_of ~= nil and rawget(type_of, "__index")
      local meta = debug.getmetatable(require "kept".new())
      return { meta == type_of, rawget(meta, "__index") == first, debug.getregistry()["kept.thing"] == meta }
    end)
    local methods = rawget(type_of, "__index")
    assert.is_true(fast_map.map(function()
      methods.new_one = function() return "new" end
      return kept.new():new_one() == "new"
    end, { 1 })[1])
  end)

  it("are its objects and references, which are each state's own", function()
    local results = fast_map.map(function() return { kept.objects(), kept.reference().whose } end, { 1 })
    assert.are.same({ 0, "mine" }, results[1])
    assert.are.same({ 1, "the script's" }, { kept.objects(), kept.reference().whose })
  end)

  it("comes back as the script's own from a task", function()
    for _, object, limit, name in fast_map(function()
      local k = require "kept"
      local meta = debug.getmetatable(k.new())
      return setmetatable({}, meta), k.limit, rawget(meta, "__index").name
    end, { 1 }) do
      assert.is_true(rawequal(debug.getmetatable(object), type_of))
      assert.is_true(limit == kept.limit and name == rawget(type_of, "__index").name)
    end
  end)

  it("may belong to a module that is a C function", function()
    local call = require "kept.call"
    assert.are.same({ "function", 77, true }, everywhere(function()
      return { type(call), require "kept.call"(), require "kept.call" == call }
    end))
  end)

  teardown(function() os.execute("rm -rf " .. folder) end)
end)
