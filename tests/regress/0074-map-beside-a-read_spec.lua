-- Before each fork all streams were flushed, which waits for the lock of every stream: a map in a task hung as long as
-- another task of the same worker read from a pipe, for ever when that waited for the first.

local fast_map = require "fast_map"

describe("a map in a task", function()
  it("is not held up by another task that reads", function()
    local fifo = os.tmpname()
    os.remove(fifo)
    assert(os.execute("mkfifo " .. fifo))
    local results = fast_map.map(function(role)
      local f = assert(io.open(fifo, "r+"))
      if role == "reader" then return f:read "l" end
      local sum = 0
      for i = 1, 20 do -- in some of these the other reads
        fast_map.sleep(0.01)
        sum = sum + fast_map.map(function(x) return x + 1 end, { i }, { procs_limit = 1 })[1]
      end
      f:write("go\n"):close()
      return sum
    end, { "reader", "writer" }, { procs_limit = 1, timeout = 10, kill_after = 1, on_error = "return" })
    os.remove(fifo)
    assert.same({ "go", 230, n = 2, errors = {} }, results)
  end)

  it("prints nothing twice that a task has begun to print", function()
    local path = os.tmpname()
    local results = fast_map.map(function()
      local f = assert(io.open(path, "w"))
      f:setvbuf "full"
      f:write "begun, "
      local x = fast_map.map(function(x) return x + 1 end, { 1 }, { procs_limit = 1 })[1]
      f:write("ended\n"):close()
      return x
    end, { 1 })
    local f = assert(io.open(path))
    local text = f:read "a"
    f:close()
    os.remove(path)
    assert.equal(2, results[1])
    assert.equal("begun, ended\n", text)
  end)
end)
