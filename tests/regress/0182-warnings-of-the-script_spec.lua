-- A task heard no warnings although the script had turned them on: each state begins without.

local host = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "lua5.4"

local body = [[
  local fast_map = require "fast_map"
  local control = ...
  if control then warn(control) end
  for _ in fast_map(function()
    warn("of ", "the task")
    setmetatable({}, { __gc = function() error("finalizer", 0) end })
    collectgarbage()
    for _ in fast_map(function() warn "of a task's task" end, { 1 }) do end
    warn(control == "@on" and "@off" or "@on")
    warn "the other way"
    for _ in fast_map(function() warn "of another" end, { 1 }) do end
  end, { 1 }) do end
  warn "of the script"
]]

describe("warnings in a task", function()
  local name = os.tmpname()
  setup(function()
    local file = assert(io.open(name, "w"))
    file:write(body)
    file:close()
  end)
  teardown(function() os.remove(name) end)

  local function said(options, control)
    local pipe = io.popen(("%s %s %s %s 2>&1"):format(host, options, name, control))
    local text = pipe:read "a"
    pipe:close()
    return (text:gsub("Lua warning: ", ""))
  end

  local on = "of the task\nerror in __gc (finalizer)\nof a task's task\n"

  it("are on when the script turned them on", function() assert.equal(on .. "of the script\n", said("", "@on")) end)

  it("are on when the command line turned them on", function()
    assert.equal(on .. "the other way\nof another\nof the script\n", said("-W", ""))
  end)

  it("are off as in the script, until the task turns them on", function()
    assert.equal("the other way\nof another\n", said("", ""))
    assert.equal("the other way\nof another\n", said("-W", "@off"))
  end)
end)
