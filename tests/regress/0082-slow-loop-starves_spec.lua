-- Up to 64 results were handed out before the map looked at its workers again: with a slow loop they had long been idle.

local fast_map = require "fast_map"

local function spin(seconds)
  local stop = fast_map.now() + seconds
  while fast_map.now() < stop do end -- luacheck: ignore 542
end

-- How many tasks at least were pulled ahead of the loop, once it had been going for a while.
local function least_ahead()
  local pulled, least = 0, math.huge
  local function input()
    pulled = pulled + 1
    return pulled <= 4000 and pulled or nil
  end
  for i in fast_map(function() end, input, { procs_limit = 1, threads_limit = 1, chunksize = 20 }) do
    spin(0.001)
    if i > 150 then least = math.min(least, pulled - i) end
    if i == 300 then break end
  end
  return least
end

describe("a slow loop over short tasks", function()
  it("does not keep the workers from getting more of them", function()
    for _ = 1, 6 do
      local ahead = least_ahead()
      assert.is_true(ahead >= 100, ahead)
    end
  end)
end)
