-- What ends a whole fast_map.map named a line of fast_map's own: "fast_map/init.lua:190: the map ends: its workers die ...".

local fast_map = require "fast_map"
local faulty = dofile("tests/stress/kit.lua").faulty

describe("a map whose workers die one after the other", function()
  local function die() faulty.kill(0, 9) fast_map.sleep(60) end

  it("ends with an error at the script's line", function()
    local ok, err = pcall(function()
      local results = fast_map.map(print, fast_map.range(1, 9), { init = die })
      return results
    end)
    assert.is_false(ok)
    assert.matches("^%S*0132[^:]*_spec%.lua:11: the map ends: its workers die one after the other", err)
  end)

  it("also in a loop", function()
    local ok, err = pcall(function()
      for _ in fast_map(print, fast_map.range(1, 9), { init = die }) do end
    end)
    assert.is_false(ok)
    assert.matches("^%S*0132[^:]*_spec%.lua:20: the map ends: its workers die one after the other", err)
  end)
end)
