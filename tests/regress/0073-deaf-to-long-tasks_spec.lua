-- A worker's listener looked for tasks that hold up others only after a millisecond without a ring. While tasks came more
-- often than that, those that shared a message with a long one waited for it, with a thread free to run them. And unordered
-- results were searched for in a circle: those of old tasks were not found while newer ones kept coming.

local fast_map = require "fast_map"

local function spin(seconds)
  local stop = fast_map.now() + seconds
  while fast_map.now() < stop do end -- luacheck: ignore 542
end

describe("a long task", function()
  it("holds up none of its message while others come one by one", function()
    local long, last, n, at = {}, 11000, 0, {}
    for k = 1000, 10000, 1501 do long[k] = true end
    local function input()
      n = n + 1
      if n <= 8 then return "wait" end -- until there are two threads
      spin(0.0002) -- so two of them are pulled at a time
      return long[n] and "compute" or n <= last and "" or nil
    end
    for i in fast_map(function(what)
      if what == "wait" then fast_map.sleep(0.05) end
      if what == "compute" then spin(0.4) end
    end, input, { procs_limit = 1, threads_limit = 2, chunksize = 8, ordered = false }) do
      at[i] = fast_map.now()
    end
    for i in pairs(long) do
      for k = i - 1, i + 1, 2 do
        assert.is_true(at[k] < at[i] - 0.1, ("%d: %.3f s before"):format(k, at[i] - at[k]))
      end
    end
  end)
end)
