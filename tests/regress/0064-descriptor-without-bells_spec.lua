-- A handle's descriptor was readable only when a bell rang. None rings when the delay of a retry is over, nor for a reply
-- that was there before the bells were armed.

local fast_map = require "fast_map"

local has_socket, socket = pcall(require, "socket")

local function await(handle)
  local fd = handle:fd()
  local source = { getfd = function() return fd end }
  repeat
    local readable = socket.select({ source }, nil, 10)
    assert.equal(source, readable[1], "nothing came for ten seconds")
  until handle:poll()
end

describe("a handle's descriptor", function()
  it("becomes readable when a task is to be tried again", function()
    if not has_socket then return pending "LuaSocket is not installed" end
    local mark = os.tmpname()
    os.remove(mark)
    local got
    local handle <close> = fast_map.fast_map_async(function(name)
      local f = io.open(name)
      if f then
        f:close()
        return "well"
      end
      assert(io.open(name, "w")):close()
      error "once"
    end, { mark }, {
      retries = 1, retry_delay = 0.05, callbacks = "polled", on_result = function(_, value) got = value end,
    })
    await(handle)
    os.remove(mark)
    assert.equal("well", got)
  end)

  it("is readable for a result that came while the input was read", function()
    if not has_socket then return pending "LuaSocket is not installed" end
    local mark = os.tmpname()
    os.remove(mark)
    local got = 0
    local function first_done()
      local f = io.open(mark)
      if f then f:close() end
      return f
    end
    local handle <close> = fast_map.fast_map_async(function(name) assert(io.open(name, "w")):close() end,
      coroutine.wrap(function()
        coroutine.yield(mark)
        local deadline = fast_map.now() + 10
        while not first_done() and fast_map.now() < deadline do end
        deadline = fast_map.now() + 0.05 -- its reply follows
        while fast_map.now() < deadline do end
      end), { retries = 1, callbacks = "polled", on_result = function() got = got + 1 end })
    await(handle)
    os.remove(mark)
    assert.equal(1, got)
  end)
end)
