-- `fast_map(f, arg)` in a script that got no arguments was refused as a map: arg has the keys 0, -1, ...

local fast_map = require "fast_map"

describe("a script without arguments", function()
  local before = _G.arg

  setup(function() rawset(_G, "arg", { [-1] = "lua5.4", [0] = "script.lua" }) end)
  teardown(function() rawset(_G, "arg", before) end)

  it("has no tasks in arg", function()
    assert.equal(0, fast_map.map(print, _G.arg).n)
  end)

  it("may not have other tables without items", function()
    assert.has_error(function() fast_map.map(print, { [-1] = "lua5.4", [0] = "script.lua" }) end)
  end)
end)
