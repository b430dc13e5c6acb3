-- When a map that nobody closed was collected and its input raised while it was closed, the map's figures were not freed.

local kit = dofile "tests/stress/kit.lua"

describe("a map that is collected", function()
  if os.getenv "TEST_HOST" ~= os.getenv "FMLUA" then return end

  it("leaves no memory, whatever its input says", function()
    local output, code = kit.run([[
      local closing = setmetatable({}, { __close = function() error "on purpose" end })
      local function drop()
        fast_map(tostring, fast_map.each(function() return 1 end, nil, nil, closing))
        collectgarbage()
        collectgarbage()
      end
      for _ = 1, 5 do drop() end
      local before = faulty.blocks()
      for _ = 1, 50 do drop() end
      print(before > 0, faulty.blocks() - before < 25)
    ]], { environment = "LD_PRELOAD=" .. kit.scarce })
    assert.equal("true\ttrue\n", output)
    assert.equal(0, code)
  end)
end)
