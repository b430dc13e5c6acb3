-- handle:join(0/0) looked again and again without a pause until the map was done, and fast_map.sleep(0/0) did so for ever
-- where a map with callbacks ran: the moment to wait for was nan, which no time reaches.

local kit = dofile "tests/stress/kit.lua"

describe("a wait of nan seconds", function()
  it("is none, as without a map", function()
    local output, code = kit.run [[
      local handle = fast_map_async(function() fast_map.sleep(math.huge) end, { 1 })
      print(handle:join(0 / 0), handle:join(-0 / 0))
      fast_map.sleep(0 / 0)
      print((handle:status()))
      handle:cancel()
    ]]
    assert.equal(0, code, output)
    assert.equal("false\tfalse\nrunning\n", output)
  end)
end)
