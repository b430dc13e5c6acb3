-- Hostile surroundings: a system that refuses, streams that are closed, hosts and tasks that meddle.

local fast_map = require "fast_map"
local kit = dofile "tests/stress/kit.lua"
local faulty = kit.faulty

local function ends_well(text, o)
  local output, code, gone = kit.run(text, o)
  assert.equal(0, code, output)
  assert.is_true(gone, "processes are left")
  return output
end

-- A map that counts to n, checked in the script. `task`: the code of a function that doubles its argument, and does more.
local function counting(n, options, before, task)
  return ([[
    %s
    local n = 0
    for i, v in fast_map(%s, fast_map.range(1, %d), { %s }) do
      n = n + 1
      assert(i == n and v == i * 2)
    end
    assert(n == %d)
    print "whole"
  ]]):format(before or "", task or "function(x) return x * 2 end", n, options or "", n)
end

local function is_whole(text, o)
  assert.equal("whole\n", ends_well(text, o))
end

-- Right, or a clear error that a person can act on: one line that is no crash's.
local function whole_or_error(text, o)
  local output, code, gone = kit.run(text, o)
  assert.is_true(gone, "processes are left")
  assert.is_true(code == 0 and output:match "whole\n$" ~= nil or code == 1 and #output > 0, code .. ": " .. output)
  return code == 0, output
end

-- Whether a test may take the part of some other user: as root, in a folder that others can enter too (/root is none).
local function may_be_others()
  return os.execute 'test "$(id -u)" = 0 && setpriv --reuid 61234 --clear-groups test -r "$PWD/tests/stress/kit.lua" 2>&1'
end

describe("a system that refuses", function()
  for limit = 3, 40, 3 do
    it("more than " .. limit .. " descriptors", function()
      local whole, output = whole_or_error(counting(200, "procs_limit = 8",
        "collectgarbage() faulty.limit('nofile', " .. limit .. ")"))
      if limit >= 21 then assert.is_true(whole, output) end -- a few are open already, two for one process
      if not whole then assert.matches("[Tt]oo many open files", output) end
    end)
  end

  it("more processes", function()
    if not may_be_others() then return end
    -- a user of whom nothing else runs; root itself knows no such limit
    for limit = 1, 6 do
      whole_or_error(counting(100, "procs_limit = 4", "faulty.limit('nproc', " .. limit .. ")"), {
        host = "setpriv --reuid 61234 --clear-groups " .. kit.host,
        before = "chmod -R a+rX /tmp/lua_* 2>/dev/null;",
      })
    end
  end)

  it("more threads: 1,000 sleepers on those it could have", function()
    if not may_be_others() then return end
    is_whole([[
      faulty.limit("nproc", 40)
      local n = 0
      for i, v in fast_map(function(x) fast_map.sleep(0.01) return x end, fast_map.range(1, 1000)) do
        n = n + 1
        assert(i == n and v == i)
      end
      print(n == 1000 and "whole")
    ]], { host = "setpriv --reuid 61235 --clear-groups " .. kit.host, before = "chmod a+r /tmp/lua_* 2>/dev/null;" })
  end)

  for _, megabytes in ipairs { 16, 32, 64, 128, 256 } do
    it("more than " .. megabytes .. " MB of addresses", function()
      local whole = whole_or_error(counting(500, "", "faulty.limit('as', " .. (megabytes << 20) .. ")"))
      if megabytes >= 128 then assert.is_true(whole) end
    end)
  end

  it("more than a page of /dev/shm", function()
    local host = kit.host:find "^/" and kit.host or kit.host:find "/" and "./" .. kit.host or kit.host
    local inside = "unshare -m sh -c 'mount -t tmpfs -o size=4k none /dev/shm && exec \"$@\"' sh "
    if not os.execute(inside .. "true 2>/dev/null") then return end -- only root may
    is_whole(counting(300), { host = inside .. host })
  end)

  it("memory for the results that the script keeps: an error, and room for another map", function()
    local output = ends_well [[
      faulty.limit("as", 300 << 20)
      local keep = {}
      print(pcall(function()
        for i, v in fast_map(function() return ("x"):rep(20 << 20) end, fast_map.range(1, 100)) do keep[i] = v end
      end))
      keep = nil collectgarbage()
      print(#fast_map.map(function(x) return x end, { 1, 2, 3 }))
    ]]
    assert.matches("^false\t.*\n3\n$", output)
  end)

  it("memory for a huge result: an error of that task", function()
    local output = ends_well [[
      faulty.limit("as", 300 << 20)
      local n = 0
      for i, v, err in fast_map(function(x) return x == 3 and ("x"):rep(250 << 20) or x end, fast_map.range(1, 6),
        { on_error = "return", procs_limit = 1, threads_limit = 1 }) do
        n = n + 1
        if i == 3 then print(err and err.kind) else assert(v == i) end
      end
      print(n)
      collectgarbage()
      print(#fast_map.map(function(x) return x end, { 1, 2, 3 })) -- the parent can run another
    ]]
    assert.equal("memory\n6\n3\n", output)
  end)
end)

describe("streams", function()
  for _, closed in ipairs { "<&-", ">&-", "2>&-", "<&- >&- 2>&-" } do
    it("may be closed: " .. closed, function()
      local name = os.tmpname()
      local text = counting(500, "",
        ("local print = function(s) local f = io.open(%q, 'w') f:write(s) f:close() end"):format(name))
      local _, code, gone = kit.run(text, { from = "", to = closed })
      assert.equal(0, code)
      assert.is_true(gone)
      assert.equal("whole", kit.read(name))
      os.remove(name)
    end)
  end

  it("may be full: the script hears of it, nothing hangs", function()
    local _, code, gone = kit.run([[
      for i in fast_map(function(x) print(x) return x end, fast_map.range(1, 2000)) do print(i) end
    ]], { to = ">/dev/full 2>&1" })
    assert.is_true(code == 0 or code == 1, code)
    assert.is_true(gone)
  end)

  it("may be read by head: the script ends, and its processes", function()
    local run = kit.start([[
      for i in fast_map(function(x) return x end, function() return 1 end) do print(i) end
    ]], { to = ("2>/dev/null | head -3 >%s"):format(os.tmpname()) })
    local _, code, gone = kit.finish(run)
    assert.equal(0, code) -- head's
    assert.is_true(gone)
  end)

  it("that a task closes are the task's own", function()
    is_whole(counting(20, "", [[
      fast_map.map(function(x) io.stdout:close() return x end, { 1, 2, 3 }, { on_error = "return" })
    ]]))
  end)
end)

describe("a host", function()
  for _, meddling in ipairs {
    { "that ignores SIGCHLD", "faulty.ignore(17)" },
    { "that blocks SIGCHLD", "faulty.mask(17)" },
    { "that blocks the signals of maps and of Ctrl-C", "faulty.mask(23) faulty.mask(29) faulty.mask(2)" },
    { "that ignores SIGPIPE and SIGURG", "faulty.ignore(13) faulty.ignore(23)" },
    { "with threads of its own", "faulty.threads(3)" },
    { "that has closed descriptors above 2", "for fd = 3, 50 do faulty.close(fd) end" },
    { "whose working directory is gone", "" , "cd $(mktemp -d) && rmdir $PWD;" },
  } do
    it(meddling[1], function()
      is_whole(counting(300, "", meddling[2]), { before = meddling[3] })
      is_whole(counting(30, "max_tasks_per_worker = 5, timeout = 5, retries = 1", meddling[2]), { before = meddling[3] })
    end)
  end

  it("that waits for children itself finds all results still there", function()
    ends_well [[
      local n = 0
      for i, v in fast_map(function(x) return x * 2 end, fast_map.range(1, 300), { max_tasks_per_worker = 20 }) do
        n = n + 1
        assert(i == n and v == i * 2)
        if n % 50 == 0 then
          os.execute "true"
          local pid = faulty.fork(0)
          faulty.wait()
        end
      end
      assert(n == 300)
    ]]
  end)

  it("that ignores SIGCHLD and loses a worker", function()
    ends_well [[
      faulty.ignore(17)
      local n = 0
      for i, v, err in fast_map(function(x) if x == 5 then faulty.kill(0, 9) end return x end, fast_map.range(1, 20),
        { on_error = "return" }) do
        n = n + 1
        assert(i == n and (v == i or i == 5 and err.kind == "crash"))
      end
      assert(n == 20)
    ]]
  end)

  it("that closes descriptors above 2 in the middle of a map gets an error or its results, and no process stays", function()
    local _, code, gone = kit.run [[
      pcall(function()
        for i, v in fast_map(function(x) fast_map.sleep(0.001) return x end, fast_map.range(1, 50)) do
          assert(v == i)
          if i == 5 then for fd = 3, 60 do faulty.close(fd) end end
        end
      end)
    ]]
    assert.equal(0, code)
    assert.is_true(gone)
  end)
end)

describe("a host", function()
  it("that changes directory in the middle of a map", function()
    if not pcall(require, "lfs") then return pending "LuaFileSystem is not installed" end
    is_whole [[
      local lfs = require "lfs"
      local n = 0
      for i, v in fast_map(function(x) return x * 2 end, fast_map.range(1, 300), { max_tasks_per_worker = 20 }) do
        n = n + 1
        assert(i == n and v == i * 2)
        if i == 50 then lfs.chdir "/" end
      end
      print(n == 300 and "whole")
    ]]
  end)
end)

describe("a task", function()
  local function unharmed(f, options)
    local n = 0
    for i, v in fast_map(function(x)
      if x == 7 then f() end
      return x * 2
    end, fast_map.range(1, 40), options) do
      n = n + 1
      assert.equal(n, i)
      assert.equal(i * 2, v)
    end
    assert.equal(40, n)
  end

  it("may fork a child that outlives it: it goes when the map is cancelled", function()
    ends_well [[
      for i, v in fast_map(function(x)
        if x == 3 then faulty.fork(60) elseif x > 15 then fast_map.sleep(60) end
        return x
      end, fast_map.range(1, 20)) do
        assert(i == v)
        if i == 15 then break end
      end
    ]]
  end)

  it("may fork and go on in both: its result comes once, and the child is gone with it", function()
    is_whole(counting(40, nil, nil, [[function(x)
      if x == 7 and faulty.fork_on() then return "the child's" end
      return x * 2
    end]]))
  end)

  it("may set a debug hook", function()
    unharmed(function() debug.sethook(function() end, "l") end)
    unharmed(function() debug.sethook(function() end, "", 1) end, { timeout = 5 })
  end)

  it("may change the string metatable", function()
    unharmed(function()
      getmetatable("").__index = function() return "nonsense" end
      getmetatable("").__len = function() return -1 end
    end)
  end)

  it("may leave strings without a metatable: later tasks of its thread fail, and say so", function()
    local n = 0
    for i, value, err in fast_map(function(x)
      if x == 1 then debug.setmetatable("", nil) end
      return ("%d"):format(x)
    end, fast_map.range(1, 20), { threads_limit = 1, on_error = "return" }) do
      n = n + 1
      assert.equal(n, i)
      assert.is_nil(value)
      assert.equal("error", err.kind)
      assert.matches("attempt to index a string value", tostring(err))
      assert.matches("surroundings_spec.lua:%d+: in ", err.traceback)
    end
    assert.equal(20, n)
  end)

  it("may change or remove globals", function()
    is_whole(counting(40, nil, nil, [[function(x)
      local all = _G if x == 7 then for name in pairs(all) do all[name] = nil end end
      return x * 2
    end]]))
  end)

  it("may close the file of its stdout, and print", function()
    unharmed(function()
      io.stdout:close()
      pcall(print, "to nobody")
    end)
  end)

  it("may close its stdin, stdout and stderr", function()
    ends_well [[
      local n = 0
      for i, v in fast_map(function(x) if x == 7 then faulty.close(0) faulty.close(1) faulty.close(2) end return x end,
        fast_map.range(1, 40)) do
        n = n + 1
        assert(i == v)
      end
      assert(n == 40)
    ]]
  end)

  it("that closes every descriptor costs its worker at most", function()
    local n = 0
    for i, v, err in fast_map(function(x)
      if x == 7 then for fd = 3, 60 do faulty.close(fd) end end
      return x * 2
    end, fast_map.range(1, 40), { on_error = "return" }) do
      n = n + 1
      assert.equal(n, i)
      assert.is_true(v == i * 2 or err.kind == "crash")
    end
    assert.equal(40, n)
  end)

  it("may recurse until Lua says stop", function()
    local ok, err = pcall(fast_map.map, function()
      local function deep(x) return 1 + deep(x) end
      return deep(1)
    end, { 1 })
    assert.is_false(ok)
    assert.equal("error", err.kind)
    assert.matches("stack overflow", err.message)
  end)

  it("may ignore all signals", function()
    unharmed(function() for signal = 1, 31 do faulty.ignore(signal) end end, { timeout = 5 })
  end)

  it("may block all signals", function()
    unharmed(function() for signal = 1, 31 do faulty.mask(signal) end end, { timeout = 5 })
  end)
end)
