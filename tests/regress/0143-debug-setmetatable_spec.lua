-- A finalizer that a task had given an object by debug.setmetatable could ask for a global while another was being copied to
-- the task: its memory was overwritten. debug.setmetatable(_G, ...) took all of the script's globals away from the task, and
-- debug.getmetatable showed it what serves them.

local fast_map = require "fast_map"

local function in_task(f, ...)
  return fast_map.map(f, { table.pack(...) }, { procs_limit = 1 })[1]
end

describe("in a task, debug.setmetatable", function()
  it("may give an object a finalizer that uses globals", function()
    rawset(_G, "many", {})
    for i = 1, 20000 do _G.many[i] = { ("a string that is no short one, so that each is new: %d"):format(i), i } end
    for i = 1, 40 do rawset(_G, "few_" .. i, { { i } }) end
    local seen = in_task(function()
      local sum = 0
      for i = 1, 40 do
        debug.setmetatable({}, { __gc = function() sum = sum + _G["few_" .. i][1][1] end })
      end
      for i, item in ipairs(_G.many) do assert(item[2] == i and item[1]:find(i, 1, true)) end
      collectgarbage()
      collectgarbage()
      return sum
    end)
    for i = 1, 40 do rawset(_G, "few_" .. i, nil) end
    rawset(_G, "many", nil)
    assert.equal(820, seen)
  end)

  it("leaves the script's globals in place", function()
    rawset(_G, "one", "a global")
    assert.equal("a global, or else", in_task(function()
      local own = { __index = function() return "or else" end }
      assert(debug.setmetatable(_G, own) == _G and debug.getmetatable(_G) == own and getmetatable(_G) == own)
      return _G.one .. ", " .. _G.none_of_that_name
    end))
    rawset(_G, "one", nil)
  end)

  it("and debug.getmetatable show what the script sees", function()
    assert.is_true(in_task(function() return debug.getmetatable("").__index == string end))
    assert.is_true(in_task(function() return debug.getmetatable(_G) == nil end))
    assert.equal("locked", in_task(function()
      local object = debug.setmetatable({}, { __metatable = "locked" })
      assert(debug.getmetatable(object).__metatable == "locked")
      return getmetatable(object)
    end))
  end)

  it("refuses what Lua refuses", function()
    assert.matches("nil or table expected", in_task(function() return select(2, pcall(debug.setmetatable, {}, 1)) end))
  end)
end)
