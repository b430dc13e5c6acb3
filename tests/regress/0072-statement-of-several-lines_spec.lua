-- A call over several lines is complete only some instructions after its return, on another line: a callback ran in between.

local fast_map = require "fast_map"

describe("a callback", function()
  it("finds the handle assigned, however many lines the call has", function()
    local too_early = 0
    for _ = 1, 100 do
      local handle
      handle = fast_map.fast_map_async(function(x) return x end, { 1, 2, 3 }, {
        on_result = function() if not handle then too_early = too_early + 1 end end,
      })
      for i = 1, 1000 do local _ = i * i end
      handle:join()
    end
    assert.equal(0, too_early)
  end)

  it("does not wait for more than a line", function()
    local ran = false
    local handle = fast_map.fast_map_async(function(x) return x end, {}, { on_done = function() ran = true end })
    local _ = ran
    local ran_by_now = ran
    handle:join()
    assert.is_true(ran_by_now)
  end)
end)
