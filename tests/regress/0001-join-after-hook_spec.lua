-- A map that finished in the hook, between join's look at its state and its sleep, was waited for without end; one whose
-- signal came before it had begun was closed under the feet of fast_map_async.

local fast_map = require "fast_map"

describe("join", function()
  it("returns although the hook has served the last results just before it sleeps", function()
    for _ = 1, 300 do
      local n = 0
      local t = fast_map.fast_map_async(function(x) return x end, { 1, 2 }, { on_result = function() n = n + 1 end })
      assert.is_true(t:join(20))
      assert.equal(2, n)
    end
  end)
end)

describe("poll", function()
  it("leaves no other map's results waiting that came during a callback", function()
    for _ = 1, 50 do
      local n = 0
      local function count() n = n + 1 end
      local function slow()
        local stop = fast_map.now() + 0.003
        while fast_map.now() < stop do end
        n = n + 1
      end
      local a = fast_map.fast_map_async(function(x) return x end, { 1, 2 }, { on_result = slow })
      local b = fast_map.fast_map_async(function(x) return x end, { 1, 2 }, { on_result = count })
      local deadline = fast_map.now() + 20
      repeat a:poll() until n == 4 or fast_map.now() > deadline
      assert.equal(4, n)
      b:cancel()
    end
  end)
end)
