-- C code that needs more than 1 MB of stack, as a parser does for deeply nested input, ran in a process's first thread, and
-- crashed in all others.

local kit = dofile "tests/stress/kit.lua"

local script = [[
  local folder = os.tmpname()
  local function work(i)
    assert(io.open(folder .. i, "w")):close()
    for k = 1, 3 do
      while not io.open(folder .. k) do fast_map.sleep(0.01) end
    end
    return faulty.stack(6000)
  end
  for i, kilobytes in fast_map(work, { 1, 2, 3 }, { procs_limit = 1 }) do print(i, kilobytes) end
  os.execute("rm " .. folder .. "*")
]]

describe("a C function that needs much stack", function()
  it("has in each thread what the main thread has", function()
    if kit.read "/proc/sys/vm/overcommit_memory":match "2" then return pending "memory is counted here" end
    local output, code, gone = kit.run(script, { before = "ulimit -s 8192; ulimit -v unlimited" })
    assert.is_true(gone, "processes are left")
    assert.equal(0, code, output)
    assert.equal("1\t6000\n2\t6000\n3\t6000\n", output)
  end)
end)
