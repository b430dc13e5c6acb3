-- Every call for memory, a process, a thread or a descriptor refused once; for the scripts that make thousands of such calls
-- every seventh for memory. `make stress` refuses them all.

local sweep = dofile "tests/stress/sweep.lua"

local steps = { nested = 7, journal = 7 }

describe("a system that refuses", function()
  if os.getenv "TEST_HOST" ~= os.getenv "FMLUA" then return end
  for name, script in pairs(sweep.scripts) do
    it("one process, thread or descriptor: " .. name, function()
      assert.same({}, (sweep.sweep(script, sweep.system)))
    end)

    it("memory once: " .. name, function()
      assert.same({}, (sweep.sweep(script, sweep.memory, { step = steps[name], start = steps[name] and math.random(7) })))
    end)

    it("everything from some moment on: " .. name, function()
      assert.same({}, (sweep.sweep(script, sweep.memory .. "," .. sweep.system, { step = 5, most = 200, all_after = true })))
    end)
  end

  it("really does", function()
    local _, tried, errors = sweep.sweep(sweep.scripts.map, sweep.memory)
    assert.is_true(tried > 30 and errors > 10)
  end)
end)
