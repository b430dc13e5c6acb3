-- A script that waited for its callbacks slept on 1024 bells at most: a result of the 513th process, or of one behind it,
-- was seen when something else came, or after a second.

local kit = dofile "tests/stress/kit.lua"

describe("the last of many processes", function()
  it("is heard at once", function()
    local output, code = kit.run [[
      local PROCESSES, STEPS = 600, 12
      local handle, first, last
      local count = 0
      handle = fast_map_async(function(i)
        fast_map.sleep(i < PROCESSES and 100 or 0.01) -- one after the other in the last process: the others are busy
      end, fast_map.range(1, PROCESSES + STEPS), {
        procs_limit = PROCESSES,
        threads_limit = PROCESSES,
        ordered = false,
        callbacks = "polled",
        on_result = function()
          first = first or fast_map.now()
          last = fast_map.now()
          count = count + 1
          if count > STEPS then handle:cancel() end
        end,
      })
      handle:join()
      print(last - first < STEPS / 2)
    ]]
    assert.equal(0, code, output)
    assert.equal("true\n", output)
  end)
end)
