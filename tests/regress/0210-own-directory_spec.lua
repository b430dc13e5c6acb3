-- The working directory belongs to the process: tasks that changed it and then started a command had it run in another
-- task's. So with the umask; and os.clock counted what all threads of the process had computed.

local kit = dofile "tests/stress/kit.lua"

-- The output of a script that must end well. It finds functions to wait for each other: mark(name), await(name), in a
-- folder of its own, `folder`.
local function output_of(text)
  local output, code, gone = kit.run([[
    local lfs = require "lfs"
    folder = os.tmpname()
    os.remove(folder)
    assert(lfs.mkdir(folder))
    function mark(name) assert(io.open(folder .. "/" .. name, "w")):close() end
    function await(name) while not lfs.attributes(folder .. "/" .. name) do fast_map.sleep(0.01) end end
  ]] .. text .. [[
    print(lfs.currentdir() == here and "at home" or lfs.currentdir())
    os.execute("rm -r " .. folder)
  ]], { before = "umask 022" })
  assert.is_true(gone, "processes are left")
  assert.equal(0, code, output)
  return output
end

-- In a sandbox that refuses it, threads share one directory, as the README says.
local function can_part()
  return os.execute "test $(sed -n 's/^Seccomp:[^0-9]*//p' /proc/self/status) = 0"
end

describe("a thread's surroundings", function()
  if not can_part() then return pending "this sandbox may refuse a directory for each thread" end

  it("are its own: directory and umask, for its commands and files too", function()
    assert.equal("40\nat home\n", output_of [[
      local here = lfs.currentdir()
      local function work(i)
        local own = folder .. "/d" .. i
        assert(lfs.mkdir(own))
        assert(lfs.chdir(own))
        faulty.umask(i)
        mark("changed" .. i)
        for k = 1, 40 do await("changed" .. k) end
        local pipe = io.popen "pwd; umask"
        assert(pipe:read "l" == own)
        assert(tonumber(pipe:read "l", 8) == i)
        pipe:close()
        assert(os.execute "pwd >name")
        assert(io.open "name":read "l" == own)
        assert(lfs.currentdir() == own)
        return true
      end
      print(#fast_map.map(work, fast_map.range(1, 40), { procs_limit = 1 }))
    ]])
  end)

  it("are at first those of the call, wherever the thread that started it has gone", function()
    assert.equal("1\ttrue\t18\n2\ttrue\t18\nat home\n", output_of [[
      local here = lfs.currentdir()
      local function work(i)
        local at, mask = lfs.currentdir(), faulty.umask(7)
        lfs.chdir "/"
        mark("gone" .. i)
        await("gone" .. 3 - i)
        return at == here, mask
      end
      for i, home, mask in fast_map(work, { 1, 2 }, { procs_limit = 1 }) do print(i, home, mask) end
    ]])
  end)

  it("stay changed for the thread's next task, as globals do", function()
    assert.equal("/ /\nat home\n", output_of [[
      local here = lfs.currentdir()
      local function work(i)
        if i == 1 then lfs.chdir "/" end
        return lfs.currentdir()
      end
      print(table.concat(fast_map.map(work, { 1, 2 }, { threads_limit = 1 }), " "))
    ]])
  end)

  it("count its own processor time in os.clock", function()
    assert.equal("true\ttrue\nat home\n", output_of [[
      local here = lfs.currentdir()
      local function work(i)
        if i == 1 then
          await "computed"
          return os.clock() < 0.5
        end
        while os.clock() < 1 do end
        mark "computed"
        return os.clock() >= 1
      end
      print(table.unpack(fast_map.map(work, { 1, 2 }, { procs_limit = 1 }), 1, 2))
    ]])
  end)
end)
