-- In a map inside a task, a global that was set to nil had the script's value again, and getmetatable(_G) was our own: the
-- metatable of a thread's _G was taken for one of the script's.

local fast_map = require "fast_map"

local function nested(f)
  return fast_map.map(function() return fast_map.map(f, { 1 })[1] end, { 1 })[1]
end

describe("globals in a map inside a task", function()
  setup(function() rawset(_G, "spec_nested", 5) end)
  teardown(function() rawset(_G, "spec_nested", nil) end)

  it("are gone when they were set to nil, in either place", function()
    assert.are.equal("nil", nested(function()
      _G.spec_nested = nil
      return tostring(_G.spec_nested)
    end))
    assert.are.equal("5 nil", nested(function()
      local before = _G.spec_nested
      _G.spec_nested = nil
      return before .. " " .. tostring(_G.spec_nested)
    end))
    assert.are.equal("nil", fast_map.map(function()
      _G.spec_nested = nil
      return fast_map.map(function() return tostring(_G.spec_nested) end, { 1 })[1]
    end, { 1 })[1])
  end)

  it("have no metatable when the script's have none", function()
    local old = getmetatable(_G)
    setmetatable(_G, nil)
    local text = nested(function() return tostring(getmetatable(_G)) end)
    setmetatable(_G, old)
    assert.are.equal("nil", text)
  end)

  it("have the metatable that the script or the task gave them", function()
    local old = getmetatable(_G)
    setmetatable(_G, { __index = function(_, name) return "no " .. name end })
    local a = nested(function() return _G.spec_none .. _G.spec_nested end)
    setmetatable(_G, old)
    assert.are.equal("no spec_none5", a)
    assert.are.equal("mine spec_none5", fast_map.map(function()
      setmetatable(_G, { __index = function(_, name) return "mine " .. name end })
      return fast_map.map(function() return _G.spec_none .. _G.spec_nested end, { 1 })[1]
    end, { 1 })[1])
  end)
end)
