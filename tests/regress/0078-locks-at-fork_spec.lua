-- A fork took the lock of the maps and then that of the modules; a C module that opened a map while it was loaded in a task
-- took them the other way round: both threads waited for ever.

local kit = dofile "tests/stress/kit.lua"

describe("a map in a task", function()
  it("may be opened while a C module that opens one is loaded in another task", function()
    local mark, opener = os.tmpname(), os.tmpname()
    local environment = ("MARK=%s FAULTY_OPENER=%s"):format(mark, opener)
    os.remove(mark)
    kit.write(opener, [[
      local fast_map = require "fast_map"
      if require "fast_map.core".depth() == 0 then return {} end
      io.open(os.getenv "MARK" .. 2, "w"):close()
      for i = 1, 20 do -- the other thread is about to fork in some of these
        fast_map.sleep(0.01)
        assert(fast_map.map(function(x) return x + 1 end, { i })[1] == i + 1)
      end
      return {}
    ]])
    local output, code, gone = kit.run([[
      require "faulty.opener"
      local function await(number)
        while not io.open(os.getenv "MARK" .. number) do fast_map.sleep(0.001) end
      end
      local results = fast_map.map(function(role)
        if role == "opener" then
          await(1)
          return require("faulty.opener").pid()
        end
        local first = fast_map.map(tostring, { 1 })[1] -- what a map needs is loaded now
        io.open(os.getenv "MARK" .. 1, "w"):close()
        await(2)
        return first + fast_map.map(function(x) return x + 1 end, { 7 })[1]
      end, { "opener", "other" }, { procs_limit = 1, timeout = 10, kill_after = 1 })
      print(results[2])
    ]], { environment = environment })
    for _, name in ipairs { opener, mark .. 1, mark .. 2 } do os.remove(name) end
    assert.equal("9\n", output)
    assert.equal(0, code)
    assert.is_true(gone)
  end)
end)
