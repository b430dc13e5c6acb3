-- SIGUSR1: which tasks run now, for how long, and where.

local host = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "lua5.4"

-- Runs a program; `ask()` in it sends it the signal. Returns what it wrote to stdout and stderr.
local function run(body)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write [[
local fast_map = require "fast_map"
local pid = require "fast_map.core".pid()
local function ask() os.execute("kill -USR1 " .. pid) end
local function there(name)
  local f = io.open(name)
  if f then f:close() end
  return f ~= nil
end
local flag = os.tmpname()
os.remove(flag)
local function raise_flag() assert(io.open(flag, "w")):close() end
]]
  file:write(body, "\nos.remove(flag)\n")
  file:close()
  os.execute(("timeout -k 5 60 %s %s >%s.out 2>%s.err"):format(host, name, name, name))
  local texts = {}
  for i, ending in ipairs { ".out", ".err", "" } do
    local f = assert(io.open(name .. ending))
    texts[i] = f:read "a"
    f:close()
    os.remove(name .. ending)
  end
  return texts[1], texts[2]
end

describe("SIGUSR1", function()
  it("tells which tasks run, for how long and at which line, the longest first", function()
    local out, err = run [[
local function wait(k)
  local asked
  while not there(flag) do
    if k == 2 and not asked then asked = true ask() end -- line 17 of the program
    fast_map.sleep(0.05)
    if k == 2 then fast_map.sleep(0.2) raise_flag() end
  end
  return k
end
for i, v in fast_map(wait, { 1, 2 }, { procs_limit = 1 }) do io.write(i, " ", v, "\n") end
]]
    assert.equal("1 1\n2 2\n", out, err)
    assert.matches("fast_map: 2 tasks taken, 0 delivered, 1 process; 2 run now\n", err)
    assert.matches("  task 1: %d+%.%d s, process %d+, thread %d+, [^\n]+:%d+\n", err)
    assert.matches("  task 2: ", err)
    assert.is_true(err:find "task 1" < err:find "task 2", err)
  end)

  it("is answered while the script computes, in a coroutine, and in join", function()
    local _, err = run [[
local function wait() while not there(flag) do fast_map.sleep(0.02) end end
local handle = fast_map.fast_map_async(wait, { 1 })
repeat until #handle:running() == 1 -- the worker has begun
ask()
local stop = os.clock() + 0.3
while os.clock() < stop do end
raise_flag()
handle:join()
os.remove(flag)
coroutine.wrap(function()
  for _ in fast_map(function() ask() while not there(flag) do fast_map.sleep(0.3) raise_flag() end end, { 1 }) do end
end)()
]]
    local _, count = err:gsub("fast_map: 1 tasks taken, 0 delivered, 1 process; 1 run now\n", "")
    assert.equal(2, count, err)
  end)

  it("is told the line of a task that waits for a command", function()
    local _, err = run [[
local function wait()
  os.execute("while [ ! -e " .. flag .. " ]; do sleep 0.1; done") -- line 13 of the program
end
local handle = fast_map.fast_map_async(wait, { 1 })
local where
repeat
  local first = handle:running()[1]
  where = first and first.where
until where
raise_flag()
handle:join()
io.stderr:write(where)
]]
    assert.matches(":13$", err)
  end)

  it("tells when no map runs, once there was one", function()
    local _, err = run [[
fast_map.map(tostring, { 1 })
ask()
local stop = os.clock() + 0.1
while os.clock() < stop do end
]]
    assert.equal("fast_map: no map runs\n", err)
  end)

  it("names twenty tasks, and says how many more there are", function()
    local _, err = run [[
local function wait(k)
  if k == 40 then ask() fast_map.sleep(0.3) raise_flag() end
  while not there(flag) do fast_map.sleep(0.02) end
end
fast_map.map(wait, fast_map.range(1, 40), { procs_limit = 1 })
]]
    local _, count = err:gsub("\n  task %d+: ", "")
    assert.equal(20, count, err)
    assert.matches("\n  %.%.%. and 20 more\n", err)
  end)

  it("is left to a script that ignores it", function()
    local out, err = run [[
local signal = require "posix.signal"
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
fast_map.map(tostring, { 1 })
ask()
io.write "still here\n"
]]
    if err:find("posix", 1, true) then return end -- lua-posix is not there
    assert.equal("still here\n", out)
    assert.equal("", err)
  end)
end)
