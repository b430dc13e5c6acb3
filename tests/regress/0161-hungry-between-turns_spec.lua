-- When the callbacks' share of time ended just as the last result in hand was delivered, the map stood still for ever:
-- nothing was in flight, so no bell rang, and that its processes wanted tasks did not count as something to do.

local fast_map = require "fast_map"

local COUNT = 500

local function spin(seconds)
  local stop = fast_map.now() + seconds
  while fast_map.now() < stop do end -- luacheck: ignore 542
end

-- A map whose callback uses up the callbacks' time whenever nothing else is in hand.
local function start(tasks, options)
  local handle, last = nil, 0
  options.procs_limit = 1
  function options.on_result(i)
    assert.equal(last + 1, i)
    last = i
    if not handle then return end
    local _, pulled, delivered = handle:status()
    if pulled == delivered then spin(0.011) end
  end
  handle = fast_map.fast_map_async(function(x) return x end, tasks, options)
  return handle, function() return last end
end

local function counter()
  local k = 0
  return function()
    k = k + 1
    return k <= COUNT and k or nil
  end
end

describe("a map whose callbacks' time is over when nothing is in hand", function()
  for _, size in ipairs { 1, 8, 64 } do
    it("goes on while the script computes, with buffersize = " .. size, function()
      local handle <close>, last = start(fast_map.range(1, COUNT), { buffersize = size })
      local stop = fast_map.now() + 60
      while handle:status() == "running" and fast_map.now() < stop do end -- luacheck: ignore 542
      assert.equal("done", (handle:status()))
      assert.equal(COUNT, last())
    end)
  end

  it("goes on when an iterator gives the tasks", function()
    local handle <close>, last = start(counter(), { buffersize = 8 })
    local stop = fast_map.now() + 60
    while handle:status() == "running" and fast_map.now() < stop do end -- luacheck: ignore 542
    assert.equal("done", (handle:status()))
    assert.equal(COUNT, last())
  end)
end)
