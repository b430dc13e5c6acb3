-- A map whose results were always there when its callbacks had run (a fast function, slow callbacks) kept the script from
-- going on until its end, with an endless input for ever. Other maps' callbacks waited, too, and `join`, `poll` and `sleep`
-- did for much longer than they were asked to. An error in one map's callback lost what another had to say at that moment.

local fast_map = require "fast_map"

local COUNT = 3000

local function spin(seconds)
  local stop = fast_map.now() + seconds
  while fast_map.now() < stop do end
end

describe("callbacks that never run out", function()
  local seen

  local function start(options)
    options = options or {}
    options.procs_limit = 1
    options.on_result = options.on_result or function()
      spin(0.001)
      seen = seen + 1
    end
    return fast_map.fast_map_async(function(x) return x end, fast_map.range(1, COUNT), options)
  end

  before_each(function() seen = 0 end)

  it("leave the script its turns", function()
    local handle <close> = start()
    local rounds = 0
    repeat rounds = rounds + 1 until seen > 0
    repeat rounds = rounds + 1 until seen > 100
    assert.is_true(seen < COUNT)
    assert.equal("running", (handle:status()))
  end)

  it("leave other maps their turns", function()
    local at
    local one <close> = start()
    local other <close> = start { on_result = function() at = at or seen end }
    one:join()
    other:join()
    assert.is_true(at < COUNT)
  end)

  for name, wait in pairs {
    join = function(handle) assert.is_false(handle:join(0.05)) end,
    poll = function(handle) assert.is_false(handle:poll()) end,
    sleep = function() fast_map.sleep(0.05) end,
  } do
    it("do not keep " .. name .. " from returning", function()
      local handle <close> = start { callbacks = "polled" }
      wait(handle)
      assert.is_true(seen < COUNT)
      repeat wait(handle) until seen > 0
      assert.is_true(seen < COUNT)
    end)
  end

  it("still run to the last", function()
    local sum, last = 0, 0
    local handle = start {
      on_result = function(i, x)
        assert.equal(last + 1, i)
        last, sum = i, sum + x
      end,
    }
    local stop = fast_map.now() + 60
    while handle:status() == "running" and fast_map.now() < stop do end
    assert.equal("done", (handle:status()))
    assert.equal(COUNT * (COUNT + 1) // 2, sum)
  end)
end)

describe("an error in a callback", function()
  it("does not lose what came for another map at the same time", function()
    local served = false
    local function sleep_a_little()
      fast_map.sleep(0.01)
      return true
    end
    local ok, err = pcall(function()
      local options = { procs_limit = 1, on_result = function() error("no luck", 0) end }
      local one <close> = fast_map.fast_map_async(sleep_a_little, { 1 }, options)
      options = { procs_limit = 1, on_result = function() served = true end }
      fast_map.fast_map_async(sleep_a_little, { 1 }, options)
      os.execute("sleep 0.3") -- both ring meanwhile
      one:join()
    end)
    assert.is_false(ok)
    assert.equal("no luck", err)
    local stop = fast_map.now() + 60
    while not served and fast_map.now() < stop do end
    assert.is_true(served)
  end)
end)
