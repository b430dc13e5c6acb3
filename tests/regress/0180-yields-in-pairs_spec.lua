-- In a task, a __pairs that yields failed: "attempt to yield across a C-call boundary". So did the call of fast_map, and the
-- first method of a string, where plain Lua runs no C function that could be in the way.

local fast_map = require "fast_map"

local function in_task(f) return fast_map.map(f, { 1 }, { procs_limit = 1 })[1] end

-- What a coroutine yields and returns.
local function all_of(body)
  local co, seen = coroutine.create(body), {}
  repeat
    local good, value = coroutine.resume(co)
    seen[#seen + 1] = tostring(value)
  until not good or coroutine.status(co) == "dead"
  return table.concat(seen, " ")
end

local function pairs_that_yield()
  return all_of(function()
    local t = setmetatable({ 10, 20 }, {
      __pairs = function(t)
        local step = coroutine.yield "pairs" or 1
        return function(_, i)
          coroutine.yield(i)
          return t[i + step] and i + step, t[i + step]
        end, t, 0
      end,
    })
    local sum = 0
    for _, v in pairs(t) do sum = sum + v end
    return sum
  end)
end

local function errors_after_yields()
  return all_of(function()
    local t = setmetatable({}, {
      __pairs = function()
        coroutine.yield "pairs"
        error("as it should", 0)
      end,
    })
    return select(2, pcall(pairs, t))
  end)
end

describe("in a task, what a C function calls may yield where it may in the script:", function()
  it("__pairs", function()
    assert.equal("pairs 0 1 2 30", pairs_that_yield())
    assert.equal(pairs_that_yield(), in_task(pairs_that_yield))
    assert.equal("pairs as it should", errors_after_yields())
    assert.equal(errors_after_yields(), in_task(errors_after_yields))
  end)

  it("an input iterator, when it was fast_map that called it", function()
    local seen = in_task(function()
      return all_of(function()
        local results = {}
        local function input()
          local n = (results.n or 0) + 1
          results.n = n
          coroutine.yield("input " .. n)
          if n < 3 then return n end
        end
        for _, v in fast_map(function(x) return x * 10 end, input, { procs_limit = 1, buffersize = 1 }) do
          results[#results + 1] = v
        end
        return table.concat(results, " ")
      end)
    end)
    assert.equal("input 1 input 2 input 3 10 20", seen)
  end)

  it("an __index that the string library has got", function()
    setmetatable(string, {
      __index = function(_, name)
        return coroutine.yield(name) or function(s) return s .. name end
      end,
    })
    local seen = in_task(function()
      return all_of(function() return ("a"):shout() end)
    end)
    setmetatable(string, nil)
    assert.equal("shout ashout", seen)
  end)
end)
