-- A result that held a coroutine of the script raised `the result refers to an object that the script has replaced since the
-- map began`: its stand-in in the thread is a userdata, and the types were compared.

local fast_map = require "fast_map"

describe("a thing that cannot travel", function()
  local db = { co = coroutine.create(print), file = io.stdout }

  it("comes back from a task as itself, in its table and alone", function()
    for _, options in ipairs { { threads_limit = 1 }, { procs_limit = 2, threads_limit = 4 } } do
      for _, all, co in fast_map(function() return { db }, db.co end, { 1, 2, 3, 4 }, options) do
        assert.are.equal(db.co, all[1].co)
        assert.are.equal(db.co, co)
        assert.are.equal(db.file, all[1].file)
      end
    end
  end)

  it("comes back through a map inside a task", function()
    local back = fast_map.map(function()
      return fast_map.map(function() return db.co end, { 1 })[1]
    end, { 1 })[1]
    assert.are.equal(db.co, back)
  end)
end)
