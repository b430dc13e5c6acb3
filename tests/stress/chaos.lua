-- chaos.lua [rounds] [seed] - random tasks, options and faults, checked against a plain loop: the same values, each exactly
-- once, in order; afterwards no process, descriptor, shared memory or temporary file is left. A failed round prints the
-- seed that repeats it: chaos.lua 1 SEED.

local fast_map = require "fast_map"
local kit = dofile "tests/stress/kit.lua"
local failure = require "fast_map.failure"
local faulty = kit.faulty

local me = faulty.pid()

-- Generator of its own: the round's choices depend on its seed alone.
local function new_random(seed)
  local state = seed * 2654435769 + 1
  return function(low, high)
    state = state ~ (state << 13)
    state = state ~ (state >> 7)
    state = state ~ (state << 17)
    return low + (state >> 1) % (high - low + 1)
  end
end

local function one_in(random, n)
  return random(1, n) == 1
end

-- What the task with number x gives where nothing happens to it: any function that the parent can compute too.
local function value_of(x, size)
  if x % 5 == 0 then return nil, x end
  if x % 5 == 1 then return { x, name = "task " .. x, deep = { x * 1.5 } } end
  if x % 5 == 2 then return ("%d,"):format(x):rep(size) end
  return x * 2, -x
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return math.type(a) == math.type(b) and a == b end
  for key, value in pairs(a) do if not same(value, b[key]) then return false end end
  for key in pairs(b) do if a[key] == nil then return false end end
  return true
end

local faults = {
  function() faulty.segfault() end,
  function() faulty.abort() end,
  function() faulty.kill(0, 9) end,
  function() faulty.exit(3) end,
  function() error "on purpose" end,
  function() error { code = 7 } end,
  function() os.exit(4) end,
}

local pauses = {
  function() end,
  function() fast_map.sleep(0.002) end,
  function() faulty.block(0.002) end,
  function() for i = 1, 20000 do local _ = i * i end end,
  function() os.execute "true" end,
}

-- What is chosen for a round, as plain data: it is printed when the round fails.
local function choose(random)
  local choice = {
    count = one_in(random, 4) and random(300, 1500) or random(0, 60),
    size = one_in(random, 10) and 60000 or random(0, 300),
    fault_rate = one_in(random, 3) and random(5, 40) or 0, -- one task in so many; 0: none
    fault = random(1, #faults),
    pause_rate = random(1, 30),
    pause = random(1, #pauses),
    input = random(1, 3),
    form = random(1, 4),
    leave_at = one_in(random, 4) and random(1, 40) or 0,
    slow = one_in(random, 6) and random(5, 20) or 0,
    meddle = one_in(random, 3) and random(1, 3) or 0,
    meddle_rate = random(10, 60),
    nested = one_in(random, 8),
    salt = random(0, 1000),
  }
  local options = { on_error = "return" }
  if one_in(random, 2) then options.procs_limit = random(1, 4) end
  if one_in(random, 2) then options.threads_limit = random(1, 20) end
  if one_in(random, 3) then options.buffersize = random(1, 50) end
  if one_in(random, 4) then options.ordered = false end
  if one_in(random, 5) then options.max_tasks_per_worker = random(1, 30) end
  if one_in(random, 5) then options.retries = random(1, 2) end
  if one_in(random, 8) then options.retry_delay = 0.001 end
  if one_in(random, 4) then options.timeout = 10 end
  if one_in(random, 5) then options.memory_limit = 256 << 20 end
  if one_in(random, 6) then options.seed = random(1, 100) end
  choice.options = options
  return choice
end

local function is_faulty(choice, x)
  return choice.fault_rate > 0 and (x * 7919 + choice.salt) % choice.fault_rate == 0
end

local function new_task(choice)
  local fault, pause = faults[choice.fault], pauses[choice.pause]
  local nested, size = choice.nested, choice.size
  return function(x)
    if (x + choice.salt) % choice.pause_rate == 0 then pause() end
    if is_faulty(choice, x) then fault() end
    if nested and x % 10 == 0 then
      local sum = 0
      for _, v in fast_map(function(y) return y end, { x, x }) do sum = sum + v end
      assert(sum == 2 * x)
    end
    return value_of(x, size)
  end
end

local function new_input(choice)
  local n = choice.count
  if choice.input == 1 then return fast_map.range(1, n) end
  if choice.input == 2 then
    local list = {}
    for i = 1, n do list[i] = i end
    return list
  end
  local i = 0
  return function()
    if i < n then
      i = i + 1
      return i
    end
  end
end

-- The numbers of our workers: children of this process that are none of the shell's.
local function workers()
  local list = {}
  for pid in kit.read(("/proc/self/task/%d/children"):format(me)):gmatch "%d+" do list[#list + 1] = tonumber(pid) end
  return list
end

local last_kill = 0

-- Something happens to a worker from outside. Not too often: three generations in a row without a result end a map.
local function meddle(choice, random)
  if choice.meddle == 1 and fast_map.now() < last_kill + 0.03 then return end
  last_kill = fast_map.now()
  local list = workers()
  local pid = list[random(1, math.max(1, #list))]
  if not pid then return end
  if choice.meddle == 1 then
    faulty.kill(pid, 9)
  else
    faulty.kill(pid, 19)
    if choice.meddle == 2 then fast_map.sleep(0.003) end
    faulty.kill(pid, 18)
  end
end

local function check(choice, i, values, err)
  if err then
    assert(failure.is(err), tostring(err))
    -- a worker that is killed from outside while it runs a suspect alone makes that the culprit
    assert(is_faulty(choice, i) or choice.meddle == 1 and err.kind == "crash", "an innocent task failed: " .. tostring(err))
    assert(err.index == i)
    return
  end
  assert(not is_faulty(choice, i), "task " .. i .. " cannot have succeeded")
  local expected = table.pack(value_of(i, choice.size))
  assert(values.n == expected.n, "results lost")
  for k = 1, expected.n do assert(same(expected[k], values[k]), "another value") end
end

-- Takes results in any form; counts, checks, meddles, leaves.
local function new_taker(choice, random)
  local seen, count = {}, 0
  return function(i, ...)
    local values = table.pack(...)
    local err = values.n == 2 and values[1] == nil and failure.is(values[2]) and values[2] or nil
    assert(not seen[i], "twice")
    assert(choice.options.ordered == false or i == count + 1, "out of order")
    seen[i], count = true, count + 1
    check(choice, i, values, err)
    if choice.slow > 0 and count % choice.slow == 0 then fast_map.sleep(0.002) end
    if choice.meddle > 0 and count % choice.meddle_rate == 0 then meddle(choice, random) end
    return count == choice.leave_at
  end, function() return count end
end

local forms = {
  function(choice, f, take)
    for i, a, b in fast_map(f, new_input(choice), choice.options) do
      -- trailing nils are counted: by the kind of result that is expected
      if b ~= nil or (i % 5 == 3 or i % 5 == 4 or i % 5 == 0) then
        if take(i, a, b) then return true end
      elseif take(i, a) then
        return true
      end
    end
  end,
  function(choice, f, take)
    local left = false
    local options = {}
    for key, value in pairs(choice.options) do options[key] = value end
    function options.on_error(i, err) if not left then left = take(i, nil, err) end end
    function options.on_result(i, ...) if not left then left = take(i, ...) end end
    local t <close> = fast_map.fast_map_async(f, new_input(choice), options)
    while not left and not t:join(0.01) do end
    return left
  end,
}
forms[3], forms[4] = forms[1], forms[1]

local function descriptors()
  local n = 0
  local pipe = io.popen(("ls /proc/%d/fd"):format(me))
  for _ in pipe:lines() do n = n + 1 end
  pipe:close()
  return n
end

local function shared_memory()
  local _, n = kit.read("/proc/self/maps"):gsub("/dev/zero", "")
  return n
end

-- Nothing of the round is left.
local function check_clean(before)
  collectgarbage()
  assert(kit.await(function() return #workers() == 0 end, 2), "processes are left")
  -- popen's own end may still be open in ours when ls looks
  assert(kit.await(function() return descriptors() <= before.descriptors end, 1), "descriptors are left")
  assert(shared_memory() <= before.shared_memory, "shared memory is left")
end

local function show(choice)
  local lines = {}
  for key, value in pairs(choice) do if type(value) ~= "table" then lines[#lines + 1] = key .. "=" .. tostring(value) end end
  for key, value in pairs(choice.options) do lines[#lines + 1] = "options." .. key .. "=" .. tostring(value) end
  table.sort(lines)
  return table.concat(lines, " ")
end

-- One round. Returns nil, or what went wrong.
local function round(seed)
  local random = new_random(seed)
  for _ = 1, 5 do random(0, 1) end
  local choice = choose(random)
  local before = { descriptors = descriptors(), shared_memory = shared_memory() }
  local take, count = new_taker(choice, random)
  local ok, err = xpcall(function()
    local left = forms[choice.form](choice, new_task(choice), take)
    assert(left or count() == choice.count, ("%d results of %d"):format(count(), choice.count))
    check_clean(before)
  end, debug.traceback)
  if not ok then return ("seed %d: %s\n  %s"):format(seed, tostring(err), show(choice)) end
end

local function main(rounds, seed)
  rounds, seed = tonumber(rounds or 100), tonumber(seed or os.time() % 1000000 * 1000)
  print(("chaos: %d rounds, seed %d"):format(rounds, seed))
  local start, bad = fast_map.now(), 0
  for i = 0, rounds - 1 do
    local wrong = round(seed + i)
    if wrong then
      bad = bad + 1
      print(wrong)
    end
  end
  print(("chaos: %d rounds, %d failed, %.1f s"):format(rounds, bad, fast_map.now() - start))
  return bad
end

if arg and arg[0] and arg[0]:find "chaos.lua$" then os.exit(main(arg[1], arg[2]) == 0) end
return { main = main }
