-- io.write and io.read in a task used the standard files, also after the script had chosen others by io.output and io.input.

local fast_map = require "fast_map"

local ways = { { threads_limit = 1 }, { procs_limit = 1, threads_limit = 3 }, { procs_limit = 2, threads_limit = 4 } }

describe("the default files of the script", function()
  local name, other = os.tmpname(), os.tmpname()

  after_each(function()
    io.output(io.stdout)
    io.input(io.stdin)
  end)

  teardown(function()
    os.remove(name)
    os.remove(other)
  end)

  it("are those of tasks, and of maps inside them", function()
    local log = assert(io.open(name, "a"))
    io.output(log)
    for _, way in ipairs(ways) do
      for i, same, rest in fast_map(function(i)
        io.write("line ", i, "\n")
        return io.output() == log, io.stdout ~= log and io.input() == io.stdin
      end, { 1, 2, 3, 4 }, way) do
        assert.is_true(same and rest, i)
      end
    end
    fast_map.map(function() fast_map.map(function() io.write "nested\n" end, { 1 }) end, { 1 })
    io.output(io.stdout)
    log:close()
    local count = {}
    for line in io.lines(name) do count[line] = (count[line] or 0) + 1 end
    assert.are.same({ ["line 1"] = 3, ["line 2"] = 3, ["line 3"] = 3, ["line 4"] = 3, nested = 1 }, count)
  end)

  it("may be other standard files, or be called io.stdout", function()
    local stdout, file = io.stdout, assert(io.open(other, "a"))
    io.output(io.stderr)
    io.stdout = file -- luacheck: ignore
    local results = fast_map.map(function()
      return { io.output() == io.stderr, io.stdout == file, io.stdout ~= stdout, io.type(stdout) }
    end, { 1 })
    io.stdout = stdout -- luacheck: ignore
    file:close()
    assert.are.same({ true, true, true, "file" }, results[1])
  end)

  it("are read from", function()
    local file = assert(io.open(other, "w"))
    file:write(("first line\n"):rep(200))
    file:close()
    io.input(other)
    for _ = 1, 3 do -- one task at a time: they share the place in the file
      local line = fast_map.map(function()
        io.input():seek "set"
        return io.read()
      end, { 1 })[1]
      assert.are.equal("first line", line)
    end
    io.input():close()
  end)
end)
