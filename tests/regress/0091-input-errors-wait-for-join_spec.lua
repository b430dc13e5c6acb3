-- An error of an asynchronous map's input was raised wherever the script was when the map was served. It ended the script,
-- or was swallowed by a pcall that had nothing to do with it; join then said that all was well. So did the end of a map
-- whose workers die one after the other.

local fast_map = require "fast_map"

local function same(x)
  return x
end

local function failing(err)
  local count = 0
  return function()
    count = count + 1
    if count == 3 then error(err, 0) end
    return count
  end
end

-- Computes until the map is no longer running: it is served between two of these instructions.
local function compute(handle)
  local deadline = fast_map.now() + 60
  while handle:status() == "running" and fast_map.now() < deadline do end
end

describe("an error of an asynchronous map's input", function()
  local function outcome(tasks, serve)
    local seen, done = {}, false
    local handle = fast_map.fast_map_async(same, tasks, {
      on_result = function(i, v) seen[i] = v end,
      on_done = function() done = true end,
    })
    local calm = pcall(serve or compute, handle)
    local state = handle:status()
    local ok, err = pcall(handle.join, handle)
    assert.is_false(done)
    assert.same({ ok, err }, { pcall(handle.join, handle) }) -- whoever joins is told
    assert.same({ ok, err }, { pcall(handle.poll, handle) })
    return { seen = seen, calm = calm, state = state, ok = ok, err = err }
  end

  it("waits for join, after the results before it", function()
    local mine = { "mine" }
    assert.same({ seen = { 1, 2 }, calm = true, state = "failed", ok = false, err = mine }, outcome(failing(mine)))
  end)

  it("is told by join also when it is nil", function()
    assert.same({ seen = { 1, 2 }, calm = true, state = "failed", ok = false }, outcome(failing(nil)))
  end)

  it("waits through fast_map.sleep and another map's join", function()
    local function serve()
      fast_map.fast_map_async(same, { 1 }):join()
      fast_map.sleep(0.01)
    end
    local o = outcome(failing "mine", serve)
    assert.same({ true, false, "mine" }, { o.calm, o.ok, o.err })
  end)

  it("is one, too, that a task cannot travel, or that the input yields", function()
    local co = coroutine.create(print)
    local expected = { seen = { 1, 2 }, calm = true, state = "failed", ok = false,
      err = "task 3 cannot travel: the value is a coroutine" }
    assert.same(expected, outcome { 1, 2, co, 4 })
    expected.err = "the input yields: give it a table"
    local count = 0
    assert.same(expected, outcome(function()
      count = count + 1
      if count == 3 then coroutine.yield() end
      return count
    end))
  end)

  it("is as good as the end of a map without workers", function()
    local handle = fast_map.fast_map_async(same, { 1, 2, 3 }, { init = function() os.execute "kill -9 $PPID" end })
    assert.is_true(pcall(compute, handle))
    assert.equal("failed", handle:status())
    local _, err = pcall(handle.join, handle)
    assert.equal("the map ends: its workers die one after the other without completing a task", err)
  end)

  it("comes in a loop after the results before it, whatever holds the tasks", function()
    local co = coroutine.create(print)
    for _, tasks in ipairs { { 1, 2, co, 4 }, coroutine.wrap(function()
      for _, v in ipairs { 1, 2, co, 4 } do coroutine.yield(v) end
    end) } do
      local seen = {}
      local ok, err = pcall(function() for i, v in fast_map(same, tasks) do seen[i] = v end end)
      assert.is_false(ok)
      assert.equal("task 3 cannot travel: the value is a coroutine", err)
      assert.same({ 1, 2 }, seen)
    end
  end)
end)
