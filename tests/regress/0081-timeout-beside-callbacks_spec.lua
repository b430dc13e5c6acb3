-- A task that had a map with callbacks took the signal of timeouts for them: from then on no timeout in its process ended a
-- read, and the process was killed.

local fast_map = require "fast_map"

describe("a task with a map with callbacks", function()
  it("is ended by its timeout while it reads, and another task of its process, too", function()
    local fifo = os.tmpname()
    os.remove(fifo)
    assert(os.execute("mkfifo " .. fifo))
    local results = fast_map.map(function(with_callbacks)
      local f = assert(io.open(fifo, "r+"))
      if with_callbacks then
        local handle = fast_map.fast_map_async(function(x) return x end, { 1 }, { on_result = function() end })
        handle:join()
      end
      return f:read "l"
    end, { true, false }, { procs_limit = 1, timeout = 0.5, kill_after = 5, on_error = "return" })
    os.remove(fifo)
    for i = 1, 2 do
      assert.equal("timeout", results.errors[i].kind)
      assert.equal("timed out", results.errors[i].message)
    end
    assert.equal(results.errors[1].pid, results.errors[2].pid)
  end)
end)
