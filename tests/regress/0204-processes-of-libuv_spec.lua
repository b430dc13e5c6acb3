-- With a process of libuv's in the script, those that tasks started never ended: a worker reset the handler of SIGCHLD that
-- libuv believed to be there.

local HOST = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "./fmlua"

describe("uv.spawn in a task", function()
  it("ends also when the script has a process of its own", function()
    if not pcall(require, "luv") then return pending "no module luv here" end
    local base = os.tmpname()
    local file = assert(io.open(base, "wb"))
    file:write [[
local fast_map = require "fast_map"
local uv = require "luv"
local own = uv.spawn("sleep", { args = { "60" } }, function() end)
local function f()
  local code
  local process process = uv.spawn("true", { args = {} }, function(c) code = c process:close() end)
  uv.run()
  return code
end
for i, code in fast_map(f, { 1, 2, 3 }, { procs_limit = 1, threads_limit = 1 }) do io.write(i, " ", code, "\n") end
own:kill "sigkill"
]]
    file:close()
    local pipe = io.popen(("timeout -k 5 30 '%s' %s 2>&1"):format(HOST, base))
    local text = pipe:read "a"
    pipe:close()
    os.remove(base)
    assert.equal("1 0\n2 0\n3 0\n", text)
  end)
end)
