-- Wrong arguments of sleep, join and encode were told in words or at lines of fast_map's own.

local fast_map = require "fast_map"

local function message_of(f)
  local _, message = pcall(f)
  return (message:gsub("^tests/regress/0104[^:]*:%d+: ", "here: "))
end

describe("a wrong argument", function()
  it("of sleep is told at the caller's line", function()
    assert.equal('here: sleep: seconds must be a number, got "soon"', message_of(function() fast_map.sleep "soon" end))
    assert.equal("here: sleep: seconds must be a number, got nil", message_of(function() fast_map.sleep() end))
    fast_map.sleep "0.001" -- as all functions of Lua that take numbers
  end)

  it("of join, and join without its handle", function()
    local handle <close> = fast_map.fast_map_async(print, {})
    assert.equal('here: join: seconds must be a number, got "long"', message_of(function() handle:join "long" end))
    assert.equal("here: join: call it as a method, handle:join()", message_of(function() handle.join() end))
    assert.equal("here: poll: call it as a method, handle:poll()", message_of(function() handle.poll(3) end))
  end)

  it("of encode is named", function()
    assert.equal("here: cannot encode: the value is a C function", message_of(function() fast_map.encode(print) end))
    assert.equal("here: cannot encode: the value.a[2] is a C function",
      message_of(function() fast_map.encode { a = { 1, print } } end))
    assert.equal("here: cannot encode: value 2 is a C function", message_of(function() fast_map.encode(1, print) end))
  end)
end)

describe("the verdict on a map of one task", function()
  it("does not blame a procs_limit that nobody has set", function()
    if fast_map.cpus() < 2 then return end
    local stats = require "fast_map.stats"
    local tally = {
      pulled = 1, delivered = 1, failed = 0, rerun = 0, retried = 0, deaths = 0, wall = 1, waited = 0.99, pulling = 0,
      starting = 0.001, decoding = 0, bytes_out = 2, bytes_in = 2, slowest = {}, procs_limit = 1, threads_limit = 1,
      workers = { { pid = 1, lives = 1, tasks = 1, threads = 1, busy = 0.98, working = 0.99 } },
    }
    local verdict = stats.of({ tally = function() return tally end }).verdict
    assert.equal(("few tasks: 1 task for %d cores"):format(fast_map.cpus()), verdict)
  end)
end)
