-- cost_spec.lua - what a task does not use costs it nothing: counted in memory, so that a busy machine does not matter. Times are
-- in bench/.

local fast_map = require "fast_map"

local host = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "lua5.4"

-- What a script that starts like this prints, run by itself.
local function output_of(beginning, rest)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write('local fast_map = require "fast_map"\n', beginning, rest)
  file:close()
  local pipe = assert(io.popen(host .. " " .. name .. " 2>&1"))
  local text = pipe:read "a"
  pipe:close()
  os.remove(name)
  return text
end

local crowd = [[
for i = 1, 1000 do _G["global" .. i] = { i, tostring(i), function() return i end } end
for i = 1, 100 do
  local module = setmetatable({ name = "module" .. i }, { __index = function() return i end })
  for k = 1, 20 do module["f" .. k] = function() return module, k end end
  package.loaded[module.name] = module
  package.preload["later" .. i] = function() return module end
end
]]

-- Bytes of the state in the first task of a thread.
local count_states = [[
local class = {}
class.__index = class
local object = setmetatable({ list = { 1, 2, 3 } }, class)
local counts = {}
for i, bytes in fast_map(function()
  assert(object.list[2] == 2 and getmetatable(object) == class)
  local bytes = math.floor(collectgarbage "count" * 1024)
  fast_map.sleep(0.05)
  return bytes
end, { 1, 2, 3, 4 }, { procs_limit = 1 }) do counts[i] = bytes end
print(math.min(table.unpack(counts))) -- a thread's second task finds a little more
]]

-- The most that the state grows from one task to the next, collector stopped, once the first tasks are over.
local function growth(f)
  local most, last = 0, nil
  for i, bytes in fast_map(function(x)
    collectgarbage "stop"
    f(x)
    return collectgarbage "count" * 1024
  end, fast_map.range(1, 1000), { procs_limit = 1, threads_limit = 1 }) do
    if i > 10 then most = math.max(most, bytes - last) end
    last = bytes
  end
  return most
end

describe("a thread's state", function()
  it("takes as much memory in a script with 1,000 globals and 100 modules as in an empty one", function()
    local empty, crowded = output_of("", count_states), output_of(crowd, count_states)
    assert.matches("^%d+\n$", empty)
    assert.are.equal(empty, crowded)
  end)

  it("grows by a module when that is required, not by its neighbours", function()
    local use = [[
print(fast_map.map(function()
  collectgarbage "stop"
  local before = collectgarbage "count"
  assert(require "module7".f3() and global9[1] == 9)
  return collectgarbage "count" - before < 20
end, { 1 })[1])
]]
    assert.are.equal("true\n", output_of(crowd, use))
  end)
end)

describe("a task", function()
  it("allocates with three upvalues what it allocates without", function()
    local a, b, c = 1, { 2 }, "three"
    local without = growth(function(x) return x end)
    assert.are.equal(without, growth(function(x) return x + a + b[1] + #c end))
    assert.are.equal(without, growth(function(x) return x + #string.rep("", 3) + math.abs(-1) end))
    assert.is_true(without < 64, without)
  end)
end)
