-- A finalizer may run while a result is decoded, or a task encoded. When it closed the map of that, the codec went on in
-- memory that was free by then, and the program crashed.

local kit = dofile "tests/stress/kit.lua"

local HEAD = [[
  local function words(x)
    local list = {}
    for i = 1, 5000 do list[i] = ("a string that is no short one, so that each is new: %d %d"):format(i, x) end
    if x == 7 then error(list) end
    return list
  end
  local function collected(f) setmetatable({}, { __gc = f }) end
]]

local function run(script)
  local output, code = kit.run(HEAD .. script)
  assert.equal(0, code, output)
  return output
end

describe("a map that a finalizer closes", function()
  it("ends its loop", function()
    assert.equal("true\n", run [[
      local iterator, _, _, map = fast_map(words, fast_map.range(1, 1000), { on_error = "return" })
      local n = 0
      for _ in iterator do
        n = n + 1
        collected(function() map:close() end)
      end
      print(n < 1000)
    ]])
  end)

  it("ends while an error value is decoded", function()
    assert.equal("6\n", run [[
      collectgarbage "stop"
      local iterator, _, _, map = fast_map(words, fast_map.range(1, 1000), { on_error = "return" })
      local n = 0
      for i in iterator do
        n = n + 1
        if i == 6 then
          collected(function() map:close() end)
          collectgarbage "restart"
        end
      end
      print(n)
    ]])
  end)

  it("calls no further callback", function()
    assert.equal("cancelled\n0\n", run [[
      local handle, closed, late = nil, false, 0
      handle = fast_map_async(words, fast_map.range(1, 1000), {
        on_error = function() end,
        on_result = function()
          if closed then late = late + 1 end
          collected(function()
            closed = true
            handle:cancel()
          end)
        end,
      })
      handle:join()
      print((handle:status()))
      print(late)
    ]])
  end)

  it("may take its results from a journal", function()
    assert.equal("true\n", run [[
      local journal = os.tmpname()
      for run = 1, 2 do
        local iterator, _, _, map = fast_map(words, fast_map.range(1, 50), { on_error = "return", journal = journal })
        local n = 0
        for _ in iterator do
          n = n + 1
          if run == 2 then collected(function() map:close() end) end
        end
        if run == 2 then print(n < 50) end
      end
      os.remove(journal)
    ]])
  end)

  it("may do so while an error of the input is put into words", function()
    assert.equal("true\n", run [[
      local coroutine = coroutine.create(print)
      collectgarbage("incremental", 100, 400, 1) -- a step at each allocation
      local ended = 0
      for k = 1, 200 do
        local iterator, _, _, map = fast_map(tostring, { 1, 2, 3, coroutine }, { buffersize = 1, procs_limit = 1 })
        pcall(function()
          for _ in iterator do
            for _ = 1, k % 40 do local _ = {} end -- so that it comes now here, now there
            collected(function() map:close() end)
          end
          ended = ended + 1
        end)
        map:close()
      end
      print(ended > 0)
    ]])
  end)

  it("may do so while a task is encoded", function() -- whose class is looked for in the whole script, when it is the first
    assert.equal("true\n", run [[
      local class = {}
      local function try(garbage)
        collectgarbage "stop"
        local iterator, _, _, map = fast_map(type, { 1, 2, 3, setmetatable({}, class) }, { buffersize = 1, procs_limit = 1 })
        iterator()
        iterator() -- the third has been pulled, the fourth comes next
        collectgarbage "restart"
        collectgarbage()
        collectgarbage("incremental", 100, 100, 1)
        local closed = false
        collected(function()
          closed = true
          map:close()
        end)
        for _ = 1, garbage do local _ = {} end
        local before = closed
        iterator()
        map:close()
        return before
      end
      local garbage = 0
      while not try(garbage) do garbage = garbage + 3 end
      print(garbage > 0)
    ]])
  end)
end)
