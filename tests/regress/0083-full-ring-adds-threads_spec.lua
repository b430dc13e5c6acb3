-- A thread whose reply waits for room in the ring counted as one that waits in its task: others were added, each with a
-- large reply of its own, until nearly all results of the map were in memory.

local fast_map = require "fast_map"

describe("a slow loop over large results", function()
  it("does not make the workers add threads", function()
    local iterator, _, _, map = fast_map(function() return ("x"):rep(1 << 20) end, fast_map.range(1, 200))
    local pipe = assert(io.popen("sleep 0.3", "r")) -- meanwhile nobody takes results
    pipe:read "a"
    pipe:close()
    local count = 0
    for _, text in iterator, nil, nil, map do
      assert.equal(1 << 20, #text)
      count = count + 1
      if count % 40 == 0 then assert(os.execute "sleep 0.1") end
    end
    assert.equal(200, count)
    assert.is_true(map:stats().threads < 20, map:stats().threads)
  end)
end)
