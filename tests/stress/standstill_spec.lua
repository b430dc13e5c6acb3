-- Workers that are stopped (a debugger, Ctrl-Z, a machine that sleeps) for longer than a worker may be without a sign of work
-- before it is given up: three audits, a second apart. Stopped at random moments; SEED=n chooses others (`make stress` does).

local fast_map = require "fast_map"
local kit = dofile "tests/stress/kit.lua"
local faulty = kit.faulty

local SIGSTOP, SIGCONT = 19, 18
local STILL = 4.3

local function children()
  local list = {}
  for pid in kit.read(("/proc/self/task/%d/children"):format(faulty.pid())):gmatch "%d+" do list[#list + 1] = tonumber(pid) end
  return list
end

local function signal(pids, number)
  for _, pid in ipairs(pids) do faulty.kill(pid, number) end
end

-- Starts a map; after(count) is called after each result. Returns a function that waits for its end and says what is wrong with
-- what came, or nil.
local function start(n, options, after)
  local seen = { count = 0 }
  function options.on_result(i, v)
    seen.count = seen.count + 1
    if i ~= seen.count then seen.wrong = ("result %d came as number %d"):format(i, seen.count) end
    if v ~= i * 2 then seen.wrong = "another value" end
    after()
  end
  function options.on_error(_, err) seen.wrong = tostring(err) end
  local handle = fast_map.fast_map_async(function(x)
    for k = 1, x % 3 * 1000 do local _ = k * k end
    if x % 100 == 0 then fast_map.sleep(0.001) end
    return x * 2
  end, fast_map.range(1, n), options)
  return function()
    handle:join()
    return seen.wrong or seen.count ~= n and ("%d results of %d"):format(seen.count, n) or nil
  end
end

describe("workers that stand still for long", function()
  it("cost nothing, whatever they were at", function()
    local seed = tonumber(os.getenv "SEED") or 4711
    math.randomseed(seed)
    local n = 10000
    local stop_at, count, stopped = math.random(1, 6 * n * 3 // 4), 0, {}
    local function after()
      count = count + 1
      if count ~= stop_at then return end
      stopped = children()
      signal(stopped, SIGSTOP)
      os.execute(("(sleep %g; kill -CONT %s) >/dev/null 2>&1 &"):format(STILL, table.concat(stopped, " ")))
    end
    local waits = {}
    for k = 1, 6 do
      waits[k] = start(n, { procs_limit = k % 2 + 1, chunksize = k > 3 and k * 20 or "auto", threads_limit = k > 2 and k or nil },
        after)
    end
    for k, wait in ipairs(waits) do
      local wrong = wait()
      assert.is_nil(wrong and ("seed %d, map %d: %s"):format(seed, k, wrong))
    end
    assert.is_true(#stopped > 0)
    assert.same({}, children())
  end)

  it("cost no second run of a task that was at work", function()
    local log = os.tmpname()
    local seen = {}
    local function f(x)
      local file = assert(io.open(log, "a"))
      file:write(x, "\n")
      file:close()
      local stop = fast_map.now() + 0.5
      while fast_map.now() < stop do end
      return x
    end
    local handle = fast_map.fast_map_async(f, { 1, 2 }, { procs_limit = 2, on_result = function(i) seen[#seen + 1] = i end })
    assert.is_true(kit.await(function() return select(2, kit.read(log):gsub("\n", "")) == 2 end, 10))
    local pids = children()
    signal(pids, SIGSTOP)
    fast_map.sleep(STILL)
    signal(pids, SIGCONT)
    handle:join()
    assert.same({ 1, 2 }, seen)
    assert.equal(4, #kit.read(log))
    os.remove(log)
  end)
end)
