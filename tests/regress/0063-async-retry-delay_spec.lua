-- join slept until a bell rang, and no bell rings when the delay of a retry is over: it waited for ever.

local fast_map = require "fast_map"

-- Fails the first time.
local function flaky(mark)
  local f = io.open(mark)
  if f then
    f:close()
    return "well"
  end
  assert(io.open(mark, "w")):close()
  error "once"
end

describe("a task that is tried again after a delay", function()
  local mark

  before_each(function()
    mark = os.tmpname()
    os.remove(mark)
  end)

  after_each(function() os.remove(mark) end)

  it("is run while join waits for it", function()
    local got
    local handle = fast_map.fast_map_async(flaky, { mark }, {
      retries = 1, retry_delay = 0.05, on_result = function(_, value) got = value end,
    })
    assert.is_true(handle:join(20))
    assert.equal("well", got)
  end)

  it("is run while the script sleeps", function()
    local got
    local handle <close> = fast_map.fast_map_async(flaky, { mark }, {
      retries = 1, retry_delay = 0.05, on_result = function(_, value) got = value end,
    })
    local deadline = fast_map.now() + 20
    while not got and fast_map.now() < deadline do fast_map.sleep(0.2) end
    assert.equal("well", got)
    assert.is_true(handle:join(20))
  end)
end)
