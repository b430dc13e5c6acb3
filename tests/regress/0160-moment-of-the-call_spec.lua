-- An input iterator that changed a global was seen to do so by some tasks and not by others: processes were forked after
-- the first pulls. So was the loop's body, when a process started late.
local fast_map = require "fast_map"

local function counter(n, step)
  local k = 0
  return function()
    k = k + 1
    step(k)
    if k <= n then return k end
  end
end

local function values(f, tasks, options, body)
  local seen = {}
  for i, v in fast_map(f, tasks, options) do
    seen[i] = v
    body(i)
  end
  return seen
end

local function same(value, n)
  local list = {}
  for i = 1, n do list[i] = value end
  return list
end

describe("every process sees the script as it was at the call", function()
  local now = "at the call"
  local function look()
    fast_map.sleep(0.001) -- so that no process does all tasks
    return now
  end
  local function change() now = "later" end
  before_each(function() now = "at the call" end)

  for _, limits in ipairs {
    { procs_limit = 1 }, { procs_limit = 4 }, { procs_limit = 4, buffersize = 1 }, { procs_limit = 4, threads_limit = 4 },
    { procs_limit = 4, ordered = false }, { procs_limit = 3, total = 40 },
  } do
    local name = {}
    for option, value in pairs(limits) do name[#name + 1] = option .. " = " .. tostring(value) end
    table.sort(name)
    name = table.concat(name, ", ")

    it("when the input changes it, with " .. name, function()
      assert.same(same("at the call", 40), values(look, counter(40, change), limits, change))
    end)

    it("when the loop's body changes it, with " .. name, function()
      local list = same(0, 40)
      assert.same(same("at the call", 40), values(look, list, limits, change))
      now = "at the call"
      assert.same(same("at the call", 40), values(look, fast_map.range(1, 40), limits, change))
      now = "at the call"
      assert.same(same("at the call", 40), values(look, fast_map.each(ipairs(list)), limits, change))
    end)
  end

  it("with callbacks, and when the script goes on", function()
    for _, tasks in ipairs { counter(40, change), same(0, 40) } do
      local seen = {}
      now = "at the call"
      local handle = fast_map.fast_map_async(look, tasks, {
        procs_limit = 4, buffersize = 3, on_result = function(i, v)
          seen[i] = v
          change()
        end,
      })
      change()
      handle:join()
      assert.same(same("at the call", 40), seen)
    end
  end)

  it("when the first results are in a journal", function()
    local path = os.tmpname()
    local options = { procs_limit = 4, journal = path, resume = "force" }
    values(look, same(0, 20), options, function() end)
    local list = same(0, 20)
    for i = 21, 40 do list[i] = i end
    options.buffersize = 2
    assert.same(same("at the call", 40), values(look, list, options, change))
    os.remove(path)
  end)

  it("and no more processes start than tasks may be in flight", function()
    local _, _, _, map = fast_map(look, same(0, 40), { procs_limit = 8, buffersize = 1 })
    assert.equal(2, select(3, map:figures()))
    map:close()
  end)
end)
