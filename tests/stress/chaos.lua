-- chaos.lua [rounds] [seed] - random tasks, options and faults, checked against a plain loop: the same values, each exactly
-- once, in order; afterwards no process, descriptor, shared memory or temporary file is left. A failed round prints the
-- seed that repeats it: chaos.lua 1 SEED.

local fast_map = require "fast_map"
local kit = dofile "tests/stress/kit.lua"
local failure = require "fast_map.failure"
local faulty = kit.faulty

local me = faulty.pid()

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

local function stubborn()
  while true do pcall(function() while true do end end) end
end

-- What may happen to a task: the kind of its error; `deadly` when others in its process die, too; what it needs.
local faults = {
  { kind = "crash", deadly = true, act = function() faulty.segfault() end },
  { kind = "crash", deadly = true, act = function() faulty.abort() end },
  { kind = "crash", deadly = true, act = function() faulty.kill(0, 9) end },
  { kind = "crash", deadly = true, act = function() faulty.exit(3) end },
  { kind = "error", act = function() error "on purpose" end },
  { kind = "error", act = function() error { code = 7 } end },
  { kind = "error", act = function() os.exit(4) end },
  { kind = "error", once = true, act = function() error "the first time" end },
  { kind = "memory", needs = { memory_limit = 64 << 20 }, act = function() return #("x"):rep(256 << 20) end },
  { kind = "timeout", needs = { timeout = 0.4 }, act = function() while true do end end },
  { kind = "timeout", needs = { timeout = 0.4 }, act = function() fast_map.sleep(60) end },
  { kind = "timeout", deadly = true, needs = { timeout = 0.4, kill_after = 0.1 }, act = function() faulty.block(60) end },
  { kind = "timeout", deadly = true, needs = { timeout = 0.4, kill_after = 0.1 }, act = stubborn },
}

local pauses = {
  function() end,
  function() fast_map.sleep(0.002) end,
  function() faulty.block(0.002) end,
  function() for i = 1, 20000 do local _ = i * i end end,
  function() os.execute "true" end,
}

-- Tasks so short that a thread takes many at a time.
local function choose_short(choice, random)
  choice.count, choice.size = random(1000, 20000), random(0, 3)
  choice.pause_rate, choice.fault_rate = random(500, 5000), one_in(random, 2) and random(500, 5000) or 0
  choice.leave_at = one_in(random, 4) and random(1, choice.count) or 0
  choice.slow, choice.meddle_rate, choice.nested = 0, random(500, 5000), false
  if choice.options.max_tasks_per_worker then choice.options.max_tasks_per_worker = random(100, 3000) end
  if one_in(random, 3) then choice.options.chunksize = random(1, 300) end
  if one_in(random, 3) then choice.options.chunksize = "auto" end
end

-- What is written over the memory that is shared arrives so: values are not compared.
local function choose_garbage(choice, random)
  choice.garbage = ({ "all", "message", "position" })[random(1, 3)]
  choice.count, choice.nested, choice.journal, choice.output = random(10, 200), false, false, nil
  choice.fault_rate, choice.meddle, choice.pause_rate = 0, 0, 1000
  choice.options.procs_limit = 1
end

-- What the fault needs, and few of those that take their time.
local function choose_fault(choice, random)
  local fault = faults[choice.fault]
  for name, value in pairs(fault.needs or {}) do choice.options[name] = value end
  if fault.kind == "timeout" then
    choice.count, choice.nested, choice.fault_rate = random(0, 40), false, random(10, 40)
    if choice.pause == 5 then choice.pause = 1 end
  end
  if fault.once and one_in(random, 2) then choice.options.retries = random(1, 2) end
end

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
    nested = one_in(random, 8) and not os.getenv "NO_NESTED_MAPS", -- sanitizers do not survive them
    ends = one_in(random, 6),
    progress = one_in(random, 6),
    journal = one_in(random, 6),
    output = one_in(random, 6) and ({ "line", "group", "tag" })[random(1, 3)] or nil,
    salt = random(0, 1000),
  }
  local options = { on_error = "return" }
  choice.options = options
  if one_in(random, 2) then options.procs_limit = random(1, 4) end
  if one_in(random, 2) then options.threads_limit = random(1, 20) end
  if one_in(random, 3) then options.buffersize = random(1, 50) end
  if one_in(random, 4) then options.ordered = false end
  if one_in(random, 5) then options.max_tasks_per_worker = random(1, 30) end
  if one_in(random, 5) then options.retries = random(1, 2) end
  if one_in(random, 4) then options.retry_delay = 0.001 end
  if one_in(random, 4) then options.timeout = 10 end
  if one_in(random, 5) then options.memory_limit = 256 << 20 end
  if one_in(random, 6) then options.seed = random(1, 100) end
  if one_in(random, 8) then options.rerun = false end
  if one_in(random, 8) then options.callbacks = "polled" end
  if one_in(random, 4) then choose_short(choice, random) end
  if one_in(random, 60) then choice.meddle = 4 end
  if choice.fault_rate > 0 then choose_fault(choice, random) end
  if one_in(random, 60) then choose_garbage(choice, random) end
  return choice
end

local function is_faulty(choice, x)
  return choice.fault_rate > 0 and (x * 7919 + choice.salt) % choice.fault_rate == 0
end

local function prints(choice, x)
  return choice.output ~= nil and (x + choice.salt) % 7 == 0
end

local function printed(x)
  return ("task %d prints %s"):format(x, ("."):rep(x % 50))
end

-- True the first time that any process says so.
local function is_first(name)
  if faulty.exists(name) then return false end
  kit.write(name, "")
  return true
end

local function note(name, text)
  local file = assert(io.open(name, "a"))
  file:write(text)
  file:close()
end

-- `marks` is what the names of the round's files begin with.
local function new_task(choice, marks)
  local fault, pause = faults[choice.fault].act, pauses[choice.pause]
  local once, garbage = faults[choice.fault].once, choice.garbage
  local nested, size, ends, journal = choice.nested, choice.size, choice.ends, choice.journal
  return function(x)
    if ends then assert(fast_map.state.salt == choice.salt, "not the thread's state") end
    if journal then note(marks .. "ran", x .. "\n") end
    if (x + choice.salt) % choice.pause_rate == 0 then pause() end
    if prints(choice, x) then print(printed(x)) end
    if is_faulty(choice, x) and (not once or is_first(marks .. x)) then fault() end
    if garbage and x == 5 and is_first(marks .. x) then faulty.garbage(garbage, choice.salt) end
    if nested and x % 10 == 0 then
      local sum = 0
      for _, v in fast_map(function(y) return y end, { x, x }) do sum = sum + v end
      assert(sum == 2 * x)
    end
    return value_of(x, size)
  end
end

-- The options with what is no plain data.
local function new_options(choice, marks)
  local options = {}
  for key, value in pairs(choice.options) do options[key] = value end
  options.output = choice.output
  options.journal = choice.journal and marks .. "journal" or nil
  if choice.ends then
    local salt = choice.salt
    function options.init() return { salt = salt } end
    function options.exit(state) note(marks .. "ends", state.salt == salt and "." or "!") end
  end
  if choice.progress then
    local last = 0
    function options.progress(info)
      assert(info.done >= last and info.done <= choice.count, "progress goes astray")
      last = info.done
    end
  end
  return options
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

local function name_of(pid)
  return kit.read(("/proc/%s/comm"):format(pid))
end

-- The numbers of our workers: children of this process, also of those that died, that are no commands.
local function workers()
  local list, own = {}, name_of "self"
  for pid in kit.read(("/proc/self/task/%d/children"):format(me)):gmatch "%d+" do
    if name_of(pid) == own and kit.is_alive(tonumber(pid)) then list[#list + 1] = tonumber(pid) end
  end
  return list
end

local last_kill = 0
local long_stop -- has been, in this round

-- Something happens to a worker from outside. Not too often: three generations in a row without a result end a map.
local function meddle(choice, random)
  if choice.meddle == 1 and fast_map.now() < last_kill + 0.03 then return end
  last_kill = fast_map.now()
  local list = workers()
  local pid = list[random(1, math.max(1, #list))]
  if not pid then return end
  if choice.meddle == 1 then
    faulty.kill(pid, 9)
  elseif choice.meddle == 4 and long_stop then
    return
  elseif choice.meddle == 4 then -- once, and for longer than three audits take
    faulty.kill(pid, 19)
    os.execute(("(sleep 4.3; kill -CONT %d) >/dev/null 2>&1 &"):format(pid))
    long_stop = true
  else
    faulty.kill(pid, 19)
    if choice.meddle == 2 then fast_map.sleep(0.003) end
    faulty.kill(pid, 18)
  end
end

-- A worker that is killed from outside while it runs a suspect alone makes that the culprit.
local function may_crash(choice)
  return choice.meddle == 1 or choice.options.rerun == false and choice.fault_rate > 0 and faults[choice.fault].deadly
end

local function check_error(choice, i, err)
  local fault = faults[choice.fault]
  assert(failure.is(err), tostring(err))
  assert(err.index == i)
  if err.kind == "crash" and may_crash(choice) then return end
  assert(is_faulty(choice, i), "an innocent task failed: " .. tostring(err))
  assert(err.kind == fault.kind, "another kind of failure: " .. tostring(err))
  assert(not fault.once or (choice.options.retries or 0) == 0, "not tried again: " .. tostring(err))
end

local function check(choice, i, values, err)
  if choice.garbage then return end
  if err then return check_error(choice, i, err) end
  assert(not is_faulty(choice, i) or faults[choice.fault].once, "task " .. i .. " cannot have succeeded")
  local expected = table.pack(value_of(i, choice.size))
  assert(values.n == expected.n, "results lost")
  for k = 1, expected.n do assert(same(expected[k], values[k]), "another value") end
end

-- Takes results in any form; counts, checks, meddles, leaves. Returns the function for that, and a list of what it got: the
-- number of each task whose result it was, that of a failed one negative.
local function new_taker(choice, random, leave_at)
  local seen, got = {}, {}
  return function(i, ...)
    local values = table.pack(...)
    local err = values.n == 2 and values[1] == nil and failure.is(values[2]) and values[2] or nil
    assert(not seen[i], "twice")
    assert(choice.options.ordered == false or i == #got + 1, "out of order")
    seen[i], got[#got + 1] = true, err and -i or i
    check(choice, i, values, err)
    if choice.slow > 0 and #got % choice.slow == 0 then fast_map.sleep(0.002) end
    if choice.meddle > 0 and #got % choice.meddle_rate == 0 then meddle(choice, random) end
    return #got == leave_at
  end, got
end

local function loop(choice, f, options, take)
  for i, a, b in fast_map(f, new_input(choice), options) do
    -- trailing nils are counted: by the kind of result that is expected
    if b ~= nil or (i % 5 == 3 or i % 5 == 4 or i % 5 == 0) then
      if take(i, a, b) then return true end
    elseif take(i, a) then
      return true
    end
  end
end

local function callbacks(choice, f, options, take)
  local left, handle = false, nil
  local function receive(...)
    left = take(...)
    if left then handle:cancel() end
  end
  function options.on_error(i, err) receive(i, nil, err) end
  options.on_result = receive
  handle = fast_map.fast_map_async(f, new_input(choice), options)
  local _ <close> = handle
  while not handle:join(0.01) do end
  return left
end

-- All there is, in a form; or the first leave_at results. Returns what the taker got.
local function pass(choice, random, marks, leave_at)
  local take, got = new_taker(choice, random, leave_at)
  local form = choice.form == 2 and callbacks or loop
  local left = form(choice, new_task(choice, marks), new_options(choice, marks), take)
  assert(left or #got == choice.count, ("%d results of %d"):format(#got, choice.count))
  return got
end

-- What the first pass got is not computed again.
local function check_resumed(got, ran)
  local known = {}
  for _, i in ipairs(got) do known[i] = true end
  for x in ran:gmatch "%d+" do assert(not known[tonumber(x)], "task " .. x .. " was in the journal, and ran again") end
end

-- Whole lines of tasks, and how often each of them; grouped, at the turn of their results.
local function check_output(choice, got, text)
  local times, turn = {}, 0
  for line in text:gmatch "([^\n]*)\n" do
    local x = tonumber(line:match "task (%d+) prints")
    assert(x and line == (choice.output == "tag" and ("[%d] "):format(x) or "") .. printed(x), "a line in pieces: " .. line)
    times[x] = (times[x] or 0) + 1
    if choice.output == "group" then
      repeat turn = turn + 1 until not got[turn] or math.abs(got[turn]) == x
      assert(got[turn], "printed, but not at its turn: " .. line)
    end
  end
  for _, i in ipairs(got) do
    assert(i < 0 or not prints(choice, i) or times[i], "not printed: task " .. i)
  end
end

-- With what the tasks print on its way to a file.
local function pass_aside(choice, random, marks, leave_at)
  local got
  io.stdout:flush()
  local saved = faulty.redirect(1, marks .. "out")
  local ok, err = pcall(function() got = pass(choice, random, marks, leave_at) end)
  io.stdout:flush()
  faulty.restore(1, saved)
  if not ok then error(err, 0) end
  return got
end

-- One pass; with a journal, another.
local function run(choice, random, marks)
  local got = pass_aside(choice, random, marks, choice.leave_at)
  if choice.output then check_output(choice, got, kit.read(marks .. "out")) end
  if choice.journal then
    local before = #kit.read(marks .. "ran")
    pass_aside(choice, random, marks, 0)
    check_resumed(got, kit.read(marks .. "ran"):sub(before + 1))
  end
end

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
  faulty.reap()
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

local function remove_files(choice, marks)
  for _, name in ipairs { "", "ran", "journal", "ends", "out" } do os.remove(marks .. name) end
  for x = 1, choice.count do
    if x == 5 or is_faulty(choice, x) then os.remove(marks .. x) end
  end
end

-- One round. Returns nil, or what went wrong.
local function round(seed)
  local random = kit.new_random(seed)
  for _ = 1, 5 do random(0, 1) end
  local choice = choose(random)
  long_stop = false
  local marks = os.tmpname()
  local before = { descriptors = descriptors(), shared_memory = shared_memory() }
  local ok, err = xpcall(function()
    run(choice, random, marks)
    check_clean(before)
    assert(not kit.read(marks .. "ends"):find "!", "an exit got another state")
  end, debug.traceback)
  remove_files(choice, marks)
  if not ok then return ("seed %d: %s\n  %s"):format(seed, tostring(err), show(choice)) end
end

local function main(rounds, seed)
  rounds, seed = tonumber(rounds or 100), tonumber(seed or os.time() % 1000000 * 1000)
  print(("chaos: %d rounds, seed %d"):format(rounds, seed))
  fast_map.fast_map_async(math.abs, { 1 }):join() -- the first one opens a descriptor for good
  local start, bad = fast_map.now(), 0
  faulty.adopt()
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
