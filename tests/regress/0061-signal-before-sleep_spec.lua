-- Ctrl-C at the very moment at which the script went to sleep was noticed when it woke up by itself; in a coroutine,
-- fast_map.sleep never noticed it at all.

local kit = dofile "tests/stress/kit.lua"

local ways = {
  { "a loop", "for _ in fast_map(sleeper, { 1 }) do end" },
  { "join", "local t <close> = fast_map_async(sleeper, { 1 }) t:join()" },
  { "fast_map.sleep", "fast_map.sleep(5)" },
  { "fast_map.sleep with a map active", "local t <close> = fast_map_async(sleeper, { 1 }) fast_map.sleep(5)" },
  { "a loop in a coroutine", "coroutine.wrap(function() for _ in fast_map(sleeper, { 1 }) do end end)()" },
  { "fast_map.sleep in a coroutine", "coroutine.wrap(function() fast_map.sleep(5) end)()" },
}

describe("Ctrl-C at any moment interrupts", function()
  for _, way in ipairs(ways) do
    it(way[1] .. " within a second", function()
      local output, code, gone = kit.run(([[
        local function sleeper() fast_map.sleep(5) end
        for _ = 1, 200 do
          local start = fast_map.now()
          local ok, err = pcall(function()
            faulty.press(math.random() * 0.002)
            %s
          end)
          assert(not ok and tostring(err):find "interrupted!", err)
          assert(fast_map.now() - start < 2, "too late")
        end
      ]]):format(way[2]))
      assert.equal(0, code, output)
      assert.is_true(gone)
    end)
  end

  it("or not, and a debug hook of the script is no signal", function()
    local output, code = kit.run [[
      local calls = 0
      coroutine.wrap(function()
        debug.sethook(function() calls = calls + 1 end, "c")
        local start = fast_map.now()
        fast_map.sleep(0.05)
        for i in fast_map(function(x) fast_map.sleep(0.02) return x end, { 1, 2 }) do assert(i < 3) end
        assert(fast_map.now() - start >= 0.05)
      end)()
      print(calls < 1000)
    ]]
    assert.equal(0, code, output)
    assert.equal("true\n", output)
  end)
end)
