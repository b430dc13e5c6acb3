-- The tasks computed, other programs had the cores, and the verdict was "there was little to do", or that the tasks waited.

local stats = require "fast_map.stats"

-- The verdict on two processes that worked all of 3 seconds on 12 tasks; `changes` says what else was so.
local function verdict(changes)
  local tally = {
    pulled = 12, delivered = 12, failed = 0, rerun = 0, retried = 0, deaths = 0, wall = 3, waited = 2.9, pulling = 0,
    starting = 0.01, decoding = 0, bytes_out = 24, bytes_in = 72, slowest = {}, procs_limit = 2, threads_limit = 12,
    workers = {},
  }
  for name, value in pairs(changes) do tally[name] = value end
  for i = 1, 2 do
    tally.workers[i] = {
      pid = i, lives = 1, tasks = tally.delivered / 2, threads = changes.threads or 1, busy = changes.busy, working = 2.9,
    }
  end
  return stats.of({ tally = function() return tally end }).verdict
end

describe("the verdict on tasks that compute on a busy machine", function()
  it("is the cores, and that others had them", function()
    assert.equal("the cores: tasks got them for 50% of their time; other programs had them", verdict { busy = 1.45 })
    assert.equal("the cores: tasks got them for 20% of their time; other programs had them", verdict { busy = 0.58 })
  end)

  it("does not exclude waits that are too short to be seen", function()
    assert.equal("the cores: tasks got them for 20% of their time; other programs had them, or there were short waits",
      verdict { busy = 0.58, delivered = 1000 })
  end)

  it("is not that when more threads, or the limit, show that tasks waited", function()
    assert.equal("waiting: tasks waited 386.7 ms each", verdict { busy = 0.58, threads = 2 })
    assert.equal("threads_limit: tasks wait, and no more than 2 threads may wait at a time",
      verdict { busy = 0.58, threads_limit = 2 })
    assert.equal("nothing alone: tasks computed 241.7 ms and waited 241.7 ms each",
      verdict { busy = 1.45, threads_limit = 2 })
  end)
end)
