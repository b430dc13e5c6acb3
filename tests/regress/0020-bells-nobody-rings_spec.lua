-- Two waits that only something else ended: a map without tasks has no worker that rings for its end, and the descriptor
-- of a handle knew only the workers that lived when it was asked for.

local fast_map = require "fast_map"

describe("a map without tasks", function()
  it("calls on_done while the script computes", function()
    local done = false
    fast_map.fast_map_async(print, {}, { on_done = function() done = true end })
    local deadline = fast_map.now() + 20
    while not done and fast_map.now() < deadline do end
    assert.is_true(done)
  end)
end)

describe("a handle's descriptor", function()
  it("becomes readable for workers that were started later", function()
    local has_socket, socket = pcall(require, "socket")
    if not has_socket then return pending "LuaSocket is not installed" end
    local count = 0
    local handle = fast_map.fast_map_async(function(x) fast_map.sleep(0.02) return x end, fast_map.range(1, 20), {
      callbacks = "polled", procs_limit = 1, threads_limit = 1, max_tasks_per_worker = 1,
      on_result = function() count = count + 1 end,
    })
    local fd = handle:fd()
    local source = { getfd = function() return fd end }
    while not handle:poll() do
      local readable = socket.select({ source }, nil, 10)
      assert.equal(source, readable[1], "nothing came for ten seconds")
    end
    assert.equal(20, count)
  end)
end)
