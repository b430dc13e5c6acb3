-- A script's own fast_map.sleep, as tests put in its place, was not seen by tasks that had used nothing else
-- of fast_map.

local fast_map = require "fast_map"

describe("a fast_map.sleep that the script replaces", function()
  it("is what its tasks call, also in maps inside of them", function()
    local sleep <const> = fast_map.sleep
    local _ <close> = setmetatable({}, { __close = function() fast_map.sleep = sleep end })
    fast_map.sleep = function(seconds) return "slept " .. seconds end
    local function nap() return fast_map.sleep(60) end
    assert.same({ "slept 60", n = 1 }, (fast_map.map(nap, { 1 })))
    assert.same({ "slept 60", n = 1 }, (fast_map.map(function() return fast_map.map(nap, { 1 })[1] end, { 1 })))
    assert.same({ "slept 60", n = 1 }, (fast_map.map(function() return require "fast_map".sleep(60) end, { 1 })))
  end)
end)
