-- With rerun = false no task runs twice, whatever becomes of the processes; each run is counted. SEED=n runs other
-- rounds (`make stress` does); a failed test prints its seed.

local fast_map = require "fast_map"
local kit = dofile "tests/stress/kit.lua"
local faulty = kit.faulty

local me = faulty.pid()

local function kill_one(random)
  local list = {}
  for pid in kit.read(("/proc/self/task/%d/children"):format(me)):gmatch "%d+" do list[#list + 1] = tonumber(pid) end
  if #list > 0 then faulty.kill(list[random(1, #list)], 9) end
end

-- How often each task ran.
local function counts(log)
  local times = {}
  for x in kit.read(log):gmatch "%d+" do times[tonumber(x)] = (times[tonumber(x)] or 0) + 1 end
  return times
end

-- Runs the tasks 1..n, each noted in a file before act(x); after(i) is called after each result. Returns what was wrong, or
-- nil; and how many failed.
local function trouble(n, options, act, after)
  local log = os.tmpname()
  local function f(x)
    local file = assert(io.open(log, "a"))
    file:write(x, "\n")
    file:close()
    act(x)
    return x * 2
  end
  options.rerun, options.on_error = false, "return"
  local done, failures, wrong = {}, 0, nil
  local count = 0
  for i, v, err in fast_map(f, fast_map.range(1, n), options) do
    count = count + 1
    if i ~= count then wrong = "out of order" end
    if err and err.kind ~= "crash" and err.kind ~= "timeout" then wrong = "another failure: " .. tostring(err) end
    if not err and v ~= i * 2 then wrong = "another value" end
    done[i] = not err
    if err then failures = failures + 1 end
    after(i)
  end
  local times = counts(log)
  os.remove(log)
  for x = 1, n do
    if (times[x] or 0) > 1 then wrong = ("task %d ran %d times"):format(x, times[x]) end
    if done[x] and not times[x] then wrong = ("task %d never ran"):format(x) end
  end
  if count ~= n then wrong = ("%d results of %d"):format(count, n) end
  return wrong, failures
end

local function nothing() end

describe("with rerun = false, no task runs twice", function()
  it("though workers are killed at random moments", function()
    local seed = tonumber(os.getenv "SEED") or 4711
    local failures = 0
    for round = seed, seed + 9 do
      local random = kit.new_random(round)
      for _ = 1, 5 do random(0, 1) end
      local step, last = random(5, 40), 0
      local options = { procs_limit = random(1, 3) }
      if random(1, 2) == 1 then options.threads_limit = random(1, 8) end
      if random(1, 3) == 1 then options.chunksize = random(1, 50) end
      if random(1, 3) == 1 then options.max_tasks_per_worker = random(5, 50) end
      local pause = random(0, 3)
      local function act(x)
        if pause > 0 and x % pause == 0 then fast_map.sleep(0.001) end
      end
      local wrong, failed = trouble(300, options, act, function(i)
        -- three deaths in a row without a result would end the map
        if i % step == 0 and fast_map.now() > last + 0.01 then
          last = fast_map.now()
          kill_one(random)
        end
      end)
      assert.is_nil(wrong and ("seed %d: %s"):format(round, wrong))
      failures = failures + failed
    end
    assert.is_true(failures > 0, "no task was struck")
  end)

  it("though one crashes beside others", function()
    for _, crash in ipairs { faulty.segfault, faulty.abort, function() faulty.exit(1) end } do
      local wrong, failed = trouble(60, { procs_limit = 1, threads_limit = 4 }, function(x)
        fast_map.sleep(0.003)
        if x % 20 == 7 then crash() end
      end, nothing)
      assert.is_nil(wrong)
      assert.is_true(failed >= 3)
    end
  end)

  it("though one that does not yield to its timeout is killed beside others", function()
    local wrong, failed = trouble(20, { procs_limit = 1, threads_limit = 4, timeout = 0.3, kill_after = 0 }, function(x)
      if x == 7 then faulty.block(100) end
      fast_map.sleep(0.1)
    end, nothing)
    assert.is_nil(wrong)
    assert.is_true(failed >= 1)
  end)
end)
