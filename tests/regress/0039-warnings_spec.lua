-- warn "@on" had no effect in a task: its state had nobody to hear warnings.

local host = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "lua5.4"

describe("warn in a task", function()
  it("is heard once it is on, in whole lines, until it is off", function()
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write [[
      require("fast_map").map(function()
        warn "before"
        warn "@on"
        warn("one ", "line ", "@off")
        setmetatable({}, { __gc = function() error("finalizer", 0) end })
        collectgarbage()
        warn "@off"
        warn "after"
      end, { 1 })]]
    file:close()
    local pipe = io.popen(host .. " " .. name .. " 2>&1")
    local text = pipe:read "a"
    pipe:close()
    os.remove(name)
    assert.are.equal("Lua warning: one line @off\nLua warning: error in __gc (finalizer)\n", text)
  end)
end)
