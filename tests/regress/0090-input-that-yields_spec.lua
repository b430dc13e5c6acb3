-- An input that yields to a scheduler around the loop, as one that reads from a socket does in Copas, was refused: the first
-- tasks are pulled before the loop begins, and there nobody handed on what it yielded.

local fast_map = require "fast_map"

local function same(...)
  return ...
end

-- An input of so many tasks: it asks whoever resumes the coroutine for each.
local function asking(count)
  local asked = 0
  return function()
    asked = asked + 1
    if asked <= count then return coroutine.yield("ask", asked) end
  end
end

local function children()
  local file <close> = assert(io.open "/proc/thread-self/children")
  return file:read "a"
end

describe("an input that yields", function()
  it("yields to who runs the loop as a coroutine, and gets what that one answers", function()
    local resume = coroutine.wrap(function()
      for i, a, b in fast_map(same, asking(100)) do coroutine.yield("result", i, a, b) end
      return "end"
    end)
    local asked, results = 0, {}
    local what, index, a, b = resume()
    while what ~= "end" do
      if what == "ask" then
        asked = asked + 1
        what, index, a, b = resume(index * 10, nil)
      else
        results[index] = a
        assert.is_nil(b)
        what, index, a, b = resume()
      end
    end
    assert.equal(100, asked)
    for i = 1, 100 do assert.equal(i * 10, results[i]) end
  end)

  it("does so without values too, and through fast_map.map and pcall", function()
    local rounds = 0
    local function input()
      coroutine.yield()
      rounds = rounds + 1
      if rounds <= 3 then return rounds end
    end
    local co = coroutine.create(function() return select(2, pcall(fast_map.map, same, input)) end)
    local _, results
    repeat _, results = coroutine.resume(co) until coroutine.status(co) == "dead"
    assert.same({ 1, 2, 3, n = 3 }, results)
  end)

  it("outside a coroutine is an error at its turn", function()
    local results, rounds = {}, 0
    local function input()
      rounds = rounds + 1
      if rounds > 2 then coroutine.yield() end
      return rounds
    end
    local outside = coroutine.wrap(function() -- a C function between: nobody can yield through it
      table.sort({ 1, 2 }, function()
        local ok, err = pcall(function() for i, v in fast_map(same, input) do results[i] = v end end)
        assert.is_false(ok)
        assert.equal("the input yields outside a coroutine: give it a table, or run the loop in a coroutine", err)
        return false
      end)
    end)
    outside()
    assert.same({ 1, 2 }, results)
  end)

  it("leaves no process when its coroutine is closed before the loop begins", function()
    local before, rounds = children(), 0
    local co = coroutine.create(function()
      for _ in fast_map(fast_map.sleep, function()
        rounds = rounds + 1
        if rounds > 1 then coroutine.yield() end
        return 60
      end) do error "no result" end
    end)
    assert(coroutine.resume(co))
    coroutine.close(co)
    assert.equal(before, children())
  end)
end)
