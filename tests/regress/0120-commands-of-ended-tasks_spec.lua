-- A task that its timeout ended left the command it was reading from. The collector then waited for that command in another
-- task of the thread, which so got a timeout as well; and where it did not, the command outlived the script.

local kit = dofile "tests/stress/kit.lua"

describe("the commands of a task that was ended", function()
  it("hold up no other task, and do not stay", function()
    local output, code, gone = kit.run [[
      local function ask(x)
        if x == 1 then return io.popen("sleep 300; sleep 300"):read "a" end
        if x == 2 then io.popen("sleep 300 | sleep 300", "w") while true do end end
        if x == 3 then
          local pipe, t = io.popen "sleep 300", {}
          while pipe do t[#t + 1] = ("x"):rep(1000) end
        end
        collectgarbage()
        return x
      end
      for i, x, err in fast_map(ask, { 1, 4, 2, 4, 3, 4 },
        { threads_limit = 1, timeout = 1, kill_after = 100, memory_limit = 8 << 20, on_error = "return" }) do
        print(i, x, err and err.kind)
      end
    ]]
    assert.equal(0, code, output)
    assert.equal("1\tnil\ttimeout\n2\t4\tnil\n3\tnil\ttimeout\n4\t4\tnil\n5\tnil\tmemory\n6\t4\tnil\n", output)
    assert.is_true(gone, "commands are left")
  end)

  it("are its own: what init or an earlier task has opened goes on", function()
    local output, code = kit.run [[
      local function ask(x)
        local cat = fast_map.state
        if x == 2 then while true do end end
        cat.writer:write(x, "\n")
        cat.writer:flush()
        return cat.reader:read "l"
      end
      local function open()
        local name = os.tmpname()
        os.remove(name)
        assert(os.execute("mkfifo " .. name))
        local writer = io.popen("exec cat >" .. name, "w")
        local reader = io.open(name)
        os.remove(name)
        return { reader = reader, writer = writer }
      end
      for i, x, err in fast_map(ask, { 1, 2, 3 }, { threads_limit = 1, timeout = 1, init = open, on_error = "return" }) do
        print(i, x, err and err.kind)
      end
    ]]
    assert.equal(0, code, output)
    assert.equal("1\t1\tnil\n2\tnil\ttimeout\n3\t3\tnil\n", output)
  end)
end)
