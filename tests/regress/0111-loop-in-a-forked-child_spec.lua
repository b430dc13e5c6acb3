-- A child that the script itself forked went on with its parent's loop: it took results out of rings that were not its own,
-- and gave tasks to its parent's workers.

local kit = dofile "tests/stress/kit.lua"

-- A script that forks in the middle: all that both have printed, the child's first.
local function run(text)
  local output, code, gone = kit.run(([[
    local script = faulty.pid()
    local function is_child()
      return faulty.pid() ~= script
    end
    local results = 0
    local function loop(input, fork)
      for i in fast_map(function(x) return x end, input, { procs_limit = 2, buffersize = 10 }) do
        if i == 5 and fork then faulty.fork_on() end
        if is_child() and i > 5 then print "the child got a result" end
        results = results + 1
      end
    end
    %s
    if is_child() then os.exit(true) end
    print(results .. " results")
  ]]):format(text))
  assert.equal(0, code, output)
  assert.is_true(gone)
  return output
end

local refusal = "the map is another process's\n"

describe("a child that the script forked in a loop over a map", function()
  it("is told, and leaves its parent's map alone", function()
    assert.equal(refusal .. "100 results\n", run [[
      local ok, message = pcall(loop, fast_map.range(1, 100), true)
      if not ok then print(message:match ': (.*)$') end
    ]])
  end)

  it("is told likewise when the input has forked", function()
    assert.equal(refusal .. "100 results\n", run [[
      local n = 0
      local ok, message = pcall(loop, function()
        n = n + 1
        if n == 50 then faulty.fork_on() end
        return n <= 100 and n or nil
      end)
      if not ok then print(message:match ': (.*)$') end
    ]])
  end)

  it("may leave the loop", function()
    assert.equal("100 results\n", run [[
      for i in fast_map(function(x) return x end, fast_map.range(1, 100)) do
        if i == 5 then faulty.fork_on() end
        if is_child() then break end
        results = results + 1
      end
    ]])
  end)
end)
