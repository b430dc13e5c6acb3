-- Which line a task is at was not told of scripts in a folder fast_map, such as a clone of the repository: they were taken
-- for fast_map's own code.

local fast_map = require "fast_map"

-- Asks until a task has said where it is.
local function place_in(handle)
  local stop = fast_map.now() + 20
  repeat
    local task = handle:running()[1]
    if task and task.where then return task.where end
  until fast_map.now() > stop
end

local function line_of(source)
  local f = assert(load([[
local fast_map, flag = ...
return function()
  while not io.open(flag) do end -- line 3
end]], source))
  local flag = os.tmpname()
  os.remove(flag)
  local handle <close> = fast_map.fast_map_async(f(fast_map, flag), { 1 }, { callbacks = "polled" })
  local place = place_in(handle)
  assert(io.open(flag, "w")):close()
  handle:join()
  os.remove(flag)
  return place
end

describe("the line of a task that runs", function()
  it("is told of a script in a folder fast_map, and below it", function()
    assert.equal("fast_map/job.lua:3", line_of "@fast_map/job.lua")
    assert.equal("/home/me/fast_map/scripts/job.lua:3", line_of "@/home/me/fast_map/scripts/job.lua")
  end)

  it("is never one of fast_map's own", function()
    local handle <close> = fast_map.fast_map_async(function()
      for _ in fast_map(function() fast_map.sleep(60) end, { 1 }) do end
    end, { 1 }, { callbacks = "polled" })
    assert.matches("0131[^:]*_spec%.lua:%d+$", place_in(handle))
  end)
end)
