-- `pkill -USR1 -f script.lua` reaches workers too, and a script that has no map yet: the signal ended them.

local HOST = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "./fmlua"

local function run(code)
  local base = os.tmpname()
  local file = assert(io.open(base, "wb"))
  file:write(code)
  file:close()
  local pipe = io.popen(("timeout -k 5 60 '%s' %s 2>&1"):format(HOST, base))
  local text = pipe:read "a"
  local _, _, status = pipe:close()
  os.remove(base)
  return text, status
end

describe("SIGUSR1", function()
  it("does a script no harm before its first map", function()
    local text, status = run [[
local fast_map = require "fast_map"
local pid = require "fast_map.core".pid()
os.execute("kill -USR1 " .. pid)
local stop = os.clock() + 0.1
while os.clock() < stop do end
io.write "on\n"
]]
    assert.equal("fast_map: no map runs\non\n", text)
    assert.equal(0, status)
  end)

  it("does fmlua no harm that has not loaded fast_map", function()
    if HOST:find "lua5%.4$" then return end
    local text, status = run [[
local pipe = io.popen "echo $PPID"
os.execute("kill -USR1 " .. pipe:read "l")
io.write "on\n"
]]
    assert.equal("fast_map: no map runs\non\n", text)
    assert.equal(0, status)
  end)

  it("does workers no harm, and they do not answer", function()
    local text, status = run [[
local fast_map = require "fast_map"
local core = require "fast_map.core"
local function f()
  local pid = core.pid()
  for i = 1, 10 do os.execute("kill -USR1 " .. pid) end
  local inner = fast_map.map(function()
    for i = 1, 10 do os.execute("kill -USR1 " .. core.pid()) end
    return core.pid()
  end, { 1, 2 })
  return pid == core.pid() and inner.n == 2 and #inner
end
local function g() os.execute("kill -USR1 " .. core.pid()) return "alone" end
for i, v, err in fast_map(f, { 1, 2, 3, 4, 5 }, { procs_limit = 2, retries = 0 }) do io.write(i, " ", tostring(v), "\n") end
for i, v in fast_map(g, { 1 }) do io.write(v, "\n") end
]]
    assert.equal("1 2\n2 2\n3 2\n4 2\n5 2\nalone\n", text)
    assert.equal(0, status)
  end)
end)
