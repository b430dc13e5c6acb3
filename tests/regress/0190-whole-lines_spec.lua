-- What tasks wrote reached the place in pieces: after setvbuf "no" in the script, which left C streams a buffer of one byte,
-- above 4 KB, and when a line was written in two goes, with another task's line between them.

local kit = dofile "tests/stress/kit.lua"

-- Counts the lines that come out of a pipe, and those that are not of one task.
local function count(text)
  local name = os.tmpname()
  kit.run('io.stdout:setvbuf "full" ' .. text, { to = "2>&1 | cat >" .. name, seconds = 50 })
  local output = kit.read(name)
  os.remove(name)
  local lines, broken = 0, 0
  for line in output:gmatch "[^\n]*\n" do
    local body = line:gsub("^%[%d+%] ", ""):sub(1, -2)
    lines = lines + 1
    if #body == 0 or #body % 50 ~= 0 or body ~= body:sub(1, 1):rep(#body) then broken = broken + 1 end
  end
  return lines, broken
end

local function script(write, size, more)
  return ([[
    %s
    local function task(i)
      local text = string.char(97 + i %% 26):rep(%d)
      for _ = 1, 10 do %s end
    end
    for _ in fast_map(task, fast_map.range(1, 24), { procs_limit = 3, threads_limit = 9, %s }) do end
  ]]):format(more and more.first or "", size, write, more and more.options or "")
end

describe("the lines that tasks write", function()
  local all = 'print(text) io.write(text, "\\n") io.stderr:write(text, "\\n")'

  for title, first in pairs {
    ["by default"] = "",
    ['after setvbuf "no"'] = 'io.stdout:setvbuf "no"',
    ['after setvbuf "line"'] = 'io.stdout:setvbuf "line"',
  } do
    it("are whole " .. title, function()
      assert.same({ 720, 0 }, { count(script(all, 50, { first = first })) })
    end)

    it("are whole at 100 KB " .. title, function()
      assert.same({ 720, 0 }, { count(script(all, 100000, { first = first })) })
    end)
  end

  it("are whole with tags", function()
    assert.same({ 240, 0 }, { count(script("print(text)", 100000, { options = 'output = "tag"' })) })
  end)

  it("are whole in a file of the script's", function()
    local first = 'local out = assert(io.open("/dev/stdout", "a"))'
    assert.same({ 240, 0 }, { count(script('out:write(text, "\\n")', 100000, { first = first })) })
  end)

  it("belong to the task that began them", function()
    local write = 'io.write(text) fast_map.sleep(0.001) io.write(text, "\\n")'
    assert.same({ 240, 0 }, { count(script(write, 50)) })
    write = 'io.stderr:write(text) fast_map.sleep(0.001) io.stderr:write(text, "\\n")'
    assert.same({ 240, 0 }, { count(script(write, 50)) })
  end)
end)

describe("what a task has written", function()
  local function prints(text)
    local output, code = kit.run(text)
    assert.equal(0, code, output)
    return output
  end

  it("is there before its result", function()
    local output = prints [[
      io.stdout:setvbuf "line"
      for i in fast_map(function(i) io.write("task ", i, "\n") end, fast_map.range(1, 200), { threads_limit = 1 }) do
        print("got " .. i)
      end
    ]]
    local seen = 0
    for word, number in output:gmatch "(%a+) (%d+)\n" do
      if word == "task" then seen = tonumber(number) end
      assert.is_true(tonumber(number) <= seen, output)
    end
    assert.equal(200, seen)
  end)

  it("is there before what its commands print, and what it writes to stderr", function()
    local output = prints [[
      fast_map.map(function()
        io.write "one " os.execute "echo two"
        print "three" io.stderr:write "four\n"
        io.write "five " io.stdout:write "six\n"
        local pipe = io.popen("cat", "w")
        print "seven"
        pipe:write "eight\n"
        pipe:close()
        io.write "nine "
        io.popen("echo ten; echo ten >&2"):read "a"
        print "eleven"
      end, { 1 })
    ]]
    assert.equal("one two\nthree\nfour\nfive six\nseven\neight\nnine ten\neleven\n", output)
  end)

  it("is there when it crashes", function()
    local output = prints [[
      fast_map.map(function() print "before" io.write "just before" faulty.segfault() end, { 1 }, { on_error = "return" })
    ]]
    assert.equal("before\njust before", output)
  end)

  it("is there when it is flushed, and with setvbuf as that says", function()
    local output = prints [[
      local name = os.tmpname()
      local out = io.open(name, "w")
      local function there()
        local file <close> = io.open(name)
        return file:read "a"
      end
      local seen = fast_map.map(function()
        local t = {}
        out:write "a" t[1] = there() out:flush() t[2] = there()
        out:setvbuf "no" out:write "b" t[3] = there()
        out:setvbuf "line" out:write "c\nd" t[4] = there()
        out:setvbuf("full", 1000) out:write "e\nf\n" t[5] = there() t[6] = out:seek() out:write "g" t[7] = out:seek "end"
        io.output(out) io.write "h" io.flush() t[8] = there()
        return table.concat(t, "|")
      end, { 1 })[1]
      print((seen:gsub("\n", ";")))
      os.remove(name)
    ]]
    assert.equal("|a|ab|abc;|abc;d|9|10|abc;de;f;gh\n", output)
  end)

  it("is what it reads from a file of the script's that is open for both", function()
    local output = prints [[
      local file = io.tmpfile()
      file:write "old old old\n" file:seek "set" file:read(3)
      print(fast_map.map(function()
        file:seek "set"
        local first = file:read(2)
        file:seek "set" file:write "new" file:seek "set"
        return first .. file:read "l"
      end, { 1 })[1])
    ]]
    assert.equal("olnew old old\n", output)
  end)

  it("is written once when it forks by a map of its own, and begun lines go on", function()
    local output = prints [[
      fast_map.map(function()
        print "one"
        io.write "two "
        for _ in fast_map(function(x) print("inner") return x end, { 1 }) do io.write "three\n" end
      end, { 1 })
    ]]
    assert.equal("one\ninner\ntwo three\n", output)
  end)

  it("counts the arguments of write as Lua does, and writes nothing of a wrong call", function()
    assert.equal("bad argument #2 to 'write' (string expected, got nil)\nfalse\n", prints [[
      print(fast_map.map(function()
        local good, message = pcall(function() io.write("x", nil) end)
        io.write(message:match "bad.*", "\n")
        return good
      end, { 1 })[1])
    ]])
  end)
end)
