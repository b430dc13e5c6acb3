-- When there was no memory for what the first map of a program builds for all of them, every later map failed, too.

local kit = dofile "tests/stress/kit.lua"

describe("a first map without memory", function()
  if os.getenv "TEST_HOST" ~= os.getenv "FMLUA" then return end

  it("does not spoil those that follow", function()
    local failed = 0
    for first = 1, 700, 31 do
      local refused = ("SCARCE_AT=%d SCARCE_LAST=%d SCARCE_ONLY=malloc,calloc,realloc"):format(first, 1 << 40)
      local output, code = kit.run([[
        local function map() return fast_map.map(function(x) return x * 2 end, { 1, 2, 3 }, { procs_limit = 1 })[3] end
        faulty.scarce(true)
        local ok = pcall(map)
        faulty.scarce(false)
        print(ok, map())
      ]], { environment = ("LD_PRELOAD=%s %s"):format(kit.scarce, refused) })
      assert.equal(0, code)
      assert.matches("^%a+\t6\n$", output)
      if output:find "false" then failed = failed + 1 end
    end
    assert.is_true(failed > 10)
  end)
end)
