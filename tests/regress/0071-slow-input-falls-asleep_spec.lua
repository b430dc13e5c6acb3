-- An input that is slow is pulled in small portions. After such a portion the map slept until the next event, though its
-- processes had room for more tasks; while a long task ran, none came.

local fast_map = require "fast_map"

local function spin(seconds)
  local stop = fast_map.now() + seconds
  while fast_map.now() < stop do end -- luacheck: ignore 542
end

describe("a slow input", function()
  it("is pulled until its processes have enough, whatever runs there", function()
    local long, n, ahead = 100, 0, nil
    local function input()
      spin(0.001)
      n = n + 1
      return n <= 150 and n or nil
    end
    for i in fast_map(function(x) if x == long then spin(0.5) end end, input,
      { procs_limit = 1, threads_limit = 1, chunksize = 20 }) do
      if i == long then ahead = n - i end
    end
    assert.is_true(ahead >= 19, ahead)
  end)
end)
