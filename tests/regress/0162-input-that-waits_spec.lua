-- An input that waits held back the tasks it had given before, and results that were ready: a portion of tasks was pulled
-- whole before any was sent.
local fast_map = require "fast_map"

local PATIENCE = 10 -- seconds: what does not come by then is held back

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

local function touch(path)
  assert(io.open(path, "w")):close()
end

local function wait_for(path)
  local patience = fast_map.now() + PATIENCE
  repeat fast_map.sleep(0.001) until exists(path) or fast_map.now() > patience
  return exists(path)
end

describe("an input that waits", function()
  local folder

  local function task(k)
    touch(folder .. "/" .. k)
    return k
  end

  -- Each item comes only when the task before it has begun.
  local function dependent(count)
    local k = 0
    return function()
      if k > 0 then assert(wait_for(folder .. "/" .. k), "task " .. k .. " was held back") end
      k = k + 1
      return k <= count and k or nil
    end
  end

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)

  after_each(function() os.execute("rm -r " .. folder) end)

  it("holds back no task that it has given", function()
    for _, options in ipairs { {}, { procs_limit = 1 }, { buffersize = 3 }, { chunksize = 8 }, { ordered = false } } do
      local sum = 0
      for _, k in fast_map(task, dependent(40), options) do sum = sum + k end
      assert.equal(820, sum)
      os.execute("rm " .. folder .. "/*")
    end
  end)

  it("holds back none in zip and each, and with callbacks", function()
    local count = 0
    for _ in fast_map(task, fast_map.zip(dependent(10), { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 })) do count = count + 1 end
    os.execute("rm " .. folder .. "/*")
    for _ in fast_map(task, fast_map.each(dependent(10))) do count = count + 1 end
    os.execute("rm " .. folder .. "/*")
    fast_map.fast_map_async(task, dependent(10), { on_result = function() count = count + 1 end }):join()
    assert.equal(30, count)
  end)

  it("holds back none that came through a pipe", function()
    local command = ([[i=1; while [ $i -le 10 ]; do echo $i; n=0
      while [ ! -e %s/$i ] && [ $n -lt 1000 ]; do sleep 0.01; n=$((n + 1)); done
      [ $n -lt 1000 ] || echo late; i=$((i + 1)); done]]):format(folder)
    local pipe = assert(io.popen(command))
    local seen = {}
    for _, line in fast_map(task, pipe:lines()) do seen[#seen + 1] = line end
    pipe:close()
    assert.equal("1 2 3 4 5 6 7 8 9 10", table.concat(seen, " "))
  end)

  -- A burst, then an item now and then until the burst's results have come.
  local function burst_and_drops(count, delivered)
    local k, drops = 0, 0
    return function()
      k = k + 1
      if k <= count then return k end
      if delivered() >= count or drops == 1000 then return nil end
      drops = drops + 1
      fast_map.sleep(0.005)
      return k
    end, function() return drops end
  end

  it("holds back no results", function()
    local count = 0
    local input, drops = burst_and_drops(5000, function() return count end)
    for _ in fast_map(math.abs, input) do count = count + 1 end
    assert.is_true(drops() < 1000, drops() .. " items came before the results of the burst")
    count = 0
    input, drops = burst_and_drops(5000, function() return count end)
    fast_map.fast_map_async(math.abs, input, { on_result = function() count = count + 1 end }):join()
    assert.is_true(drops() < 1000, drops() .. " items came before the results of the burst")
  end)
end)
