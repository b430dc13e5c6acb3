-- A thread that met one of the script's files waited for another thread that was reading from it, and let no thread at the
-- script's values meanwhile. Only in scripts with more than 16 open files: fewer were known to have been prepared.

local kit = dofile "tests/stress/kit.lua"

describe("a script with many open files", function()
  it("has tasks that go on while one reads", function()
    local output, code = kit.run [[
      local name = os.tmpname()
      os.remove(name)
      assert(os.execute("mkfifo " .. name))
      local fifo, files = assert(io.open(name, "r+")), {}
      for i = 1, 20 do files[i] = assert(io.open("/dev/null", "w")) end
      local count = 0
      local handle = fast_map_async(function(i)
        if i == 1 then return fifo:read "l" end
        return io.type(files[i])
      end, fast_map.range(1, 20), {
        procs_limit = 1,
        ordered = false,
        callbacks = "polled",
        on_result = function() count = count + 1 end,
      })
      local stop = fast_map.now() + 20
      while count < 19 and fast_map.now() < stop do handle:join(0.01) end
      print(count)
      local writer = assert(io.open(name, "r+"))
      writer:write "over\n"
      writer:close()
      handle:join()
      print(count)
      os.remove(name)
    ]]
    assert.equal(0, code, output)
    assert.equal("19\n20\n", output)
  end)
end)
