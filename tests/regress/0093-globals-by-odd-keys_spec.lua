-- A field of _G whose key is no string was nil in a task, without a word, unless the key was an integer; and a class under
-- an integer was not the script's own when it came back.

local fast_map = require "fast_map"

describe("a field of _G under a key that is no string", function()
  local key, Class = {}, {}
  Class.__index = Class
  local fields = {
    [1.5] = "float", [true] = "boolean", [math.mininteger] = "least", [2^53] = "whole", [1e300] = "far",
    [7] = Class, [key] = "table",
  }

  setup(function() for k, v in pairs(fields) do rawset(_G, k, v) end end)
  teardown(function() for k in pairs(fields) do rawset(_G, k, nil) end end)

  local function look()
    return { _G[1.5], rawget(_G, true), _G[math.mininteger], _G[2^53], _G[1 << 53], _G[1e300], load("return _G[...]")(key),
      tostring(_G[false]), tostring(_G[2.5]), tostring(_G[{}]), tostring(_G[8]) }
  end

  for _, options in ipairs { { procs_limit = 1, threads_limit = 1 }, { procs_limit = 2, threads_limit = 8 } } do
    it(("is the script's in a task of %d threads"):format(options.threads_limit), function()
      for _, seen in fast_map(look, fast_map.range(1, 16), options) do
        assert.same({ "float", "boolean", "least", "whole", "whole", "far", "table", "nil", "nil", "nil", "nil" }, seen)
      end
    end)
  end

  it("is found in a map inside of a task, too", function()
    local results = fast_map.map(function() return fast_map.map(look, { 1 })[1] end, { 1 })
    assert.same(look(), results[1])
  end)

  it("may be changed by a task, for its thread", function()
    local results = fast_map.map(function()
      _G[1.5] = nil
      _G[true] = "mine"
      return tostring(_G[1.5]) .. _G[true]
    end, { 1 })
    assert.equal("nilmine", results[1])
    assert.equal("float", _G[1.5])
  end)

  it("gives results the script's own metatable", function()
    local results = fast_map.map(function() return setmetatable({}, _G[7]) end, { 1 })
    assert.equal(Class, getmetatable(results[1]))
  end)
end)
