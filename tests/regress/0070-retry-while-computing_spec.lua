-- The delay of a retry ended without a bell: while the script computed, the task was not tried again.

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

local function compute(seconds, condition)
  local deadline = fast_map.now() + seconds
  while not condition() and fast_map.now() < deadline do end
  return condition()
end

describe("a task that is tried again after a delay", function()
  local mark

  before_each(function()
    mark = os.tmpname()
    os.remove(mark)
  end)

  after_each(function() os.remove(mark) end)

  local function start(got)
    return fast_map.fast_map_async(flaky, { mark }, {
      retries = 1, retry_delay = 0.05, on_result = function(_, value) got.value = value end,
    })
  end

  it("is run while the script computes", function()
    local got = {}
    local handle <close> = start(got)
    assert.is_true(compute(20, function() return got.value ~= nil end))
    assert.equal("well", got.value)
    assert.is_true(handle:join(20))
  end)

  it("is run while a coroutine of the script computes", function()
    local got = {}
    local handle <close> = start(got)
    local computes = coroutine.wrap(function() return compute(20, function() return got.value ~= nil end) end)
    assert.is_true(computes())
    assert.is_true(handle:join(20))
  end)

  it("leaves no timer behind when its map is closed", function()
    local function timers()
      local count, any = 0, false
      for fd = 0, 99 do
        local f = io.open("/proc/self/fdinfo/" .. fd)
        if f then
          any = true
          if f:read "a":find("\nclockid:", 1, true) then count = count + 1 end
          f:close()
        end
      end
      return any and count
    end
    local before = timers()
    if not before then return pending "the system does not tell of descriptors" end
    local handle = fast_map.fast_map_async(error, { "always" }, { retries = 1, retry_delay = 3600, on_result = print })
    assert.is_true(compute(20, function() return timers() > before end)) -- its failure is taken in
    handle:cancel()
    assert.equal(before, timers())
  end)
end)
