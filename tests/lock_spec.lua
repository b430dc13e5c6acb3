-- lock_spec.lua - fast_map.lock: one at a time, of all threads, processes and scripts.

local fast_map = require "fast_map"
local kit = dofile "tests/stress/kit.lua"

local path

before_each(function() path = os.tmpname() end)
after_each(function() os.remove(path) end)

local function output_of(text, o)
  local output, code, gone = kit.run(("local path = %q\n"):format(path) .. text, o)
  assert.is_true(gone, "processes are left")
  assert.equal(0, code, output)
  return output
end

describe("a lock", function()
  it("lets one task go on at a time, of all threads and processes", function()
    assert.equal("300\ttrue\n", output_of [[
      local function read() return assert(io.open(path .. ".n")):read "n" end
      local function write(n) assert(io.open(path .. ".n", "w")):write(n):close() end
      write(0)
      local function add(i)
        local lock <close> = fast_map.lock(path)
        local n = read()
        if i % 10 == 0 then fast_map.sleep(0.001) end
        write(n + 1)
      end
      local _, stats = fast_map.map(add, fast_map.range(1, 300), { procs_limit = 3, threads_limit = 30, chunksize = 1 })
      print(read(), stats.threads > 3)
      os.remove(path .. ".n")
    ]])
  end)

  it("is the same for scripts", function()
    local lock = fast_map.lock(path)
    local run = kit.start(([[
      print "waits"
      local lock <close> = fast_map.lock(%q)
      print(io.open(%q):read "a")
    ]]):format(path, path))
    assert.is_truthy(kit.says(run, "waits"))
    kit.write(path, "written before")
    lock:close()
    local output, code = kit.finish(run)
    assert.equal(0, code, output)
    assert.equal("waits\nwritten before\n", output)
  end)

  it("is given back by a task that fails, and by one that dies", function()
    assert.equal("1\tnil\terror\n2\t2\tnil\n3\tnil\tcrash\n4\t4\tnil\n", output_of [[
      local function work(i)
        local lock <close> = fast_map.lock(path)
        if i == 1 then error "failed" end
        if i == 3 then faulty.segfault() end
        return i
      end
      for i, v, err in fast_map(work, { 1, 2, 3, 4 }, { on_error = "return", procs_limit = 1 }) do print(i, v, err and err.kind) end
    ]])
  end)

  it("is not kept by the commands that run on", function()
    assert.equal("1 2\n", output_of [[
      local function work(i)
        local lock <close> = fast_map.lock(path)
        os.execute("(while [ -e " .. path .. " ]; do sleep 0.05; done) &")
        return i
      end
      print(table.concat(fast_map.map(work, { 1, 2 }), " "))
      os.remove(path)
    ]])
  end)

  it("is never where the script prints to, when that is closed", function()
    output_of([[
      local function work(i)
        local lock <close> = fast_map.lock(path)
        print "printed"
        io.stdout:flush()
        return i
      end
      assert(#fast_map.map(work, { 1, 2 }) == 2)
      assert(io.open(path):read "a" == "")
    ]], { to = ">&- 2>" .. path .. ".err" })
    os.remove(path .. ".err")
  end)

  it("is no longer waited for after the task's time", function()
    assert.equal("1\tnil\ttimeout\n2\tnil\ttimeout\n", output_of [[
      local lock <close> = fast_map.lock(path)
      local function work() return fast_map.lock(path) end
      local options = { on_error = "return", timeout = 0.2, kill_after = 100 }
      for i, v, err in fast_map(work, { 1, 2 }, options) do print(i, v, err.kind) end
    ]])
  end)

  it("can be closed twice, and made of a file that is there or not", function()
    os.remove(path)
    for _ = 1, 2 do
      local lock = fast_map.lock(path)
      assert.matches("^fast_map.lock %(", tostring(lock))
      lock:close()
      lock:close()
      assert.equal("fast_map.lock (closed)", tostring(lock))
    end
  end)

  it("tells what it is not made of", function()
    assert.error_matches(function() fast_map.lock() end, "lock: it needs the name of a file, got nil")
    assert.error_matches(function() fast_map.lock "/none/here" end, "lock: cannot open the file: /none/here: No such file")
  end)
end)
