-- A script whose memory was used up ended its callback form for ever: an unfinished map that could not be finished was tried
-- again and again.

local kit = dofile "tests/stress/kit.lua"

describe("a script without memory", function()
  if os.getenv "TEST_HOST" ~= os.getenv "FMLUA" then return end

  it("ends, and its maps with it", function()
    local script = [[
      fast_map_async(function(x) return x end, { 1, 2, 3 }, { callbacks = "polled", on_done = function() end })
      faulty.scarce(true)
    ]]
    for first = 1, 20 do
      local environment = ("LD_PRELOAD=%s SCARCE_AT=%d SCARCE_LAST=%d SCARCE_ONLY=malloc,calloc,realloc"):format(kit.scarce,
        first, 1 << 40)
      local _, code, gone = kit.run(script, { environment = environment, seconds = 5 })
      assert.is_true(code ~= 124 and code ~= 137)
      assert.is_true(gone)
    end
  end)
end)
