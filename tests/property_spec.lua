-- property_spec.lua - random graphs of tables, metatables, closures and shared upvalues give the same answer here, in a map on
-- one thread and in maps on many. SEED=n runs other cases (`make stress` does), CASES=n sets how many.

local fast_map = require "fast_map"

local seed = tonumber(os.getenv "SEED") or 1795542851
local cases = tonumber(os.getenv "CASES") or 10000
local batch = 100 -- cases a map

local ways = {
  { procs_limit = 1, threads_limit = 1 },
  { procs_limit = 1, threads_limit = 4 },
  { procs_limit = 2, threads_limit = 6 },
}

local select, string_format = select, string.format -- so that the closures below have no _ENV, which busted makes large

-- Closures of several kinds; each gives two that share an upvalue.
local function counter(start, object)
  local n = start
  return function(step) n = n + step; return n, object end, function() return n end
end

local function recursive(object)
  local function down(n) if n <= 0 then return object end return down(n - 1) end
  return down, function(...) return select("#", ...), object, ... end
end

local function random_key(random, objects)
  local kind = random(6)
  if kind == 1 then return random(5) end
  if kind == 2 then return "key" .. random(5) end
  if kind == 3 then return random(3) + 0.5 end
  if kind == 4 then return random(2) == 1 end
  if kind == 5 and objects then return objects[random(#objects)] end
  return ("long key "):rep(6) .. random(3)
end

local function random_scalar(random)
  local kind = random(7)
  if kind == 1 then return random(-5, 5) end
  if kind == 2 then return random() end
  if kind == 3 then return "text" .. random(3) end
  if kind == 4 then return random(2) == 1 end
  if kind == 5 then return ("x"):rep(random(0, 2000)) end
  if kind == 6 then return math.mininteger end
  return string_format -- Lua's own
end

-- A graph of tables and closures that refer to each other at random; the first is the root. Metatables and
-- some keys are from among them too; or metatables are from `metas`, and keys plain (an object that is only a key has no path).
local function random_graph(random, metas)
  local objects = {}
  local count = random(8)
  for i = 1, count do
    if i == 1 or random(3) > 1 then
      objects[i] = {}
    elseif random(2) == 1 then
      local f, g = counter(random(9), objects[random(i - 1)])
      objects[i] = f
      objects[#objects + 1] = g
    else
      local f, g = recursive(objects[random(i - 1)])
      objects[i] = f
      objects[#objects + 1] = g
    end
  end
  for _, object in ipairs(objects) do
    if type(object) == "table" then
      for _ = 1, random(0, 5) do
        object[random_key(random, not metas and objects)] = random(2) == 1 and objects[random(#objects)] or random_scalar(random)
      end
      local meta = (metas or objects)[random(#(metas or objects))]
      if random(3) == 1 and type(meta) == "table" then setmetatable(object, meta) end
    end
  end
  return objects[1]
end

-- The text of a plain value; nil for an object.
local function rank(value)
  if type(value) == "table" or type(value) == "function" then return nil end
  return math.type(value) == "float" and ("%a"):format(value) or type(value) .. tostring(value)
end

-- The plain keys of a table, sorted by their texts, and how many others it has.
local function plain_keys(t)
  local plain, others = {}, 0
  for key in next, t do
    if rank(key) then plain[#plain + 1] = key else others = others + 1 end
  end
  table.sort(plain, function(a, b) return rank(a) < rank(b) end)
  return plain, others
end

-- A text that is the same for graphs of the same shape: objects are numbered as they are met, in the order of plain keys.
-- opaque: functions and metatables are shown as the objects they are.
local function digest(root, opaque)
  local numbers, count, out = {}, 0, {}
  local show
  local function show_table(t)
    local plain, others = plain_keys(t)
    out[#out + 1] = "{"
    for _, key in ipairs(plain) do
      out[#out + 1] = rank(key) .. "="
      show(rawget(t, key))
    end
    out[#out + 1] = "+" .. others .. "}"
    local meta = getmetatable(t)
    if opaque then
      out[#out + 1] = tostring(meta)
    elseif meta ~= nil then
      out[#out + 1] = "meta"
      show(meta)
    end
  end
  local function show_function(f)
    for n = 1, 255 do
      local name, value = debug.getupvalue(f, n)
      if not name then break end
      out[#out + 1] = name
      show(value)
    end
  end
  function show(value)
    local kind = type(value)
    if kind ~= "table" and kind ~= "function" then
      out[#out + 1] = rank(value)
    elseif value == string_format then
      out[#out + 1] = "format"
    elseif opaque and kind == "function" then
      out[#out + 1] = tostring(value)
    elseif numbers[value] then
      out[#out + 1] = "#" .. numbers[value]
    else
      count = count + 1
      numbers[value] = count
      if kind == "table" then show_table(value) else show_function(value) end
    end
  end
  show(root)
  return table.concat(out, " ")
end

-- What a task sees of a graph, before and after it used the closures under its plain keys. Their order is that of the keys:
-- closures that look alike share counters with others, and one that is called earlier changes what the next ones give.
local function examine(root)
  local before = digest(root)
  local called = {}
  for _, key in ipairs((plain_keys(root))) do
    local value = rawget(root, key)
    if type(value) == "function" and value ~= string_format then called[#called + 1] = digest({ value(1) }) end
  end
  return before, table.concat(called, ";")
end

-- What a map inside a task sees of them.
local function examine_nested(graphs)
  return fast_map.map(function()
    return fast_map.map(function(i)
      local before, called = examine(graphs[i])
      return { before, called, type(graphs[i]) }
    end, fast_map.range(1, #graphs), { threads_limit = 3 })
  end, { 1 })[1]
end

describe("random graphs", function()
  it(("are seen by tasks as by the script (SEED=%d, %d cases)"):format(seed, cases), function()
    math.randomseed(seed)
    for first = 1, cases, batch do
      local way = ways[first // batch % #ways + 1]
      local graphs, expected = {}, {}
      for i = 1, batch do graphs[i] = random_graph(math.random) end
      local count = 0
      local nested = first // batch % 5 == 0 and not os.getenv "NO_NESTED_MAPS" and examine_nested(graphs)
      -- The maps fork before this loop's own calls change counters.
      for i, before, called, back in fast_map(function(i)
        local before, called = examine(graphs[i])
        return before, called, graphs[i]
      end, fast_map.range(1, batch), way) do
        expected.before, expected.called = examine(graphs[i])
        assert.are.equal(expected.before, before, ("SEED=%d, case %d"):format(seed, first + i - 1))
        assert.are.equal(expected.called, called, ("SEED=%d, case %d"):format(seed, first + i - 1))
        assert.are.equal(type(graphs[i]), type(back))
        if nested then
          assert.are.same({ before, called, type(back) }, nested[i], ("SEED=%d, case %d, nested"):format(seed, first + i - 1))
        end
        count = count + 1
      end
      assert.are.equal(batch, count)
    end
  end)

  it(("come back from tasks with the script's own metatables and functions (SEED=%d)"):format(seed), function()
    math.randomseed(seed + 1)
    for first = 1, cases // 10, batch do
      local way = ways[first // batch % #ways + 1]
      local graphs, metas = {}, { {}, { __index = {} }, { __name = "named" } }
      for i = 1, batch do graphs[i] = random_graph(math.random, metas) end
      for i, back in fast_map(function(graph) return graphs and graph end, graphs, way) do
        assert.are.equal(digest(graphs[i], true), digest(back, true), ("SEED=%d, case %d"):format(seed, first + i - 1))
      end
    end
  end)
end)
