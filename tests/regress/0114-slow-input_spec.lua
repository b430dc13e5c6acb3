-- As many tasks were pulled in one go as the workers had room for, when the input was slow, too: results that had long been
-- there were handed over only after them. It took many such rounds until the map had learnt that.

local fast_map = require "fast_map"

local function spin(seconds)
  local stop = fast_map.now() + seconds
  while fast_map.now() < stop do end -- luacheck: ignore 542
end

-- How many times results were handed over between two tasks that were pulled.
local function rounds(options)
  local pulled, last, count = 0, 0, 0
  local function input()
    spin(0.005)
    pulled = pulled + 1
    return pulled <= 100 and pulled or nil
  end
  for _ in fast_map(function(x) return x end, input, options) do
    if pulled > last then count = count + 1 end
    last = pulled
  end
  return count
end

describe("a slow input", function()
  for name, options in pairs {
    ["in one process"] = { procs_limit = 1 },
    ["with a chunksize"] = { procs_limit = 1, chunksize = 20 },
  } do
    it("does not hold up results " .. name, function()
      local count = rounds(options)
      assert.is_true(count >= 50, count)
    end)
  end
end)
