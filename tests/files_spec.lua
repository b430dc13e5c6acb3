-- files_spec.lua - the script's files while tasks run: whatever a task does with its copy of a file, and however its worker ends, the
-- script reads on, or writes on, as if there had been no map. Each state of a file x each thing that a task can do x each way
-- to run it. Then what tasks get that do read, and that write.

local fast_map = require "fast_map"

local numbers, scratch = os.tmpname(), os.tmpname()

local function content(path)
  local f <close> = assert(io.open(path))
  return f:read "a"
end

local function fill(path)
  local f <close> = assert(io.open(path, "w"))
  for i = 1, 3000 do f:write(i, "\n") end
end

local function read_some(f)
  for _ = 1, 10 do f:read "l" end
  return f
end

local function read_on(f)
  local position = f:seek() -- fails for a pipe
  local text = f:read(100) .. f:read "a"
  return position, text
end

local function write_on(f)
  f:write "and on\n"
  local position = f:seek()
  f:close()
  return position, content(scratch)
end

-- open() gives a file in that state, go_on(f) what the script then does with it, which must give what it gives without a map.
local states = {
  { "unread", function() return io.open(numbers) end, read_on },
  { "read in part", function() return read_some(io.open(numbers)) end, read_on },
  { "read up to its end", function()
    local f = io.open(numbers)
    f:read "a"
    return f
  end, function(f)
    return f:seek(), f:read "a"
  end },
  { "a character ahead", function()
    local f = io.open(numbers)
    f:read("n", 0)
    return f
  end, read_on },
  { "sought in", function()
    local f = io.open(numbers)
    f:seek("set", 5000)
    return read_some(f)
  end, read_on },
  { "read unbuffered", function()
    local f = io.open(numbers)
    f:setvbuf "no"
    return read_some(f)
  end, read_on },
  { "read, to be changed", function() return read_some(io.open(numbers, "r+")) end, read_on },
  { "read from a command", function() return read_some(io.popen("cat " .. numbers)) end, read_on },
  { "written in part", function()
    local f = io.open(scratch, "w")
    f:setvbuf "full"
    f:write "begun "
    return f
  end, write_on },
  { "written unbuffered", function()
    local f = io.open(scratch, "w")
    f:setvbuf "no"
    f:write "begun "
    return f
  end, write_on },
  { "written, read and sought in", function()
    local f = io.open(scratch, "w+")
    f:write(("a line\n"):rep(1000))
    f:seek("set", 70)
    f:read "l"
    f:seek("cur", 0)
    f:write "changed"
    f:seek("cur", 0)
    f:read "l"
    return f
  end, function(f)
    local position, line = f:seek(), f:read "l"
    f:close()
    return position, line .. content(scratch)
  end },
  { "appended to", function()
    local f = io.open(scratch, "a+")
    f:write "begun "
    return f
  end, write_on },
  { "written to a command", function()
    local f = io.popen("cat > " .. scratch, "w")
    f:write "begun "
    return f
  end, write_on },
  { "closed", function()
    local f = io.open(numbers)
    f:close()
    return f
  end, function(f)
    return io.type(f)
  end },
}

-- held.file is the script's file; it may be closed.
local actions = {
  { "does nothing", function() end },
  { "uses another field", function(held) return held.other end },
  { "asks what it is", function(held) return io.type(held.file), tostring(held.file) end },
  { "asks where it is", function(held) held.file:seek() end },
  { "seeks", function(held)
    held.file:seek("set", 1)
    held.file:seek("cur", 10)
  end },
  { "seeks the size", function(held)
    local f = held.file
    local old = f:seek()
    f:seek "end"
    f:seek("set", old)
  end, { threads_limit = 1 } }, -- of a file that can be written all go to the end together: others would ask meanwhile
  { "seeks and reads", function(held)
    if held.file:seek("set", 100) then held.file:read(5000) end
  end },
  { "flushes", function(held)
    held.file:flush()
    io.flush()
  end },
  { "sets the buffer", function(held)
    held.file:setvbuf "line"
    held.file:setvbuf("full", 100)
    held.file:setvbuf "no"
  end },
  { "closes", function(held) held.file:close() end },
  { "makes an iterator", function(held) return held.file:lines() and nil end },
  { "forgets it", function(held)
    held.file = nil
    collectgarbage()
  end },
  { "writes nothing", function() io.write "" end },
  { "uses a file of its own", function()
    local f <close> = assert(io.open(numbers))
    f:read "l"
    f:flush()
    f:seek("set", 3)
  end },
  { "runs a command", function() os.execute "true" end },
  { "reads from a command", function()
    local pipe <close> = io.popen "echo 1"
    pipe:read "a"
  end },
  { "runs a map", function(held)
    fast_map.map(function() return held.other, held.file and io.type(held.file) end, { 1, 2 })
  end },
  { "exits", function(held) os.exit(held.other) end },
  { "fails", function(held) error(held.file) end },
  { "kills its worker", function(held)
    io.type(held.file)
    os.execute "kill -9 $PPID"
  end },
}

local ways = {
  { procs_limit = 1, threads_limit = 3 },
  { max_tasks_per_worker = 1, procs_limit = 2, threads_limit = 2 },
  { procs_limit = 2, exit = function() collectgarbage() end },
}

setup(function() fill(numbers) end)

teardown(function()
  os.remove(numbers)
  os.remove(scratch)
end)

local function prepare(state, as_default)
  os.remove(scratch)
  local f = assert(state[2]())
  if as_default and io.type(f) == "file" then io[as_default](f) end
  return f
end

local function restore()
  io.input(io.stdin)
  io.output(io.stdout)
end

local function check(state, action, options, as_default)
  local expected = table.pack(state[3](prepare(state)))
  local held = { file = prepare(state, as_default), other = 7 }
  local _, err = pcall(fast_map.map, function() action(held) end, { 1, 2, 3 }, options)
  assert(err)
  restore()
  local found = table.pack(state[3](held.file))
  for i = 1, expected.n do assert.equal(expected[i], found[i]) end
  if io.type(held.file) == "file" then held.file:close() end
end

-- Each pair of state and action in one of the ways; every state, and every action, meets all ways.
for i, state in ipairs(states) do
  describe("a file of the script, " .. state[1] .. ",", function()
    after_each(restore)
    for k, action in ipairs(actions) do
      it("is as without a map when a task " .. action[1], function()
        local options = { on_error = "return", rerun = false }
        for name, value in pairs(ways[(i + k) % #ways + 1]) do options[name] = value end
        for name, value in pairs(action[3] or {}) do options[name] = value end
        check(state, action[2], options, (i + k) % 2 == 0 and "input")
      end)
    end
  end)
end

describe("a task that reads a file of the script", function()
  local alone = { procs_limit = 1, threads_limit = 1, max_tasks_per_worker = 1 }
  local open = {}

  local function opened(...)
    open[#open + 1] = assert(io.open(...))
    return open[#open]
  end

  after_each(function()
    while #open > 0 do
      local f = table.remove(open)
      if io.type(f) == "file" then f:close() end
    end
  end)

  it("begins behind what the script has read ahead, and what it leaves can be read on", function()
    local text, f = content(numbers), opened(numbers)
    local function next_lines() return f:read("L", "L") end
    local head = f:read "L"
    local lines = {}
    for _, a, b in fast_map(next_lines, { 1, 2, 3, 4 }, alone) do lines[#lines + 1] = a .. b end
    local taken, rest = table.concat(lines), f:read "a"
    local at = text:find(taken, 1, true)
    assert.truthy(at)
    assert.equal(text, head .. rest:sub(1, at - 1 - #head) .. taken .. rest:sub(at - #head))
  end)

  it("gets all of one that nobody has read, and closes it as it was left", function()
    local text = content(numbers)
    local f = opened(numbers)
    local lines = fast_map.map(function()
      local line = f:read "L"
      f:close()
      return line
    end, { 1, 2, 3 }, alone)
    assert.same({ "1\n", "2\n", "3\n", n = 3 }, lines)
    assert.equal(6, f:seek())
    assert.equal(text:sub(7), f:read "a")
  end)

  it("gets no byte that another one gets", function()
    local f, size = opened(numbers), 0
    for _, text in fast_map(function() return f:read "a" end, fast_map.range(1, 20), { procs_limit = 4 }) do size = size + #text end
    assert.equal(#content(numbers), size)
  end)

  it("gets no byte that another one gets from a command", function()
    local pipe = assert(io.popen("cat " .. numbers))
    local size = #pipe:read "L"
    for _, text in fast_map(function() return pipe:read "a" end, fast_map.range(1, 20), { procs_limit = 4 }) do size = size + #text end
    size = size + #pipe:read "a"
    pipe:close()
    assert.equal(#content(numbers), size)
  end)

  for title, options in pairs {
    ["in one process"] = { procs_limit = 1, threads_limit = 8 },
    ["in several"] = { procs_limit = 4, threads_limit = 8 },
  } do
    it("finds what it seeks while others seek, " .. title, function()
      local f = opened(scratch, "w+")
      for i = 0, 999 do f:write(("%09d\n"):format(i)) end
      f:seek("set", 50)
      local function record(i)
        f:seek("set", 10 * i)
        if i % 50 == 0 then fast_map.sleep(0.001) end -- another thread's turn
        local text = f:read(10)
        f:seek("cur", -10)
        return text .. f:read "l"
      end
      for i, text in fast_map(record, fast_map.range(0, 999), options) do
        assert.equal(("%09d\n%09d"):format(i - 1, i - 1), text)
      end
      assert.equal(50, f:seek())
      assert.equal("000000005", f:read "l")
    end)
  end
end)

describe("a task that writes to a file of the script", function()
  it("writes on where the others and the script are", function()
    for _, mode in ipairs { "w", "w+", "a", "r+" } do
      io.open(scratch, "w"):close()
      local f = assert(io.open(scratch, mode))
      f:write "head\n"
      f:seek "end"
      for i in fast_map(function(i)
        if i % 2 == 0 then f:seek "end" end
        f:write("task ", i, "\n")
      end, fast_map.range(1, 100), { procs_limit = 3 }) do
        f:write("script ", i, "\n"):flush()
      end
      f:seek "cur"
      f:write "tail\n"
      f:close()
      local text, count = content(scratch), 0
      for line in text:gmatch "[^\n]+" do
        assert.matches("^%l+ ?%d*$", line)
        count = count + 1
      end
      assert.equal(202, count, mode)
      assert.matches("^head\n.*\ntail\n$", text)
    end
  end)

  it("writes where it has sought while others seek", function()
    local f = assert(io.open(scratch, "w+"))
    f:write(("."):rep(1000), "\n")
    f:flush()
    fast_map.map(function(i)
      f:seek("set", 10 * i)
      f:write(("%09d\n"):format(i))
      f:flush()
    end, fast_map.range(0, 99), { procs_limit = 3 })
    f:seek "set"
    for i = 0, 99 do assert.equal(("%09d"):format(i), f:read "l") end
    f:close()
  end)
end)

describe("a result that is a file of the script", function()
  it("is the script's, also when the task has sought in it", function()
    local f <close> = assert(io.open(numbers))
    assert.equal(f, fast_map.map(function()
      f:seek("set", 10)
      return f
    end, { 1 })[1])
  end)
end)
