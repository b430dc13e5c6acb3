-- Metatables that the script had given to numbers, functions, nil and the like were not there in tasks; events that it had
-- taken from the metatable of strings were.

local fast_map = require "fast_map"

local ways = { { threads_limit = 1 }, { procs_limit = 1, threads_limit = 3 }, { procs_limit = 2, threads_limit = 4 } }

local function everywhere(expected, f)
  for _, way in ipairs(ways) do
    for _, text in fast_map(f, { 1, 2, 3 }, way) do assert.are.equal(expected, text) end
  end
  assert.are.equal(expected, fast_map.map(function() return fast_map.map(f, { 1 })[1] end, { 1 })[1])
end

describe("metatables of types", function()
  after_each(function()
    for _, value in ipairs { 0, true, print, coroutine.create(print) } do debug.setmetatable(value, nil) end
    debug.setmetatable(nil, nil)
  end)

  it("are those of the script in tasks", function()
    debug.setmetatable(0, { __index = math })
    debug.setmetatable(true, { __tostring = function(b) return b and "yes" or "no" end })
    debug.setmetatable(print, { __concat = function(f, g) return function(...) return f(g(...)) end end })
    debug.setmetatable(coroutine.create(print), { __index = coroutine })
    debug.setmetatable(nil, { __index = function() end })
    everywhere("4.0 no 3 dead nil", function()
      local n, t, absent = 16, coroutine.create(function() end), nil
      t:resume()
      local f = tostring .. math.abs
      return table.concat({ n:sqrt(), tostring(1 > 2), f(-3), t:status(), tostring(absent.x) }, " ") -- luacheck: ignore
    end)
  end)

  it("may share a table with the script's other data", function()
    local methods = { half = function(n) return n // 2 end }
    debug.setmetatable(0, { __index = methods })
    everywhere("4 true", function()
      local n = 8
      return n:half() .. " " .. tostring(debug.getmetatable(0).__index == methods)
    end)
  end)

  it("lack the events of strings that the script removed", function()
    local meta = getmetatable ""
    local old = meta.__mul
    meta.__mul = nil
    local ok, err = pcall(everywhere, "false 12", function()
      local ten = "10"
      return tostring((pcall(function() return ten * 2 end))) .. " " .. ten + 2
    end)
    meta.__mul = old
    assert.is_true(ok, tostring(err))
  end)
end)
