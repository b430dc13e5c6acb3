-- A debug hook that raised as handle:join had just run the callbacks, in the very instruction that should have noted
-- so, left them running for ever: from then on each join of the script said that a callback may not wait for callbacks.

local kit = dofile "tests/stress/kit.lua"

describe("a debug hook that raises in join", function()
  it("leaves the script's other maps as they are, wherever it comes", function()
    local output, code = kit.run [[
      local function start()
        return fast_map_async(tostring, { 1, 2, 3 }, { procs_limit = 1, callbacks = "polled", on_result = function() end })
      end
      local raised = 0
      for count = 1, 300 do
        local handle = start()
        local good = pcall(function()
          debug.sethook(function()
            debug.sethook()
            error "the hook"
          end, "", count)
          handle:join()
          debug.sethook()
        end)
        if not good then raised = raised + 1 end
        handle:cancel()
        start():join()
      end
      print(raised > 100)
    ]]
    assert.equal(0, code, output)
    assert.equal("true\n", output)
  end)
end)
