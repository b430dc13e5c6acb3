-- output: what tasks print comes at once, before the task's result, or marked with its number.

local kit = dofile "tests/stress/kit.lua"

-- What a script prints, when it ends well and leaves no process behind.
local function prints(text, o)
  local output, code, gone = kit.run(text, o)
  assert.equal(0, code, output)
  assert.is_true(gone, "processes are left")
  return output
end

local function sorted(text)
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  table.sort(lines)
  return table.concat(lines, "\n") .. "\n"
end

-- Tasks that end backwards, and print before and after they wait.
local backwards = [[
  local function task(x)
    print("begin", x)
    fast_map.sleep((6 - x) / 20)
    io.write("end ", x, "\n")
    return x
  end
]]

describe('output = "line"', function()
  it("is the default: whole lines as they come", function()
    local text = backwards .. 'for i in fast_map(task, { 1, 2, 3, 4, 5 }%s) do io.write("got ", i, "\\n") end'
    local plain, named = prints(text:format ""), prints(text:format ', { output = "line" }')
    assert.equal(sorted(plain), sorted(named))
    assert.is_true(plain:find("end 5", 1, true) < plain:find("end 1", 1, true), plain)
  end)
end)

describe('output = "group"', function()
  it("shows what a task prints just before its result, in order", function()
    local expected = {}
    for i = 1, 5 do expected[i] = ("begin\t%d\nend %d\ngot %d\n"):format(i, i, i) end
    local output = prints(backwards .. [[
      for i in fast_map(task, { 1, 2, 3, 4, 5 }, { output = "group" }) do io.write("got ", i, "\n") end
    ]])
    assert.equal(table.concat(expected), output)
  end)

  it("does so for a thousand tasks on many threads and processes", function()
    local output = prints [[
      local function task(x)
        print(x, "first")
        if x % 50 == 0 then fast_map.sleep(0.01) end
        io.stdout:write(x, "\tsecond\n")
        return x
      end
      for i, x in fast_map(task, fast_map.range(1, 1000), { output = "group", procs_limit = 3, threads_limit = 9 }) do
        assert(i == x)
        print(i, "got")
      end
    ]]
    local expected = {}
    for i = 1, 1000 do expected[i] = ("%d\tfirst\n%d\tsecond\n%d\tgot\n"):format(i, i, i) end
    assert.equal(table.concat(expected), output)
  end)

  it("keeps stderr too, in the task's order where both meet", function()
    local text = [[
      local function task(x) print("out", x) io.stderr:write("err ", x, "\n") io.write("out again ", x, "\n") end
      fast_map.map(task, { 1, 2 }, { output = "group" })
    ]]
    local expected = "out\t1\nerr 1\nout again 1\nout\t2\nerr 2\nout again 2\n"
    assert.equal(expected, prints(text))
  end)

  it("shows what failed tasks printed before their error", function()
    local output = prints [[
      local function task(x)
        print("try", x)
        if x == 2 then error "no" end
        if x == 3 then while true do end end
        return x
      end
      local options = { output = "group", on_error = "return", timeout = 0.3 }
      for i, x, err in fast_map(task, { 1, 2, 3, 4 }, options) do print(i, x, err and err.kind) end
      print(pcall(function() for _ in fast_map(task, { 1, 2 }, { output = "group" }) do print "got" end end) and 1 or 0)
    ]]
    assert.equal("try\t1\n1\t1\tnil\ntry\t2\n2\tnil\terror\ntry\t3\n3\tnil\ttimeout\ntry\t4\n4\t4\tnil\n"
      .. "try\t1\ngot\ntry\t2\n0\n", output)
  end)

  it("shows the output of a task's last run", function()
    local output = prints [[
      local runs = 0
      local function task() runs = runs + 1 print("run", runs) if runs < 3 then error "again" end end
      fast_map.map(task, { 1 }, { output = "group", retries = 5, threads_limit = 1 })
    ]]
    assert.equal("run\t3\n", output)
  end)

  it("loses what a task that crashes has printed, and nothing else", function()
    local output = prints [[
      local function task(x) print("task", x) if x == 2 then faulty.segfault() end return x end
      for i, x, err in fast_map(task, { 1, 2, 3 }, { output = "group", on_error = "return" }) do
        print(i, x, err and err.kind)
      end
    ]]
    assert.equal("task\t1\n1\t1\tnil\n2\tnil\tcrash\ntask\t3\n3\t3\tnil\n", output)
  end)

  it("goes with results of any kind and size", function()
    local output = prints [[
      local function task(x)
        io.write(("p"):rep(x))
        return x % 2 == 0 and ("r"):rep(x) or nil
      end
      for i, value in fast_map(task, { 0, 1, 300000, 5, 1000000, 0 }, { output = "group" }) do
        io.write("\n", i, " ", value and #value or "nil", "\n")
      end
    ]]
    assert.equal(("\n1 0\np\n2 nil\n%s\n3 300000\nppppp\n4 nil\n%s\n5 1000000\n\n6 0\n")
      :format(("p"):rep(300000), ("p"):rep(1000000)), output)
  end)

  it("lets a task that prints too much to be kept print at once, in its own order", function()
    local output = prints([[
      local line = ("x"):rep(1023) .. "\n"
      local function task() for i = 1, 40000 do io.write(line) end io.write "last\n" return true end
      for i, x in fast_map(task, { 1 }, { output = "group" }) do print("got", x) end
    ]])
    assert.equal(40000 * 1024 + #"last\ngot\ttrue\n", #output)
    assert.equal("last\ngot\ttrue\n", output:sub(-14))
  end)

  it("goes with callbacks: what a task prints comes before its callback", function()
    local output = prints(backwards .. [[
      local t <close> = fast_map_async(task, { 1, 2, 3 }, { output = "group", on_result = function(i) print("got", i) end })
      t:join()
    ]])
    assert.equal("begin\t1\nend 1\ngot\t1\nbegin\t2\nend 2\ngot\t2\nbegin\t3\nend 3\ngot\t3\n", output)
  end)

  it("goes with ordered = false", function()
    local output = prints(backwards .. [[
      local options = { output = "group", ordered = false }
      for i in fast_map(task, { 1, 2, 3, 4, 5 }, options) do io.write("got ", i, "\n") end
    ]])
    for i = 1, 5 do assert.matches(("begin\t%d\nend %d\ngot %d\n"):format(i, i, i), output, 1, true) end
    assert.matches("^begin\t5\n", output)
  end)

  it("shows nothing of tasks whose results are not wanted any more", function()
    local output = prints [[
      for i in fast_map(function(x) print("task", x) return x end, function() return 1 end, { output = "group" }) do
        print("got", i)
        if i == 2 then break end
      end
    ]]
    assert.equal("task\t1\ngot\t1\ntask\t1\ngot\t2\n", output)
  end)

  it("passes on what maps inside of tasks print", function()
    local output = prints [[
      local function inner(x) print("inner", x) fast_map.sleep(0.01) return x end
      local function outer(x)
        print("outer", x)
        for _, y in fast_map(inner, { x + 1, x + 2 }) do print("inner gave", y) end
        return x
      end
      for i in fast_map(outer, { 10, 20, 30 }, { output = "group" }) do print("got", i) end
    ]]
    local expected = {}
    for i = 1, 3 do
      local x = i * 10
      expected[i] = ("outer\t%d\ninner\t%d\ninner gave\t%d\ninner\t%d\ninner gave\t%d\ngot\t%d\n")
        :format(x, x + 1, x + 1, x + 2, x + 2, i)
    end
    assert.equal(table.concat(expected), output)
  end)

  it("is not stopped by memory_limit, whose bytes are the state's", function()
    local output = prints [[
      local function task() for i = 1, 4096 do io.write(("y"):rep(1024)) end return 1 end
      print(fast_map.map(task, { 1 }, { output = "group", memory_limit = 1 << 20 })[1])
    ]]
    assert.equal(("y"):rep(4 << 20) .. "1\n", output)
  end)

  it("has what init prints with the first task of the thread", function()
    local output = prints [[
      for i in fast_map(function(x) print("task", x) end, { 1, 2 },
        { output = "group", threads_limit = 1, init = function() print "init" end }) do print("got", i) end
    ]]
    assert.equal("init\ntask\t1\ngot\t1\ntask\t2\ngot\t2\n", output)
    output = prints [[
      print(pcall(fast_map.map, print, { 1 }, { output = "group", init = function() print "trying" error "no" end }) and 1)
    ]]
    assert.equal("trying\nfalse\n", output)
  end)

  it("is not in a journal: what an earlier run has done prints nothing", function()
    local output = prints [[
      local name = os.tmpname()
      os.remove(name)
      local function task(x) print("task", x) return x * 2 end
      for _, mode in ipairs { "group", "line", "group" } do
        for i, x in fast_map(task, { 1, 2, mode == "line" and 3 or 4 }, { output = mode, journal = name, threads_limit = 1 }) do
          print(i, x)
        end
      end
      os.remove(name)
    ]]
    assert.equal("task\t1\n1\t2\ntask\t2\n2\t4\ntask\t4\n3\t8\n" .. "1\t2\n2\t4\ntask\t3\n3\t6\n" .. "1\t2\n2\t4\n3\t8\n", output)
  end)

  it("leaves alone what tasks write to files", function()
    local output = prints [[
      local name = os.tmpname()
      local file = io.open(name, "w")
      fast_map.map(function(x) file:write(x, "\n") file:flush() print "x" end, { 1 }, { output = "group" })
      file:close()
      print(io.open(name):read "a")
      os.remove(name)
    ]]
    assert.equal("x\n1\n\n", output)
  end)
end)

describe('output = "tag"', function()
  it("puts the task's number before each line, whole lines as they come", function()
    local output = prints(backwards .. [[
      for i in fast_map(task, { 1, 2, 3, 4, 5 }, { output = "tag" }) do io.write("got ", i, "\n") end
    ]])
    local expected = {}
    for i = 1, 5 do expected[i] = ("[%d] begin\t%d\n[%d] end %d\ngot %d\n"):format(i, i, i, i, i) end
    assert.equal(sorted(table.concat(expected)), sorted(output))
    assert.is_true(output:find("[5] end 5", 1, true) < output:find("[1] end 1", 1, true), output)
  end)

  it("keeps lines whole that are written in pieces by many threads", function()
    local output = prints [[
      local function task(x)
        for _ = 1, 20 do
          io.write(x)
          fast_map.sleep(0.001)
          io.write("-", x, "\n")
        end
      end
      fast_map.map(task, fast_map.range(1, 20), { output = "tag", threads_limit = 20 })
    ]]
    local count = 0
    for line in output:gmatch "[^\n]+" do
      local tag, a, b = line:match "^%[(%d+)%] (%d+)%-(%d+)$"
      assert.is_true(tag ~= nil and tag == a and a == b, line)
      count = count + 1
    end
    assert.equal(400, count)
  end)

  it("marks stderr, init, several lines at once, and ends a last line", function()
    local output = prints [[
      local function task(x) io.stderr:write "one\n\ntwo" print("a\nb") error(x) end
      local options = { output = "tag", on_error = "return", init = function() print "hello" end }
      fast_map.map(task, { 7 }, options)
    ]]
    assert.equal(sorted "[init] hello\n[1] one\n[1] \n[1] a\n[1] b\n[1] two\n", sorted(output))
  end)

  it("marks what maps inside of tasks print with the number of the outer task", function()
    local output = prints [[
      local function inner(x) print("inner", x) end
      fast_map.map(function(x) fast_map.map(inner, { x, x + 1 }) end, { 10, 20 }, { output = "tag" })
    ]]
    assert.equal(sorted "[1] inner\t10\n[1] inner\t11\n[2] inner\t20\n[2] inner\t21\n", sorted(output))
  end)
end)
