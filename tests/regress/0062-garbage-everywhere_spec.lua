-- A worker that writes nonsense over all the memory that it shares with the script, again and again, may lose the tasks
-- that it has in hand without a word. The map once waited for them for ever. (What it overwrites between the writing and
-- the reading of a result arrives overwritten: there is no checksum. Values are not compared here.)

local fast_map = require "fast_map"
local faulty = dofile("tests/stress/kit.lua").faulty

describe("a worker that overwrites everything", function()
  -- What is wrong with the results, or nil. `again`: each worker that gets the task does it.
  local function trouble(seed, size, again)
    local flag, wrong, count = os.tmpname(), nil, 0
    local function f(x)
      if x == 5 and (again or os.remove(flag)) then faulty.garbage("all", seed) end
      if size < 100 then faulty.block(0.001) end
      return x * 2
    end
    for i in fast_map(f, fast_map.range(1, size), { procs_limit = 1, threads_limit = 1, on_error = "return" }) do
      count = count + 1
      if i ~= count then wrong = ("seed %d, result %d"):format(seed, i) end
    end
    os.remove(flag)
    return wrong or count ~= size and ("seed %d: %d results"):format(seed, count) or nil
  end

  it("neither ends the map nor holds it up", function()
    for seed = 1, 20 do assert.is_nil(trouble(seed, 40, false)) end
  end)

  it("nor does one whose successors do the same", function()
    for seed = 101, 115 do assert.is_nil(trouble(seed, 40, true)) end
  end)

  it("nor in the middle of many short tasks", function()
    for seed = 201, 215 do assert.is_nil(trouble(seed, 3000, false)) end
  end)
end)
