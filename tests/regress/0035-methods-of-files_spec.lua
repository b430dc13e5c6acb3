-- A method that the script had added to files was not there in tasks.

local fast_map = require "fast_map"

describe("methods of files that the script added or replaced", function()
  local methods = getmetatable(io.stdout).__index
  local old = methods.seek

  setup(function()
    function methods.spec_added(file, x) return io.type(file) .. x end
    methods.seek = function(...) return "mine", select("#", ...) end
  end)

  teardown(function()
    methods.spec_added, methods.seek = nil, old
  end)

  local function use()
    local out = io.stdout
    return table.concat({ out:spec_added "!", out:seek(1), out:write "" == out and "same" or "other" }, " ") -- luacheck: ignore
  end

  it("are there in tasks, and in maps inside them", function()
    for _, options in ipairs { { threads_limit = 1 }, { procs_limit = 2, threads_limit = 4 } } do
      for _, text in fast_map(use, { 1, 2, 3 }, options) do assert.are.equal(use(), text) end
    end
    assert.are.equal(use(), fast_map.map(function() return fast_map.map(use, { 1 })[1] end, { 1 })[1])
  end)
end)
