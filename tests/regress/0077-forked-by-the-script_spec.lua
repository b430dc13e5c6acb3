-- A child that the script itself forked had copies of its handles: at its end it joined its parent's maps, and took results
-- out of rings that were not its own.

local kit = dofile "tests/stress/kit.lua"

-- A script whose child runs the text and ends, while the script waits for that. Its map goes on when there is a file `gate`,
-- which the script makes then; the child would do so after a while. Returns what both have written.
local function run(child)
  local output, code, gone = kit.run(([[
    local gate = os.tmpname()
    local script = faulty.pid()
    local function exists(name)
      local f = io.open(name)
      return f and f:close()
    end
    local count = 0
    os.remove(gate)
    local handle = fast_map_async(function(x)
      local deadline = fast_map.now() + 3
      while not exists(gate) and fast_map.now() < deadline do fast_map.sleep(0.005) end
      return x
    end, fast_map.range(1, 20), {
      trace = gate .. ".trace",
      on_result = function()
        if faulty.pid() ~= script then print "the child got a result" end
        count = count + 1
      end,
    })
    if faulty.fork_on() then
      %s
      return
    end
    if io.open(gate .. ".trace"):read(1) then print "the child has written the trace" end
    io.open(gate, "w"):close()
    handle:join()
    print(count .. " results")
    os.remove(gate)
    os.remove(gate .. ".trace")
  ]]):format(child))
  assert.equal(0, code, output)
  assert.is_true(gone)
  return output
end

describe("a child that the script forked", function()
  it("leaves its parent's maps alone when it ends", function()
    assert.equal("20 results\n", run "")
  end)

  it("leaves them alone in its sleep", function()
    assert.equal("20 results\n", run "fast_map.sleep(0.01)")
  end)

  it("is told when it waits for its parent's map", function()
    assert.equal("join: the map is another process's\npoll: the map is another process's\n20 results\n", run [[
      for _, name in ipairs { "join", "poll" } do
        print(select(2, pcall(handle[name], handle)))
      end
    ]])
  end)

  it("does not end its parent's map when it closes the handle", function()
    assert.equal("cancelled\n20 results\n", run [[
      do local _ <close> = handle end
      print((handle:status()))
    ]])
  end)

  it("may have maps of its own", function()
    assert.equal("3\n20 results\n", run [[
      local got
      fast_map_async(function(x) return x + 1 end, { 2 }, { on_result = function(_, x) got = x end })
      while not got do fast_map.sleep(0.001) end
      print(got)
    ]])
  end)
end)
