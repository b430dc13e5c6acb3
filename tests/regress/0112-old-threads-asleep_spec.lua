-- Who sleeps in C, in a way that we do not know, was looked for among the newest 1024 threads of a process. When the older
-- ones had the tasks, none of these was seen to wait: the process asked for one task at a time, and ran one at a time.

local kit = dofile "tests/stress/kit.lua"

describe("a process with thousands of threads", function()
  it("sees which of them wait, whichever they are", function()
    local output, code = kit.run [[
      local THREADS, COUNT = 4000, 16000
      local limit = fast_map.now() + 60 -- one task after the other would take an hour
      local count = 0
      for _ in fast_map(function() faulty.block(0.3) end, fast_map.range(1, COUNT), {
        procs_limit = 1, threads_limit = THREADS, ordered = false,
      }) do
        count = count + 1
        if fast_map.now() > limit then break end
      end
      print(count)
    ]]
    assert.equal(0, code, output)
    assert.equal("16000\n", output)
  end)
end)
