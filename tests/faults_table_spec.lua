-- The README's table of faults is true, row by row: what the caller sees, and that nothing is left. More of each, and of all
-- together, is in faults_spec.lua, surroundings_spec.lua, init_spec.lua and tests/stress.

local kit = dofile "tests/stress/kit.lua"

-- What scripts use: the outcome of each task as one line; whether the script has no process now.
local prelude = [[
  local function show(f, tasks, options)
    options = options or {}
    options.on_error = options.on_error or "return"
    local lines = {}
    for i, value, err in fast_map(f, tasks, options) do
      lines[#lines + 1] = err and i .. " " .. err.kind .. ": " .. tostring(err.message) or i .. " " .. tostring(value)
    end
    print(table.concat(lines, "\n"))
  end
  local function alone() return faulty.wait() == nil end -- with a child it would wait for its end
  local function slow(x)
    if x > 1 then fast_map.sleep(100) end
    return x
  end
]]

-- The first column, a script, what it prints (patterns), its exit code.
local rows = {
  { "a task raises", [[show(function(x) if x == 2 then error "no" end return x end, { 1, 2, 3 })]],
    "^1 1\n2 error: [^\n]*: no\n3 3\n$" },
  { "a task runs longer than `timeout`", [[
      show(function(x)
        if x == 2 then while true do end end
        return faulty.tid() - faulty.pid()
      end, { 1, 2, 3 }, { timeout = 0.2, threads_limit = 1 })
    ]], "^1 0\n2 timeout: [^\n]*:%d+: timed out\n3 0\n$" },
  { "…and does not yield to that (blocked in C, catches the error) for `kill_after`", [[
      local pids = fast_map.map(function(x)
        if x == 2 then faulty.block(100) end
        return faulty.pid()
      end, { 1, 2, 3 }, { timeout = 0.2, kill_after = 0.1, threads_limit = 1, on_error = "return" })
      print(pids.errors[2].kind, pids[1] ~= pids[3])
    ]], "^timeout\ttrue\n$" },
  { "a thread's state outgrows `memory_limit`", [[
      show(function(x) return x == 2 and #("x"):rep(1 << 24) or x end, { 1, 2, 3 },
        { memory_limit = 4 << 20, threads_limit = 1 })
    ]], "^1 1\n2 memory: [^\n]*\n3 3\n$" },
  { "`init` raises, runs longer than `timeout`, or crashes", [[
      for _, init in ipairs { function() error "no" end, function() while true do end end, faulty.segfault } do
        local ok, err = pcall(fast_map.map, print, { 1, 2, 3 }, { init = init, timeout = 0.2 })
        print(ok, err.kind, err.index)
      end
    ]], "^false\tinit\tnil\nfalse\tinit\tnil\nfalse\tinit\tnil\n$" },
  { "`exit` raises", [[
      io.stderr:write "" show(function(x) return x end, { 1, 2 }, { threads_limit = 1, exit = function() error "no" end })
    ]], "fast_map: exit failed: [^\n]*: no\n.*1 1\n2 2\n$" },
  { "a task calls `os.exit`", [[show(function(x) if x == 2 then os.exit(3) end return x end, { 1, 2, 3 })]],
    "^1 1\n2 error: [^\n]*os.exit%(3%) called in a task\n3 3\n$" },
  { "a result cannot travel", [[show(function(x) return x == 2 and { deep = { coroutine.create(print) } } or x end, { 1, 2, 3 })]],
    "^1 1\n2 transfer: [^\n]*deep[^\n]*\n3 3\n$" },
  { "a task's arguments cannot travel", [[
      print(pcall(function()
        for i in fast_map(function(x) return x end, { 1, { x = { coroutine.create(print) } }, 3 }) do print(i) end
      end))
    ]], "^1\nfalse\ttask 2 cannot travel: %.x%[1%] is a coroutine\n$" },
  { "a C module crashes (SIGSEGV, `abort`)", [[
      for name, signal in pairs { segfault = "SIGSEGV", abort = "SIGABRT" } do
        local t = fast_map.map(function(x)
          if x == 7 then faulty[name]() end
          return x
        end, fast_map.range(1, 20), { on_error = "return" })
        local err = t.errors[7]
        print(#t.errors == 0 and next(t.errors) == 7 and next(t.errors, 7) == nil, t[20], err.kind,
          err.message:match "signal %d+", tostring(err):match "in function" or tostring(err):match "in [%a ]*'[%w_.]+'" or err)
      end
    ]], "^true\t20\tcrash\tsignal %d+\tin .-\ntrue\t20\tcrash\tsignal %d+\tin .-\n$" },
  { "a process is killed (SIGKILL, out of memory)", [[
      local flag = os.tmpname()
      show(function(x)
        if x == 2 and os.remove(flag) or x == 4 then faulty.kill(0, 9) end
        return x
      end, { 1, 2, 3, 4, 5 })
    ]], "^1 1\n2 2\n3 3\n4 crash: [^\n]*signal 9 %(Killed%)[^\n]*\n5 5\n$" },
  { "a process ends in one of these ways, with `rerun = false`", [[
      show(function(x)
        fast_map.sleep(x == 2 and 0.3 or 20)
        faulty.kill(0, 9)
      end, { 1, 2, 3 }, { procs_limit = 1, threads_limit = 2, rerun = false })
    ]], "^1 crash: [^\n]*signal 9[^\n]*\n2 crash: [^\n]*\n3 crash: [^\n]*\n$" },
  { "a C module writes over the memory that the process shares with the script", [[
      local n, start = 0, fast_map.now()
      for i in fast_map(function(x) if x == 5 then faulty.garbage("all", 3) end return x end, fast_map.range(1, 20),
        { procs_limit = 1, on_error = "return" }) do
        n = n + 1
        assert(i == n)
      end
      print(n, fast_map.now() - start < 20)
    ]], "^20\ttrue\n$" },
  { "processes die three times in a row without a completed task", [[
      print(pcall(fast_map.map, print, { 1, 2, 3 }, { init = function() faulty.kill(0, 9) end }))
    ]], "^false\t.*workers die one after the other" },
  { "the input iterator raises", [[
      local n = 0
      local function input()
        n = n + 1
        return n < 3 and n or error({ code = n })
      end
      local seen = 0
      local ok, err = pcall(function()
        for i in fast_map(function(x) return x end, input) do seen = i end
      end)
      print(ok, err.code, seen)
    ]], "^false\t3\t2\n$" },
  { "the loop is left by `break`, `return`, an error", [[
      for i in fast_map(slow, { 1, 2, 3 }) do break end
      print(alone());
      (function() for i in fast_map(slow, { 1, 2, 3 }) do return end end)()
      print(alone())
      pcall(function() for i in fast_map(slow, { 1, 2, 3 }) do error "no" end end)
      print(alone())
    ]], "^true\ntrue\ntrue\n$" },
  { "the iterator is dropped without a loop", [[
      do
        local next_result = fast_map(slow, { 1, 2, 3 })
        next_result()
      end
      collectgarbage() collectgarbage()
      print(alone())
    ]], "^true\n$" },
  { "Ctrl-C", [[
      faulty.press(0.2)
      print(pcall(function() for i in fast_map(slow, { 1, 2, 3 }) do end end))
      print(alone())
      faulty.press(0.2)
      for i in fast_map(slow, { 1, 2, 3 }) do end
    ]], "^false\t[^\n]*interrupted!\ntrue\n[^\n]*interrupted!\n", kit.host == kit.fmlua and 130 or 1 },
  { "Ctrl-Z, SIGSTOP (also from a batch system), and SIGCONT", [[
      local stop = "(sleep 0.2; kill -STOP %d; sleep 0.6; kill -CONT %d) >/dev/null 2>&1 &"
      os.execute(stop:format(faulty.pid(), faulty.pid()))
      show(function(x)
        fast_map.sleep(0.5)
        return x
      end, { 1, 2, 3 }, { threads_limit = 2, timeout = 60 })
    ]], "^1 1\n2 2\n3 3\n$" },
  { "nobody reads the script's output any more (`\\| head`)", ([[
      local script = "local fast_map = require 'fast_map' for _ in fast_map(print, fast_map.range(1, 1e12)) do end"
      os.execute(('{ %s -e "%%s"; echo $? >&2; } | true'):format(script))
      print(alone())
    ]]):format(kit.host), "^141\ntrue\n$" },
  { "the script's process is killed, by SIGKILL too", [[
      for i in fast_map(function(x)
        if x == 2 then os.execute "sleep 100" elseif x > 2 then faulty.block(100) end
        return x
      end, { 1, 2, 3 }) do faulty.kill(0, 9) end
    ]], "", 137 },
  { "no more threads or processes to be had", [[
      collectgarbage()
      faulty.limit("nofile", 24)
      show(function(x) return x end, { 1, 2, 3 }, { procs_limit = 50 })
      faulty.limit("nofile", 3)
      print(pcall(fast_map.map, print, { 1, 2, 3 }))
    ]], "^1 1\n2 2\n3 3\nfalse\t.*[Tt]oo many open files" },
}

-- As they stand in the README.
local function told()
  local table_of_faults = kit.read "README.md":match "\n| what happens | what you see | what is left behind |\n|[-|]+|\n(.-)\n\n"
  local list = {}
  for what in table_of_faults:gmatch "[^\n]+" do list[#list + 1] = what:match "^| (.-) |" end
  return list
end

describe("the README's table of faults is true when", function()
  for _, row in ipairs(rows) do
    local what, script, pattern, expected = table.unpack(row)
    it(what, function()
      local output, code, gone = kit.run(prelude .. script)
      assert.equal(expected or 0, code, output)
      assert.matches(pattern, output)
      assert.is_true(gone, "processes are left")
    end)
  end

  it("it has these rows and no others", function()
    local tested = {}
    for _, row in ipairs(rows) do tested[#tested + 1] = row[1] end
    assert.same(tested, told())
  end)
end)
