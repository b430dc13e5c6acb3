-- A thing that cannot travel and was given to a C function raised an error without its path:
-- `bad argument #1 to 'status' (thread expected, got thing of the script that cannot travel (open it in the task))`.

local fast_map = require "fast_map"

local function message_of(f)
  local ok, err = pcall(fast_map.map, f, { 1 })
  assert.is_false(ok)
  return err.message
end

describe("what cannot travel", function()
  local db = { co = coroutine.create(print) }
  local path = "upvalue 'db'%.co of function at [^:]+%.lua:%d+"

  it("is named with its path when a C function gets it", function()
    for _, f in ipairs {
      function() return coroutine.status(db.co) end,
      function() return coroutine.resume(db.co) end,
      function() return string.rep(db.co) end,
      function() return io.write(db.co) end,
    } do
      assert.matches("got " .. path .. ": a coroutine, which cannot travel to a task: open it in the task%)", message_of(f))
    end
  end)

  it("is named with its path when Lua uses it", function()
    for _, f in ipairs {
      function() return db.co.x end,
      function() return #db.co end,
      function() return db.co < 1 end,
      function() return tostring(db.co) end,
      function() local closed <close> = db.co end, -- luacheck: ignore
    } do
      assert.matches(path .. " is a coroutine, which cannot travel to a task: open it in the task", message_of(f))
    end
  end)

  it("is named with its path in a map inside a task, too", function()
    assert.matches(path .. " is a coroutine, which cannot", message_of(function()
      local _, err = pcall(fast_map.map, function() return db.co.x end, { 1 })
      error(err.message, 0)
    end))
  end)
end)
