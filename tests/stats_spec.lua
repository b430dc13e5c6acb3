-- What a map did: its figures, and the sentence that says what held it back.

local fast_map = require "fast_map"

local function spin(n)
  local s = 0
  for i = 1, n do s = s + i % 7 end
  return s
end

local function same(x) return x end

-- How long spin(n) takes for about so many seconds, here and now.
local function iterations(seconds)
  local n = 100000
  repeat
    n = n * 2
    local start = os.clock()
    spin(n)
    local took = os.clock() - start
  until took > 0.02 or n > 1e9
  local start = os.clock()
  spin(n)
  return math.ceil(n * seconds / math.max(os.clock() - start, 1e-4))
end

local function stats_of(...)
  local _, stats = fast_map.map(...)
  return stats
end

describe("the figures of a map", function()
  it("count tasks, failures and further attempts", function()
    local stats = stats_of(function(x) if x == 2 then error "no" end end, { 1, 2, 3 },
      { on_error = "return", retries = 2 })
    assert.equal(3, stats.pulled)
    assert.equal(3, stats.delivered)
    assert.equal(1, stats.failed)
    assert.equal(2, stats.retried)
    assert.equal(0, stats.rerun)
    assert.equal(0, stats.deaths)
  end)

  it("count what ran again after a process died", function()
    local flag = os.tmpname()
    local stats = stats_of(function(x)
      if x == 5 and os.remove(flag) then os.execute "kill -9 $PPID" end
      return x
    end, fast_map.range(1, 10), { procs_limit = 1 })
    assert.equal(10, stats.delivered)
    assert.equal(0, stats.failed)
    assert.is_true(stats.rerun >= 1)
    assert.equal(1, stats.deaths)
    assert.equal(2, stats.processes[1].lives)
  end)

  it("are of each process: tasks, threads, busy, waiting", function()
    local stats = stats_of(function() fast_map.sleep(0.2) end, fast_map.range(1, 20), { procs_limit = 2 })
    local tasks, waiting = 0, 0
    assert.equal(2, #stats.processes)
    for _, process in ipairs(stats.processes) do
      tasks, waiting = tasks + process.tasks, waiting + process.waiting
      assert.is_true(process.threads >= 2 and process.pid > 0 and process.lives == 1)
    end
    assert.equal(20, tasks)
    assert.is_true(waiting >= 20 * 0.15 and waiting <= stats.waiting + 1e-6)
    assert.is_true(stats.busy > 0 and stats.wall >= 0.2 and stats.idle <= stats.wall)
  end)

  it("name the slowest tasks, the slowest first", function()
    local stats = stats_of(function(x) fast_map.sleep(x == 7 and 0.3 or x == 3 and 0.15 or 0) end, fast_map.range(1, 10))
    assert.equal(7, stats.slowest[1].index)
    assert.equal(3, stats.slowest[2].index)
    assert.is_true(stats.slowest[1].seconds >= 0.3 and #stats.slowest <= 5)
  end)

  it("count the bytes of tasks and results", function()
    local stats = stats_of(function(x) return #x end, { ("x"):rep(10000), ("y"):rep(20000) })
    assert.is_true(stats.bytes_out >= 30000 and stats.bytes_out < 30100)
    assert.is_true(stats.bytes_in > 0 and stats.bytes_in < 100)
  end)

  it("can be asked for in a loop, and after it", function()
    local iterator, _, _, map = fast_map(same, fast_map.range(1, 100))
    for i in iterator, nil, nil, map do
      if i == 50 then assert.equal(50, map:stats().delivered) end
      if i == 60 then break end
    end
    local stats = map:stats()
    assert.equal(60, stats.delivered)
    local wall = stats.wall
    assert.equal(wall, map:stats().wall)
  end)

  it("can be asked of a handle, while it runs and when it is done", function()
    local handle = fast_map.fast_map_async(function(x) fast_map.sleep(0.1) return x end, { 1, 2, 3 })
    assert.equal(0, handle:stats().delivered)
    handle:join()
    local stats = handle:stats()
    assert.equal(3, stats.delivered)
    assert.is_true(stats.idle <= stats.wall)
  end)

  it("may be looked at when there is no limit to name: an input whose end nobody knew", function()
    local k = 0
    local stats = stats_of(function() fast_map.sleep(0.1) end, function()
      k = k + 1
      return k <= 4 and k or nil
    end)
    assert.matches("waiting", stats.verdict)
    assert.is_nil(stats.threads_limit)
    assert.is_nil(stats.no_such_figure)
  end)

  it("tell the decoding of results from the loop's body", function()
    local list = {}
    for i = 1, 20000 do list[i] = { id = i } end
    local iterator, _, _, map = fast_map(function() return list end, fast_map.range(1, 5), { procs_limit = 1 })
    for _ in iterator, nil, nil, map do fast_map.sleep(0.1) end
    local stats = map:stats()
    assert.is_true(stats.loop >= 0.5, stats.loop)
    assert.is_true(stats.decoding > 0 and stats.decoding + stats.loop + stats.input + stats.idle <= stats.wall * 1.001)
  end)

  it("are a table like any other once they are looked at", function()
    local stats = stats_of(same, { 1 })
    local names = {}
    for name in pairs(stats) do names[name] = true end
    assert.is_true(names.wall and names.verdict and names.processes)
    assert.equal(1, stats.delivered)
  end)

  it("have a text for people", function()
    local text = tostring(stats_of(function(x) if x == 2 then error "no" end end, { 1, 2 }, { on_error = "return" }))
    assert.matches("^2 tasks in [%d.]+ %a+ %([%d.e+]+ a second%), 1 failed\nheld back by ", text)
    assert.matches("\nprocess %d+: ", text)
  end)
end)

describe("the verdict", function()
  it("is the cores when tasks compute", function()
    local n = iterations(0.01)
    local stats = stats_of(function() return spin(n) end, fast_map.range(1, 100))
    local cores = math.min(2, fast_map.cpus())
    if stats.busy > 0.75 * stats.wall * cores then assert.matches("^the cores", stats.verdict) end -- else others had them
  end)

  it("is waiting when tasks wait", function()
    assert.matches("^waiting: tasks waited", stats_of(function() fast_map.sleep(0.3) end, fast_map.range(1, 20)).verdict)
  end)

  it("is threads_limit when that keeps tasks from waiting together", function()
    local stats = stats_of(function() fast_map.sleep(0.1) end, fast_map.range(1, 20), { threads_limit = 4 })
    assert.matches("^threads_limit: .* 4 threads", stats.verdict)
  end)

  it("is one slow task when all others are done long before", function()
    local stats = stats_of(function(x) if x == 3 then fast_map.sleep(0.8) end end, fast_map.range(1, 50))
    assert.matches("^one slow task: task 3 took", stats.verdict)
  end)

  -- Else whoever else uses the machine may be what holds the map back.
  local function is_calm(stats)
    return stats.idle < 0.35 * stats.wall and stats.starting < 0.35 * stats.wall
  end

  it("is the input when that is slow", function()
    local n = iterations(0.005)
    local function input()
      for i = 1, 100 do
        spin(n)
        coroutine.yield(i)
      end
    end
    local stats = stats_of(same, coroutine.wrap(input))
    if is_calm(stats) then assert.matches("^the input", stats.verdict) end
    assert.is_true(stats.input > 0.2)
  end)

  it("is the loop when its body is slow", function()
    local n = iterations(0.005)
    local iterator, _, _, map = fast_map(same, fast_map.range(1, 100))
    for _ in iterator, nil, nil, map do spin(n) end
    local stats = map:stats()
    if is_calm(stats) then assert.matches("^the loop", stats.verdict) end
    assert.is_true(stats.loop > 0.2)
  end)

  it("is the script's own work where there is no loop", function()
    local n = iterations(0.005)
    local handle = fast_map.fast_map_async(same, fast_map.range(1, 100), { on_result = function() spin(n) end })
    handle:join()
    if is_calm(handle:stats()) then
      assert.matches("^the script: its own work and the callbacks took", handle:stats().verdict)
    end
  end)

  it("is serialising when large values take the script's time", function()
    local list = {}
    for i = 1, 20000 do list[i] = { id = i, name = "n" .. i } end
    local stats = stats_of(function() return list end, fast_map.range(1, 40))
    if is_calm(stats) then assert.matches("^serialising: [%d.]+ MB of tasks and results", stats.verdict) end
    assert.is_true(stats.decoding > stats.loop)
  end)

  it("is the loop, and not serialising, when its body is slow on large values", function()
    local n, big = iterations(0.01), ("x"):rep(1 << 20)
    local iterator, _, _, map = fast_map(function() return big end, fast_map.range(1, 40))
    for _ in iterator, nil, nil, map do spin(n) end
    local stats = map:stats()
    if is_calm(stats) and stats.decoding < 0.5 * stats.loop then assert.matches("^the loop", stats.verdict) end
    assert.is_true(stats.loop > 0.15)
  end)

  it("is short tasks when each takes next to no time", function()
    local stats = stats_of(same, fast_map.range(1, 300000))
    if is_calm(stats) and stats.wall < 2 then
      assert.matches("^short tasks: [%d.]+ us each", stats.verdict)
    end
  end)

  it("is procs_limit when that leaves cores without work", function()
    if fast_map.cpus() < 2 then return end
    local n = iterations(0.01)
    local stats = stats_of(function() return spin(n) end, fast_map.range(1, 60), { procs_limit = 1 })
    if stats.busy > 0.75 * stats.wall then assert.matches("^procs_limit: 1 core kept busy of %d", stats.verdict) end
  end)

  it("is the processes' start when there is nothing else", function()
    local verdict = stats_of(same, { 1 }).verdict
    assert.is_true(verdict:find "^starting" ~= nil or verdict:find "^nothing" ~= nil or verdict:find "^the script" ~= nil,
      verdict)
  end)
end)
