-- Nothing is lost, nothing is left: crashes, timeouts, retries, cancellation, limits. Most tests run a script of their own,
-- because what is left behind is seen best when it is over.
-- luacheck: ignore 512 241

local fast_map = require "fast_map"
local kit = dofile "tests/stress/kit.lua"
local faulty = kit.faulty

-- The results of a map with on_error = "return": values, errors, order.
local function gather(f, tasks, options)
  local values, errors, order = {}, {}, {}
  options = options or {}
  options.on_error = "return"
  for i, value, err in fast_map(f, tasks, options) do
    assert(values[i] == nil and errors[i] == nil, "twice: " .. i)
    values[i], errors[i], order[#order + 1] = value, err, i
  end
  return values, errors, order
end

-- All n tasks came once, in order, twice their number each; but for those of which errors tells.
local function assert_others_whole(n, values, errors, order)
  assert.equal(n, #order)
  for i = 1, n do
    assert.equal(i, order[i])
    if not errors[i] then assert.equal(i * 2, values[i]) end
  end
end

local function only(errors)
  local index, err = next(errors)
  assert.is_nil(next(errors, index), "more than one error")
  return err
end

local function ends_well(text, o)
  local output, code, gone = kit.run(text, o)
  assert.equal(0, code, output)
  assert.is_true(gone, "processes are left")
  return output
end

-- What a script finds that loses its workers while their tasks are in C.
local function children()
  local me, list = faulty.pid(), {}
  for line in io.popen("echo $(cat /proc/[0-9]*/stat 2>/dev/null | cut -d' ' -f1,4 | tr ' ' ':')"):read("a"):gmatch "%S+" do
    local id, parent = line:match "(%d+):(%d+)"
    if tonumber(parent) == me then list[#list + 1] = tonumber(id) end
  end
  return list
end

describe("a crash costs one task:", function()
  local ways = {
    { "a segmentation fault in C", function() faulty.segfault() end, "signal 11 %(Segmentation fault%)", true },
    { "an abort in C", function() faulty.abort() end, "signal 6 %(Aborted%)", true },
    { "a stack overflow in C", function() faulty.overflow() end, "signal 11", true },
    { "SIGKILL", function() faulty.kill(0, 9) end, "signal 9 %(Killed%)" },
    { "SIGTERM", function() faulty.kill(0, 15) end, "signal 15 %(Terminated%)" },
    { "an exit from C", function() faulty.exit(7) end, "exited with code 7" },
    { "an exit from C with code 0", function() faulty.exit(0) end, "exited with code 0" },
  }
  for _, way in ipairs(ways) do
    local name, f, text, traced = table.unpack(way)
    it(name, function()
      local values, errors, order = gather(function(x)
        if x == 13 then f() end
        return x * 2
      end, fast_map.range(1, 60))
      assert_others_whole(60, values, errors, order)
      local err = only(errors)
      assert.equal(13, err.index)
      assert.equal("crash", err.kind)
      assert.matches(text, err.message)
      if traced then assert.matches("faults_spec.lua:%d+: in ", tostring(err)) end
    end)
  end

  it("os.exit is an error of its task", function()
    local values, errors, order = gather(function(x)
      if x == 5 then os.exit(3) end
      return x * 2
    end, fast_map.range(1, 20))
    assert_others_whole(20, values, errors, order)
    assert.equal("error", only(errors).kind)
    assert.matches("os.exit", errors[5].message)
  end)

  it("the C stack that Lua itself watches is an error", function()
    local values, errors, order = gather(function(x)
      if x == 5 then
        local function deep() return string.gsub("a", ".", deep) end
        deep()
      end
      return x * 2
    end, fast_map.range(1, 20))
    assert_others_whole(20, values, errors, order)
    assert.equal("error", only(errors).kind)
    assert.matches("C stack overflow", errors[5].message)
  end)

  it("it is raised at its turn, after everything before it", function()
    local seen = {}
    local ok, err = pcall(function()
      local function f(x) if x == 9 then faulty.segfault() end end
      for i in fast_map(f, fast_map.range(1, 20)) do seen[#seen + 1] = i end
    end)
    assert.is_false(ok)
    assert.equal("crash", err.kind)
    assert.equal(9, err.index)
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, seen)
  end)

  it("the culprit is found among many threads, and the others run again", function()
    local values, errors, order = gather(function(x)
      fast_map.sleep(0.05)
      if x == 40 then faulty.kill(0, 9) end
      return x * 2
    end, fast_map.range(1, 100))
    assert_others_whole(100, values, errors, order)
    assert.equal(40, only(errors).index)
  end)

  it("several crash in one map, next to each other, with one process", function()
    local values, errors, order = gather(function(x)
      if x <= 5 then faulty.segfault() end
      if x > 7 and x <= 12 then faulty.kill(0, 9) end
      return x * 2
    end, fast_map.range(1, 30), { procs_limit = 1 })
    assert_others_whole(30, values, errors, order)
    for x = 1, 30 do assert.equal(x <= 5 or x > 7 and x <= 12, errors[x] ~= nil) end
  end)

  it("every worker that is killed from outside is replaced, and all results come", function()
    local killed = 0
    local function kill_one()
      for _, pid in ipairs(children()) do
        if killed < 10 and faulty.kill(pid, 9) then
          killed = killed + 1
          return
        end
      end
    end
    local n = 0
    for i, value in fast_map(function(x)
      fast_map.sleep(0.001)
      return x * 2
    end, fast_map.range(1, 2000), { threads_limit = 8, buffersize = 64 }) do
      n = n + 1
      assert.equal(n, i)
      assert.equal(i * 2, value)
      if i % 100 == 0 then kill_one() end
    end
    assert.equal(2000, n)
    assert.equal(10, killed)
  end)

  it("a worker that is killed between two tasks costs none", function()
    local n = 0
    for i, pid in fast_map(faulty.pid, function() return true end, { buffersize = 1, procs_limit = 1 }) do
      n = n + 1
      assert.equal(n, i)
      faulty.kill(pid, 9)
      if n == 10 then break end
    end
    assert.equal(10, n)
  end)

  it("with rerun = false, tasks that were running fail as crashed, the rest complete", function()
    local values, errors, order = gather(function(x)
      fast_map.sleep(0.02)
      if x == 3 then faulty.kill(0, 9) end
      return x * 2
    end, fast_map.range(1, 40), { rerun = false, procs_limit = 1, threads_limit = 4 })
    assert_others_whole(40, values, errors, order)
    assert.equal("crash", errors[3].kind)
    assert.equal(1, errors[3].attempt)
    for _, err in pairs(errors) do assert.equal("crash", err.kind) end
  end)

  it("huge results and crashes do not mix", function()
    local values, errors, order = gather(function(x)
      if x % 7 == 0 then faulty.kill(0, 9) end
      return x * 2, ("x"):rep(300000)
    end, fast_map.range(1, 60))
    assert_others_whole(60, values, errors, order)
    for x = 1, 60 do assert.equal(x % 7 == 0, errors[x] ~= nil and errors[x].kind == "crash") end
  end)

  -- Nonsense names no author, and may be noticed a task later: who is blamed may be a neighbour.
  it("nonsense in the ring is the worker's end, not the map's", function()
    for _, kind in ipairs { "position", "message" } do
      for seed = 1, 5 do
        local values, errors, order = gather(function(x)
          if x == 5 then faulty.garbage(kind, seed) end
          return x * 2
        end, fast_map.range(1, 20), { procs_limit = 1, threads_limit = 1 })
        local crashes = 0
        for x = 1, 20 do
          assert.equal(x, order[x])
          if errors[x] then
            assert.is_true(errors[x].kind == "crash" or errors[x].kind == "transfer") -- transfer: a result of nonsense
            crashes = crashes + 1
          else
            assert.equal(x * 2, values[x])
          end
        end
        assert.is_true(crashes <= 2)
      end
    end
  end)
end)

describe("workers that die without end", function()
  it("end the map with an error", function()
    local output = ends_well([[
      local keep = {}
      for i = 1, 20 do keep[i] = function() faulty.kill(0, 9) end end
      local ok, err = pcall(fast_map.map, function(f) f() end, keep)
      print(ok, tostring(err))
    ]])
    assert.matches("^false", output)
  end)
end)

describe("retries", function()
  it("run a task that raises again, with attempt in the error", function()
    local _, errors = gather(function() error "no" end, { 1 }, { retries = 3 })
    assert.equal(4, errors[1].attempt)
    assert.equal("error", errors[1].kind)
  end)

  it("end with the first success, in order", function()
    local name = os.tmpname()
    local values, errors, order = gather(function(x)
      if x == 3 then
        local file = io.open(name, "a+")
        local seen = #file:read "a"
        file:write "."
        file:close()
        if seen < 2 then error "not yet" end
      end
      return x * 2
    end, fast_map.range(1, 10), { retries = 5 })
    assert_others_whole(10, values, errors, order)
    assert.is_nil(next(errors))
    assert.equal("...", kit.read(name))
    os.remove(name)
  end)

  it("wait for retry_delay, doubling", function()
    local start = fast_map.now()
    gather(function() error "no" end, { 1 }, { retries = 2, retry_delay = 0.1 })
    local passed = fast_map.now() - start
    assert.is_true(passed >= 0.3 and passed < 1.5, tostring(passed))
  end)

  it("do not keep others from running meanwhile", function()
    local values, errors, order = gather(function(x)
      if x == 1 then error "no" end
      return x * 2
    end, fast_map.range(1, 200), { retries = 1, retry_delay = 0.2, threads_limit = 1 })
    assert_others_whole(200, values, errors, order)
    assert.equal(2, errors[1].attempt)
  end)

  it("are for timeouts too", function()
    local _, errors = gather(function() while true do end end, { 1 }, { retries = 2, timeout = 0.05 })
    assert.equal(3, errors[1].attempt)
    assert.equal("timeout", errors[1].kind)
  end)

  it("are not for crashes", function()
    local _, errors = gather(function() faulty.segfault() end, { 1 }, { retries = 3 })
    assert.equal("crash", errors[1].kind)
    assert.equal(1, errors[1].attempt)
  end)
end)

describe("timeout", function()
  local ways = {
    { "interrupts a loop at its line", function() while true do end end, "timed out at tests/faults_spec.lua:LINE\n" },
    { "interrupts a coroutine inside the task", function() coroutine.wrap(function() while true do end end)() end,
      "timed out at tests/faults_spec.lua:LINE\n" },
    { "interrupts a loop that a pcall catches once", function()
      pcall(function() while true do end end)
      while true do end
    end, "timed out" },
    { "interrupts fast_map.sleep", function() fast_map.sleep(100) end, "timed out" },
    { "interrupts a metamethod", function()
      local t = setmetatable({}, { __index = function() while true do end end })
      return t.x
    end, "timed out" },
    { "ends a task that catches every error", function()
      while true do pcall(function() while true do end end) end
    end, "timed out", true }, -- between two calls the interruption may find nobody that catches it
    { "ends a task that is blocked in C", function() faulty.block(100) end, "did not yield", true },
    { "ends a task that computes in C with signals blocked", function() faulty.spin() end, "did not yield", true },
    { "ends a task that waits for a program", function() os.execute "sleep 100" end, "did not yield", true },
  }
  for _, way in ipairs(ways) do
    local name, f, text = table.unpack(way)
    it(name .. ", and its neighbours complete", function()
      local start = fast_map.now()
      local values, errors, order = gather(function(x)
        if x == 7 then f() end
        fast_map.sleep(0.01)
        return x * 2
      end, fast_map.range(1, 30), { timeout = 0.3, kill_after = 0.2 })
      assert_others_whole(30, values, errors, order)
      assert.equal(7, only(errors).index)
      assert.equal("timeout", errors[7].kind)
      local line = ("%d"):format(debug.getinfo(f, "S").linedefined)
      assert.matches(text:gsub("LINE", line), tostring(errors[7]))
      assert.is_true(fast_map.now() - start < 5)
    end)
  end

  it("counts from a task's start, not from when it was queued", function()
    local values, errors, order = gather(function(x)
      fast_map.sleep(0.05)
      return x * 2
    end, fast_map.range(1, 20), { timeout = 0.4, threads_limit = 1 })
    assert_others_whole(20, values, errors, order)
    assert.is_nil(next(errors))
  end)

  it("does not follow a thread into its next task", function()
    local values, errors, order = gather(function(x)
      local stop = fast_map.now() + (x % 10 == 0 and 1 or 0.001)
      while fast_map.now() < stop do end
      return x * 2
    end, fast_map.range(1, 60), { timeout = 0.1, threads_limit = 2 })
    assert_others_whole(60, values, errors, order)
    for i = 1, 60 do assert.equal(i % 10 == 0, errors[i] ~= nil) end
  end)

  it("of several tasks in one worker are each their own", function()
    local values, errors, order = gather(function(x)
      if x % 5 == 0 then faulty.block(100) end
      fast_map.sleep(0.01)
      return x * 2
    end, fast_map.range(1, 20), { timeout = 0.3, kill_after = 0.1, procs_limit = 1 })
    assert_others_whole(20, values, errors, order)
    for i = 1, 20 do assert.equal(i % 5 == 0, errors[i] ~= nil) end
  end)
end)

describe("cancelling", function()
  local blocked = "function(x) if x % 3 == 0 then faulty.block(100) elseif x % 3 == 1 then os.execute 'sleep 100' " ..
    "else fast_map.sleep(100) end end"
  local forms = {
    { "by break", "for i in fast_map(f, tasks) do if i == 1 then break end end" },
    { "by an error in the loop's body", "pcall(function() for i in fast_map(f, tasks) do error 'x' end end)" },
    { "by dropping the iterator", "do local it = fast_map(f, tasks) it() end collectgarbage() collectgarbage()" },
    { "by t:cancel()", "local t = fast_map_async(f, tasks) fast_map.sleep(0.05) t:cancel()" },
    { "by the end of the handle's block", "do local t <close> = fast_map_async(f, tasks) fast_map.sleep(0.05) end" },
    { "by an error in a callback", [[print(pcall(function()
      fast_map_async(f, tasks, { on_result = function() error "no" end }):join()
    end))]] },
    { "by an error in the input", [[pcall(function()
      local n = 0
      for i in fast_map(f, function() n = n + 1 if n == 40 then error "input" end return n - 1 end) do end
    end)]] },
    { "by an error of a task", [[pcall(function()
      for i in fast_map(function(x) if x == 0 then error "no" end f(x) end, tasks) do end
    end)]] },
  }
  for _, form in ipairs(forms) do
    -- an input error waits for its turn behind results, which here never come
    if form[1] ~= "by an error in the input" then
      it(form[1] .. " ends tasks that sleep, wait for programs and are blocked in C", function()
        local output = ends_well(([[
          local slow = %s
          local function f(x) if x > 0 then slow(x) end end
          local tasks = {}
          for i = 1, 31 do tasks[i] = i - 1 end
          local start = fast_map.now()
          %s
          print("took", fast_map.now() - start)
        ]]):format(blocked, form[2]))
        assert.is_true(tonumber(output:match "took%s+(%S+)") < 1, output)
      end)
    end
  end

  it("by an error in the input comes after the results before it", function()
    local output = ends_well [[
      local n, seen = 0, 0
      local ok, err = pcall(function()
        for i in fast_map(function(x) return x end, function()
          n = n + 1
          if n == 40 then error "input" end
          return n
        end) do seen = seen + 1 end
      end)
      print(ok, seen, (tostring(err):gsub(".*: ", "")))
    ]]
    assert.equal("false\t39\tinput\n", output)
  end)

  it("by the end of the script ends what an iterator in a global had", function()
    ends_well [[it = fast_map(function(x) if x > 1 then faulty.block(100) end return x end, { 1, 2, 3 }) it()]]
  end)

  it("by os.exit ends what a map had", function()
    local _, code, gone = kit.run [[it = fast_map(function(x) faulty.block(100) end, { 1, 2, 3 }) os.exit(5)]]
    assert.equal(5, code)
    assert.is_true(gone)
  end)

  it("by an uncaught error ends what a map had", function()
    local _, code, gone = kit.run [[it = fast_map(function(x) faulty.block(100) end, { 1, 2, 3 }) error "end"]]
    assert.equal(1, code)
    assert.is_true(gone)
  end)

  it("ends nested maps too", function()
    ends_well [[
      local function inner(x) if x > 1 then faulty.block(100) end return x end
      for i in fast_map(function(x)
        if x == 1 then return x end
        for i in fast_map(inner, { 1, 2, 3 }) do end
      end, { 1, 2, 3, 4 }) do fast_map.sleep(0.1) break end
    ]]
  end)

  it("of 10,000 sleeping tasks takes 0.2 s", function()
    local output = ends_well [[
      local t = fast_map_async(function() fast_map.sleep(100) end, fast_map.range(1, 10000))
      local deadline, running = fast_map.now() + 20, nil
      repeat
        fast_map.sleep(0.1)
        running = select(2, t:running())
      until running == 10000 or fast_map.now() > deadline
      local start = fast_map.now()
      t:cancel()
      print(running, fast_map.now() - start)
    ]]
    local running, took = output:match "(%d+)%s+(%S+)"
    assert.is_true(tonumber(running) > 1000, output) -- or the system allows no more threads
    assert.is_true(tonumber(took) < 2, output) -- the machine may be busy with other tests
  end)
end)

describe("a command that a task leaves in the background", function()
  -- GNU parallel, xargs and make do the same: what a job has left behind on purpose is its own, unless the work is cancelled.
  local leave = [[
    local function leave(x)
      os.execute "sleep 100 >/dev/null 2>&1 &"
      return x
    end
  ]]

  local function left_by(text)
    local run = kit.start(leave .. text)
    local code = kit.await(function() return tonumber((kit.read(run.name .. ".code"))) end, 30)
    local left = kit.marked(run.mark)
    for _, pid in ipairs(left) do faulty.kill(pid, 9) end
    local _, _, gone = kit.finish(run)
    assert.equal(0, code)
    assert.is_true(gone)
    return #left
  end

  for options, name in pairs {
    ["{}"] = "stays when the map has ended as it should",
    ["{ retries = 1, max_tasks_per_worker = 1 }"] = "also when its process was replaced",
    ["{ exit = function() end }"] = "also when there is an exit",
  } do
    it(name, function()
      assert.equal(3, left_by(("assert(#fast_map.map(leave, { 1, 2, 3 }, %s) == 3)"):format(options)))
    end)
  end

  it("is ended when the map is cancelled", function()
    ends_well(leave .. [[
      for i in fast_map(function(x) if x > 3 then fast_map.sleep(100) end return leave(x) end, fast_map.range(1, 9)) do
        if i == 3 then break end
      end
    ]])
  end)

  it("is ended when the map is cancelled after its process has ended", function()
    ends_well(leave .. [[
      local function work(x)
        if x > 3 then fast_map.sleep(100) end
        return leave(x)
      end
      for i in fast_map(work, fast_map.range(1, 9), { max_tasks_per_worker = 1 }) do
        if i == 3 then break end
      end
    ]])
  end)

  it("is ended when the map is cancelled after the process that started it has left", function()
    ends_well(leave .. [[
      local function is_over(pid)
        local file = io.open("/proc/" .. pid .. "/stat")
        if not file then return true end
        local state = file:read "a":match "%) (%a)"
        file:close()
        return state == "Z"
      end
      for i, pid in fast_map(function(x)
        if x == 1 then leave(x) else fast_map.sleep(x == 2 and 0.3 or 100) end
        return faulty.pid()
      end, { 1, 2, 3 }, { procs_limit = 3, ordered = false }) do
        while i == 1 and not is_over(pid) do fast_map.sleep(0.01) end
        if i == 2 then break end
      end
    ]])
  end)

  it("is ended with the process that started it, when that dies", function()
    ends_well(leave .. [[
      local _, _, err = fast_map(function(x) leave(x) faulty.kill(0, 9) end, { 1 }, { on_error = "return" })()
      assert(err.kind == "crash")
    ]])
  end)
end)

describe("Ctrl-C", function()
  local loop = [[
    local ok, err = pcall(function()
      for i in fast_map(function(x) if x > 1 then fast_map.sleep(100) end return x end, fast_map.range(1, 20)) do
        if i == 1 then print "ready" end
      end
    end)
    print("caught", ok, err)
  ]]

  local function press(run, signal)
    local pids = kit.marked(run.mark)
    table.sort(pids)
    for _, pid in ipairs(pids) do -- the script's own process, not the shell's and its workers'
      local command = kit.read(("/proc/%d/cmdline"):format(pid)):gsub("%z", " ")
      local parent = kit.read(("/proc/%d/stat"):format(pid)):match "%) %a (%d+)"
      local of = kit.read(("/proc/%s/cmdline"):format(parent)):gsub("%z", " ")
      if not command:find "^timeout" and of:find "^timeout" then
        faulty.kill(pid, signal)
        return pid
      end
    end
    error "no script found"
  end

  it("raises interrupted!, which pcall catches", function()
    local run = kit.start(loop)
    assert.truthy(kit.says(run, "ready"))
    press(run, 2)
    local output, code, gone = kit.finish(run)
    assert.matches("caught\tfalse\t.*interrupted!", output)
    assert.equal(0, code)
    assert.is_true(gone)
  end)

  local inputs = {
    ["waits"] = "fast_map.sleep(100)",
    ["waits in a coroutine"] = "coroutine.wrap(function() fast_map.sleep(100) end)()",
    ["computes"] = "while true do end",
  }
  for what, code in pairs(inputs) do
    -- lua's own handler does not reach Lua code that runs in a coroutine, as the input does
    if what ~= "computes" or kit.host == kit.fmlua then
      it("raises interrupted! once while the input " .. what, function()
        local run = kit.start(([[
          local pulled = 0
          local function input()
            pulled = pulled + 1
            if pulled > 2 then
              print "ready"
              %s
            end
            return pulled
          end
          local ok, err = pcall(function()
            for _ in fast_map(function() fast_map.sleep(100) end, input) do end
          end)
          print("caught", ok, err)
          for _ = 1, 1e6 do ok = not ok end
          print "end"
        ]]):format(code))
        assert.truthy(kit.says(run, "ready"))
        press(run, 2)
        local output, status, gone = kit.finish(run)
        assert.matches("caught\tfalse\t.*interrupted!.*end", output)
        assert.equal(0, status)
        assert.is_true(gone)
      end)
    end
  end

  it("does not wait for what exit does", function()
    local run = kit.start [[
      local function exit()
        print "ready"
        os.execute "sleep 100"
      end
      local began = fast_map.now()
      print("caught", pcall(fast_map.map, function(x) return x end, { 1 }, { exit = exit }))
      print(fast_map.now() - began < 8)
    ]]
    assert.truthy(kit.says(run, "ready"))
    press(run, 2)
    local output, status, gone = kit.finish(run)
    assert.matches("caught\tfalse\t.*interrupted!\ntrue\n", output)
    assert.equal(0, status)
    assert.is_true(gone)
  end)

  it("that nobody catches ends the script, and all its processes", function()
    local run = kit.start((loop:gsub("pcall", "(function(f) return f() end)")))
    assert.truthy(kit.says(run, "ready"))
    press(run, 2)
    local output, code, gone = kit.finish(run)
    assert.matches("interrupted!", output)
    assert.equal(kit.host == kit.fmlua and 130 or 1, code)
    assert.is_true(gone)
  end)

  it("pressed twice kills at once", function()
    local run = kit.start [[
      pcall(function()
        for i in fast_map(function(x) if x > 1 then faulty.block(100) end return x end, fast_map.range(1, 5)) do
          print "ready"
        end
      end)
      while true do end
    ]]
    assert.truthy(kit.says(run, "ready"))
    press(run, 2)
    fast_map.sleep(0.1)
    press(run, 2)
    local _, code, gone = kit.finish(run)
    assert.is_true(code ~= 0 and code ~= 124, code)
    assert.is_true(gone)
  end)

  it("reaches a loop whose tasks compute", function()
    local run = kit.start [[
      for i in fast_map(function(x) while x > 1 do end return x end, fast_map.range(1, 5)) do print "ready" end
    ]]
    assert.truthy(kit.says(run, "ready"))
    press(run, 2)
    local output, _, gone = kit.finish(run)
    assert.matches("interrupted!", output)
    assert.is_true(gone)
  end)

  it("reaches join", function()
    local run = kit.start [[
      local t = fast_map_async(function(x) if x > 1 then fast_map.sleep(100) end end, fast_map.range(1, 5),
        { on_result = function() print "ready" end })
      print(pcall(t.join, t))
      t:cancel()
    ]]
    assert.truthy(kit.says(run, "ready"))
    press(run, 2)
    local output, code, gone = kit.finish(run)
    assert.matches("false\t.*interrupted!", output)
    assert.equal(0, code)
    assert.is_true(gone)
  end)

  it("in interactive mode comes back to the prompt, with the terminal whole", function()
    if not os.execute "command -v script >/dev/null && command -v mkfifo >/dev/null" then return end
    local name = os.tmpname()
    os.execute(("mkfifo %s.in; (timeout 20 script -qfc '%s -i' /dev/null <%s.in >%s 2>&1; echo over >>%s) &"):format(
      name, kit.host, name, name, name))
    local keys = assert(io.open(name .. ".in", "w"))
    keys:setvbuf "no"
    local function shows(text)
      assert.truthy(kit.await(function() return kit.read(name):find(text, 1, true) end), kit.read(name))
    end
    shows "> "
    keys:write("fast_map = require 'fast_map'\n",
      "function f(x) if x > 1 then fast_map.sleep(100) end return x end\n",
      "for i in fast_map(f, {1, 2, 3}) do print('rea' .. 'dy') end\n")
    shows "ready"
    keys:write "\3"
    shows "interrupted!"
    keys:write "print('ali' .. 've', #fast_map.map(function() return 1 end, {1, 2}))\n"
    shows "alive\t2"
    keys:write "os.exit()\n"
    shows "over"
    keys:close()
    os.remove(name)
    os.remove(name .. ".in")
  end)

  for name, signal in pairs { SIGTERM = 15, SIGHUP = 1, SIGKILL = 9 } do
    it("or rather " .. name .. " leaves nothing behind, not even what is blocked in C", function()
      local run = kit.start [[
        for i in fast_map(function(x)
          if x % 3 == 0 then faulty.block(100) end
          if x % 3 == 1 then os.execute "sleep 100" end
          if x > 2 then faulty.spin() end
          return x
        end, { 2, 3, 4, 5, 6, 7 }) do print "ready" end
      ]]
      assert.truthy(kit.says(run, "ready"))
      press(run, signal)
      local _, code, gone = kit.finish(run)
      assert.equal(128 + signal, code)
      assert.is_true(gone)
    end)
  end

  it("or rather SIGKILL of a host whose worker is stopped leaves nothing once it goes on", function()
    local run = kit.start [[
      for i, pid in fast_map(function(x) if x > 1 then fast_map.sleep(100) end return faulty.pid() end, { 1, 2, 3 },
        { procs_limit = 1 }) do
        faulty.kill(pid, 19)
        print("ready", pid)
      end
    ]]
    local pid = tonumber(kit.says(run, "ready\t(%d+)"))
    press(run, 9)
    kit.await(function() return kit.read(run.name .. ".code") ~= "" end)
    faulty.kill(pid, 18)
    local _, _, gone = kit.finish(run)
    assert.is_true(gone)
  end)
end)

describe("limits", function()
  it("memory_limit fails the task that hits it, and the thread goes on in a fresh state", function()
    local values, errors, order = gather(function(x)
      if x % 4 == 0 then
        local t = {}
        for i = 1, 1e8 do t[i] = { #t } end
      end
      return x * 2
    end, fast_map.range(1, 20), { memory_limit = 4 << 20, procs_limit = 1, threads_limit = 1 })
    assert_others_whole(20, values, errors, order)
    for i = 1, 20 do
      assert.equal(i % 4 == 0, errors[i] ~= nil)
      if errors[i] then assert.equal("memory", errors[i].kind) end
    end
  end)

  it("max_tasks_per_worker replaces a process after so many tasks", function()
    local counts, total = {}, 0
    for _, pid in fast_map(function() return faulty.pid() end, fast_map.range(1, 50), { max_tasks_per_worker = 5 }) do
      counts[pid] = (counts[pid] or 0) + 1
      total = total + 1
    end
    assert.equal(50, total)
    for _, n in pairs(counts) do assert.is_true(n <= 5) end
  end)

  it("max_tasks_per_worker = 1 gives each task a process of its own", function()
    local seen, total = {}, 0
    for _, pid in fast_map(function() return faulty.pid() end, fast_map.range(1, 30), { max_tasks_per_worker = 1 }) do
      assert.is_nil(seen[pid])
      seen[pid], total = true, total + 1
    end
    assert.equal(30, total)
  end)

  it("max_tasks_per_worker, crashes, retries and timeouts go together", function()
    local values, errors, order = gather(function(x)
      if x % 11 == 0 then faulty.segfault() end
      if x % 13 == 0 then error "no" end
      if x % 17 == 0 then while true do end end
      return x * 2
    end, fast_map.range(1, 80), { max_tasks_per_worker = 3, retries = 1, retry_delay = 0.01, timeout = 0.2 })
    assert_others_whole(80, values, errors, order)
    for i = 1, 80 do
      local kind = i % 11 == 0 and "crash" or i % 13 == 0 and "error" or i % 17 == 0 and "timeout" or nil
      assert.equal(kind, errors[i] and errors[i].kind)
    end
  end)
end)

describe("many maps in a row", function()
  it("leave no descriptor, process or memory", function()
    ends_well([[
      local function count(what)
        local pipe = io.popen(what)
        local n = pipe:read "n"
        pipe:close()
        return n
      end
      local pid = faulty.pid()
      local function state()
        collectgarbage() collectgarbage()
        local file = io.open "/proc/self/status"
        local status = file:read "a"
        file:close()
        local fds = math.huge -- the least: the listing may begin before popen has closed its own end
        for _ = 1, 5 do fds = math.min(fds, count("ls /proc/" .. pid .. "/fd | wc -l")) end
        return fds, tonumber(status:match "VmRSS:%s*(%d+)"), count("wc -l </proc/" .. pid .. "/maps")
      end
      local function maps(n)
        for _ = 1, n do
          for i, v in fast_map(function(x) return x end, { 1, 2 }) do assert(i == v) end
          for i in fast_map(function(x) return x end, { 1, 2, 3 }, { ordered = false }) do break end
          pcall(fast_map.map, function(x) error(x) end, { 1, 2 })
          fast_map_async(function(x) return x end, { 1, 2 }, { on_result = function() end }):join()
        end
      end
      maps(50)
      local fds, memory, pieces = state()
      maps(250)
      local fds_after, memory_after, pieces_after = state()
      print(fds, fds_after, memory, memory_after, pieces, pieces_after)
      assert(fds_after <= fds and memory_after < memory + 1000 and pieces_after <= pieces + 3)
    ]])
  end)
end)
