-- A coroutine that ended, or yielded, before the hook for the callbacks had acted took it along: they ran at the next ring,
-- or only in join.

local fast_map = require "fast_map"

describe("callbacks that are due when a coroutine", function()
  local function pause() for i = 1, 100 do local _ = i * i end end

  local ran, handle
  local function start()
    handle = fast_map.fast_map_async(function() end, {}, { on_done = function() ran = true end })
  end

  before_each(function()
    start() -- from now on it is known who runs
    handle:join()
    ran = false
  end)
  after_each(function() handle:join() end)

  it("ends run in who resumed it", function()
    coroutine.wrap(start)()
    pause()
    assert.is_true(ran)
  end)

  it("yields run in who resumed it", function()
    local resume = coroutine.wrap(function() start() coroutine.yield() end)
    resume()
    pause()
    assert.is_true(ran)
    resume()
  end)

  it("fails run in who resumed it", function()
    assert.is_false(pcall(coroutine.wrap(function() start() error "on purpose" end)))
    pause()
    assert.is_true(ran)
  end)
end)
