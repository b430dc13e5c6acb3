-- In a map inside a task that had not used `package` itself, require did not know the script's package.path and searchers,
-- and pairs of _G and package.loaded showed only what the task had asked for.

local fast_map = require "fast_map"

local function nested(f)
  return fast_map.map(function() return fast_map.map(f, { 1 }, { threads_limit = 4 })[1] end, { 1 })[1]
end

describe("in a map inside a task", function()
  it("require looks where the script looks", function()
    local path = package.path
    package.path = "/nowhere/?.lua;" .. path
    table.insert(package.searchers, 2, function(name)
      return name == "spec_virtual" and function() return { "virtual" } end or "\n\tnot virtual"
    end)
    local ok, found = pcall(nested, function()
      local _, message = pcall(require, "spec_missing")
      return { require("spec_virtual")[1], message }
    end)
    table.remove(package.searchers, 2)
    package.path = path
    assert.is_true(ok, tostring(found))
    assert.are.equal("virtual", found[1])
    assert.matches("not virtual", found[2])
    assert.matches("/nowhere/spec_missing.lua", found[2])
  end)

  it("a module keeps the state that the script gave it", function()
    package.loaded.spec_state = { level = 3 }
    local level = nested(function() return require("spec_state").level end)
    package.loaded.spec_state = nil
    assert.are.equal(3, level)
  end)

  it("pairs shows all globals and modules", function()
    rawset(_G, "spec_shown", 1)
    package.loaded.spec_shown = { 1 }
    local function look()
      local count = 0
      for name in pairs(_G) do count = count + (name == "spec_shown" and 1 or 0) end
      for name in pairs(package.loaded) do count = count + (name == "spec_shown" and 1 or 0) end
      return count
    end
    local counts = fast_map.map(function()
      return fast_map.map(look, fast_map.range(1, 20), { threads_limit = 8 })
    end, { 1, 2 })
    rawset(_G, "spec_shown", nil)
    package.loaded.spec_shown = nil
    for i = 1, 2 do
      for k = 1, 20 do assert.are.equal(2, counts[i][k]) end
    end
  end)
end)
