-- The example scripts, each run as a reader would run it.

local host = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "lua5.4"

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function read_all(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function write_all(name, text)
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
end

-- Runs a script with arguments; `input` goes to its standard input. Returns its exit code, output and errors.
local function run(script, arguments, input)
  local base = os.tmpname()
  local words = { "timeout", "-k", "5", "60", host, "scripts/" .. script }
  for _, argument in ipairs(arguments or {}) do words[#words + 1] = quote(argument) end
  write_all(base .. ".in", input or "")
  local _, _, code = os.execute(("%s <%s.in >%s.out 2>%s.err"):format(table.concat(words, " "), base, base, base))
  local out, err = read_all(base .. ".out"), read_all(base .. ".err")
  for _, ending in ipairs { "", ".in", ".out", ".err" } do os.remove(base .. ending) end
  return code, out, err
end

-- Fails with everything that the script wrote when the text is not in it.
local function shows(out, text, err)
  assert(out:find(text, 1, true), ("no %q in:\n%s%s"):format(text, out, err or ""))
end

local function seconds(f)
  local start = require("fast_map").now()
  f()
  return require("fast_map").now() - start
end

describe("scripts/fast_map_usage.lua", function()
  local code, out, err, time

  setup(function()
    time = seconds(function() code, out, err = run "fast_map_usage.lua" end)
  end)

  it("runs to its end in less than 10 seconds", function()
    assert.equal("", err)
    assert.equal(0, code)
    assert.is_true(time < 10, ("took %.1f s"):format(time))
  end)

  it("shows results in order", function()
    shows(out, "task 1\t1\ntask 2\t4\ntask 3\t9\ntask 4\t16\n", err)
  end)

  it("shows that waiting tasks wait together", function()
    local waited = tonumber(out:match "60 tasks of one second\n([%d.]+) seconds")
    assert.is_true(waited >= 1 and waited < 4, waited)
  end)

  it("shows every kind of input", function()
    shows(out, "range\t1\t100\nrange\t2\t400\nrange\t3\t900\nzip\t1\ta-1\nzip\t2\tb-2\nzip\t3\tc-3\neach\t10\n", err)
    shows(out, "iterator\t1\tREAD\niterator\t2\tAS\niterator\t3\tTHEY\niterator\t4\tARE\niterator\t5\tNEEDED\n", err)
    shows(out, "endless\t25\n", err)
  end)

  it("shows every kind of result", function()
    shows(out, "nil\tnil\tnil\nfalse\tnil\tnil\n1\tnil\tthree\n2\tnil\tnil\n", err)
    shows(out, "1000\t1000000\n", err)
  end)

  it("shows what comes along with a function", function()
    shows(out, "\n8.0\n16.0\n", err)
  end)

  it("shows errors", function()
    shows(out, "task 1 is fine\ntask 2 is fine\nfalse\terror\t3\ntask 3 failed: ", err)
    shows(out, "fast_map_usage.lua:", err)
    shows(out, "stack traceback:", err)
    shows(out, "\n4\t4\tnil\n", err)
  end)

  it("shows limits", function()
    shows(out, "at most 2 processes", err)
  end)
end)

describe("scripts/fast_map_async_usage.lua", function()
  it("runs to its end in less than 10 seconds and shows its callbacks", function()
    local code, out, err
    local time = seconds(function() code, out, err = run "fast_map_async_usage.lua" end)
    assert.equal("", err)
    assert.equal(0, code)
    assert.is_true(time < 10, ("took %.1f s"):format(time))
    shows(out, "the script goes on\ntask 1 slept 0.2 s\ntask 2 slept 0.1 s\ntask 3 slept 0.3 s\ndone\n", err)
    shows(out, "3 results while the script counted on and on\n", err)
    shows(out, "not done after 0.4 s; status: running\n", err)
    shows(out, "polled\t2\n", err)
    assert.matches("a1 [ab][12] [ab][12] b2", out)
    shows(out, "result\t1\t1\nerror\t2\t", err)
    shows(out, "result\t3\t3\n", err)
    shows(out, "cancelled\n", err)
    shows(out, "and gone\n", err)
    assert.matches("late result\t1\nlate result\t2\nthe very end\n$", out)
  end)
end)

describe("scripts/word_count.lua", function()
  local folder

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir -p '%s/sub folder' '%s/empty'"):format(folder, folder)))
    write_all(folder .. "/one.txt", "The cat and the dog. The end, isn't it?\n")
    write_all(folder .. "/sub folder/it's.txt", ("and the rest\n"):rep(1000))
    write_all(folder .. "/sub folder/binary", "the\0the\0the")
    write_all(folder .. "/none.txt", "")
  end)

  teardown(function()
    os.execute("rm -rf " .. quote(folder))
  end)

  it("counts the words of all files below a folder", function()
    local code, out, err = run("word_count.lua", { "-n", "4", folder })
    assert.equal("     1003  the\n     1001  and\n     1000  rest\n        1  cat\n", out, err)
    assert.matches("^3009 words, 8 different, in 3 files %(0%.0 MB; skipped: 1 binary, 0 unreadable%)", err)
    assert.equal(0, code)
  end)

  it("counts single files, and reports what it cannot read", function()
    local code, out, err = run("word_count.lua", { folder .. "/one.txt", folder .. "/nowhere" })
    shows(out, "        3  the\n", err)
    shows(out, "        1  isn't\n", err)
    shows(err, folder .. "/nowhere: No such file or directory\n")
    assert.equal(1, code)
  end)

  it("counts what find and grep count", function()
    local code, out, err = run("word_count.lua", { "-n", "1000000", "lua" })
    assert.equal(0, code, err)
    local mine = {}
    for count, word in out:gmatch " *(%d+)  ([^\n]+)\n" do mine[word] = tonumber(count) end
    local pipe = io.popen("find lua -type f -exec cat {} + | LC_ALL=C tr A-Z a-z"
      .. " | LC_ALL=C grep -aoE \"[a-z][a-z']*\" | LC_ALL=C sort | LC_ALL=C uniq -c")
    local checked = 0
    for line in pipe:lines() do
      local count, word = line:match "^ *(%d+) ([a-z']+)$"
      if word and #word > 6 then
        checked = checked + 1
        assert.equal(tonumber(count), mine[word], word)
      end
    end
    pipe:close()
    assert.is_true(checked > 100)
  end)

  it("says how it is used", function()
    for _, arguments in ipairs { {}, { "-n", "0", "src" }, { "-n", "many", "src" }, { "-n" } } do
      local code, out, err = run("word_count.lua", arguments)
      assert.equal(2, code)
      assert.equal("", out)
      assert.matches("^usage: word_count.lua ", err)
    end
  end)
end)

-- A scratch folder, for the tests of one script.
local function new_folder()
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  return folder
end

describe("scripts/image_batch.lua", function()
  local folder

  before_each(function()
    folder = new_folder()
    write_all(folder .. "/a b.txt", "one")
    write_all(folder .. "/it's.txt", "two")
  end)

  after_each(function()
    os.execute("rm -rf " .. folder)
  end)

  it("runs the command on every file and makes a file of the same name, in their order", function()
    local out_folder = folder .. "/new/out"
    local names = { "-c", "tr a-z A-Z <{} >{out}", out_folder, folder .. "/it's.txt", folder .. "/a b.txt" }
    local code, out, err = run("image_batch.lua", names)
    assert.equal(("%s/it's.txt\tmade\n%s/a b.txt\tmade\n"):format(out_folder, out_folder), out, err)
    assert.equal(0, code)
    assert.equal("ONE", read_all(out_folder .. "/a b.txt"))
    assert.equal("TWO", read_all(out_folder .. "/it's.txt"))
    code, out = run("image_batch.lua", names)
    assert.equal(("%s/it's.txt\twas there\n%s/a b.txt\twas there\n"):format(out_folder, out_folder), out)
    assert.equal(0, code)
  end)

  it("keeps files of one name in several folders apart", function()
    for i, name in ipairs { "2025", "2026" } do
      assert(os.execute(("mkdir %s/%s"):format(folder, name)))
      write_all(("%s/%s/1.txt"):format(folder, name), "picture " .. i)
    end
    local function files(...)
      local names = { "-c", "cat {} >{out}", folder .. "/out" }
      for i, name in ipairs { ... } do names[i + 3] = folder .. "/" .. name end
      return names
    end
    local code, out, err = run("image_batch.lua", files("2025/1.txt", "2026/1.txt", "./it's.txt"))
    assert.equal(("%s/out/2025/1.txt\tmade\n%s/out/2026/1.txt\tmade\n%s/out/it's.txt\tmade\n"):format(folder, folder, folder),
      out, err)
    assert.equal(0, code)
    assert.equal("picture 1", read_all(folder .. "/out/2025/1.txt"))
    assert.equal("picture 2", read_all(folder .. "/out/2026/1.txt"))
    code, out, err = run("image_batch.lua", files("2025/1.txt", "2026/../2025/1.txt"))
    assert.equal("", out)
    assert.matches("^image_batch: .*/2025/1.txt and .*/2026/../2025/1.txt would both become .*/out/1.txt\n$", err)
    assert.equal(2, code)
  end)

  it("goes on after a command that fails, and leaves nothing half-made", function()
    local arguments = { "-j", "1", "-c", "cat {} >{out}; test {} != '" .. folder .. "/a b.txt'", folder .. "/out",
      folder .. "/a b.txt", folder .. "/it's.txt" }
    local code, out, err = run("image_batch.lua", arguments)
    assert.equal(folder .. "/out/it's.txt\tmade\n", out, err)
    shows(err, "image_batch: " .. folder .. "/a b.txt: the command failed\n")
    assert.equal(1, code)
    local pipe = io.popen("ls -A " .. folder .. "/out")
    assert.equal("it's.txt\n", pipe:read "a")
    pipe:close()
  end)

  it("says how it is used", function()
    for _, arguments in ipairs { {}, { "folder" }, { "-j", "0", "folder", "file" }, { "-c" } } do
      local code, out, err = run("image_batch.lua", arguments)
      assert.equal(2, code)
      assert.equal("", out)
      assert.matches("^usage: image_batch.lua ", err)
    end
  end)
end)

describe("scripts/log_top.lua", function()
  local folder

  setup(function()
    folder = new_folder()
    local lines = {}
    for i = 1, 1000 do
      local path, status = i % 3 == 0 and "/rare?page=" .. i or "/often", i % 10 == 0 and 404 or 200
      lines[i] = ('10.0.0.1 - - [24/Nov/2026:08:00:00 +0000] "GET %s HTTP/1.1" %d %d "-" "browser"\n'):format(path, status, i)
    end
    write_all(folder .. "/access.log", table.concat(lines))
    write_all(folder .. "/other.log", 'no log\n1 - - [x] "POST /form HTTP/1.1" 500 -') -- without a last newline
    write_all(folder .. "/empty.log", "")
  end)

  teardown(function()
    os.execute("rm -rf " .. folder)
  end)

  it("counts each line once, wherever the pieces end", function()
    local expected = "      900  200\n      100  404\n        1  500\n\n      667  /often\n      333  /rare\n"
    for _, size in ipairs { "1000000", "4096", "100", "7" } do
      local code, out, err = run("log_top.lua", { "-n", "2", "-b", size,
        folder .. "/access.log", folder .. "/empty.log", folder .. "/other.log" })
      assert.equal(expected, out, err)
      assert.equal("log_top: 1 lines are not of the common log format\n", err)
      assert.equal(0, code)
    end
  end)

  it("says what it cannot read, and goes on", function()
    local code, out, err = run("log_top.lua", { folder .. "/nowhere.log", folder, folder .. "/access.log" })
    assert.equal(("log_top: %s/nowhere.log: No such file or directory\nlog_top: %s: Is a directory\n"):format(folder, folder), err)
    shows(out, "      900  200\n")
    assert.equal(1, code)
  end)

  it("says how it is used", function()
    for _, arguments in ipairs { {}, { "-n", "0", "file" }, { "-b", "x", "file" } } do
      local code, out, err = run("log_top.lua", arguments)
      assert.equal(2, code)
      assert.equal("", out)
      assert.matches("^usage: log_top.lua ", err)
    end
  end)
end)

describe("scripts/run_files.lua", function()
  local folder
  local text = {
    ["one.lua"] = 'print("printed", nil, 1) io.write "written " io.stdout:write "through the handle\\n" return 5, "x"',
    ["two.lua"] = "leaked = (leaked or 0) + 1; string.leaked = true; return leaked, arg[0]:match '[^/]+$'",
    ["three.lua"] = "assert(not string.leaked) leaked = (leaked or 0) + 1; os.execute 'sleep 0.1'; return leaked",
    ["raises.lua"] = "local function f()\n  error 'deep'\nend\nprint 'before'\nf()",
    ["object.lua"] = "error(setmetatable({}, { __tostring = function() return 'an object' end }))",
    ["syntax.lua"] = "x = = 3",
    ["exit.lua"] = "print 'bye' os.exit(3)",
    ["exits.lua"] = "os.exit(true)",
    ["endless.lua"] = "while true do end",
    ["killed.lua"] = "os.execute 'kill -9 $PPID'",
  }

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. quote(folder)))
    for name, chunk in pairs(text) do write_all(folder .. "/" .. name, chunk) end
  end)

  teardown(function()
    os.execute("rm -rf " .. quote(folder))
  end)

  -- The output with times and the folder taken out.
  local function run_files(arguments, input)
    for i, argument in ipairs(arguments) do
      if argument:find "%.lua$" then arguments[i] = folder .. "/" .. argument end
    end
    local code, out, err = run("run_files.lua", arguments, input)
    return code, out:gsub("%d+%.%d+ s ", "T"):gsub(folder:gsub("%p", "%%%0") .. "/", ""), err
  end

  it("shows what files print and return, in their order", function()
    local code, out, err = run_files { "three.lua", "one.lua", "exits.lua" }
    assert.equal("ok        T three.lua  1\nok        T one.lua  5\tx\n    printed\tnil\t1\n    written through the handle\n"
      .. "ok        T exits.lua  os.exit(true)\n", out, err)
    assert.matches("^3 files, 0 failed, ", err)
    assert.equal(0, code)
  end)

  it("shows errors with their lines in the files, and goes on", function()
    local code, out, err = run_files { "raises.lua", "object.lua", "syntax.lua", "missing.lua", "exit.lua", "two.lua" }
    shows(out, "FAILED    T raises.lua\n    before\n    raises.lua:2: deep\n    stack traceback:\n", err)
    shows(out, "raises.lua:5: in main chunk\nFAILED    T object.lua\n    an object\n", err)
    shows(out, "FAILED    T syntax.lua\n    syntax.lua:1: unexpected symbol near '='\n", err)
    shows(out, "FAILED    T missing.lua\n    cannot open missing.lua", err)
    shows(out, "FAILED    T exit.lua\n    bye\n    os.exit(3)\nok        T two.lua  1\ttwo.lua\n", err)
    assert.is_nil(out:find("run_files", 1, true))
    assert.matches("^6 files, 5 failed, ", err)
    assert.equal(1, code)
  end)

  it("keeps files apart, however they share out over processes", function()
    local list = {}
    for i = 1, 20 do list[i] = folder .. (i % 2 == 0 and "/two.lua" or "/three.lua") end
    local code, out, err = run_files({ "-j", "4" }, table.concat(list, "\n") .. "\n")
    assert.equal(("ok        T three.lua  1\nok        T two.lua  1\ttwo.lua\n"):rep(10), out, err)
    assert.equal(0, code)
  end)

  it("outlives files that do not end and processes that do", function()
    local code, out, err = run_files { "-t", "0.5", "endless.lua", "killed.lua", "one.lua" }
    shows(out, "FAILED    T endless.lua\n    endless.lua:1: timed out\n", err)
    assert.matches("FAILED +%- +killed.lua\n    crash: [^\n]*Killed[^\n]*\nok        T one.lua", out)
    assert.equal(1, code)
  end)

  it("shows only failures when it is asked to", function()
    local code, out, err = run_files { "-q", "one.lua", "exit.lua", "two.lua" }
    assert.equal("FAILED    T exit.lua\n    bye\n    os.exit(3)\n", out, err)
    assert.equal(1, code)
  end)

  it("says how it is used", function()
    for _, arguments in ipairs { { "-t" }, { "-t", "0" }, { "-j", "0" }, { "-j", "many" }, { "-x" } } do
      local code, out, err = run("run_files.lua", arguments)
      assert.equal(2, code)
      assert.equal("", out)
      assert.matches("^usage: run_files.lua ", err)
    end
  end)
end)

describe("scripts/sweep.lua", function()
  it("tries every combination, and finds the same in every run with the same seed", function()
    local code, out, err = run("sweep.lua", { "-r", "500", "-s", "7" })
    assert.equal(0, code, err)
    local count = 0
    for _ in out:gmatch "\n%d+,%d+,%d+%.%d%d%f[\n]" do count = count + 1 end
    assert.equal(50, count, out)
    assert.matches("^20 customers an hour: %d+ counters, [%d.]+\n", err)
    assert.equal(out, select(2, run("sweep.lua", { "-r", "500", "-s", "7" })))
    assert.not_equal(out, select(2, run("sweep.lua", { "-r", "500", "-s", "8" })))
  end)

  it("says how it is used", function()
    local code, out, err = run("sweep.lua", { "-x", "1" })
    assert.equal(2, code)
    assert.equal("", out)
    assert.matches("^usage: sweep.lua ", err)
  end)
end)

-- A server on a free port of 127.0.0.1 that prints its port. It answers /slow after a second, without keeping others
-- waiting, ends at /quit, and after two minutes by itself.
local server_text = [[
local socket = require "socket"
local server = assert(socket.bind("127.0.0.1", 0, 1000))
server:settimeout(0)
print((select(2, server:getsockname())))
io.stdout:flush()
local open, due, started = { server }, {}, socket.gettime()
local function answer(client, status, body)
  client:settimeout(10)
  client:send(("HTTP/1.0 %s\r\nContent-Length: %d\r\n\r\n%s"):format(status, #body, body))
  client:close()
end
local function request(client)
  client:settimeout(1)
  local path = (client:receive "*l" or ""):match "^GET (%S+)"
  repeat local line = client:receive "*l" until not line or line == ""
  if path == "/quit" then answer(client, "200 OK", "") os.exit(0) end
  if path == "/slow" then
    due[#due + 1] = { at = socket.gettime() + 1, client = client }
  elseif path == "/missing" then
    answer(client, "404 Not Found", "no")
  else
    answer(client, "200 OK", path or "")
  end
end
while socket.gettime() - started < 120 do
  for _, ready in ipairs((socket.select(open, nil, due[1] and 0.01 or 1))) do
    if ready == server then
      local client = server:accept()
      while client do
        open[#open + 1] = client
        client = server:accept()
      end
    else
      for i = #open, 2, -1 do if open[i] == ready then table.remove(open, i) end end
      request(ready)
    end
  end
  while due[1] and due[1].at <= socket.gettime() do answer(table.remove(due, 1).client, "200 OK", "slow") end
end
]]

describe("scripts/http_check.lua", function()
  local has_socket = pcall(require, "socket.http")
  local script, pipe, base

  setup(function()
    if not has_socket then return end
    script = os.tmpname()
    write_all(script, server_text)
    pipe = io.popen(host .. " " .. script)
    base = ("http://127.0.0.1:%d"):format(pipe:read "n")
  end)

  teardown(function()
    if not pipe then return end
    require("socket.http").request(base .. "/quit")
    pipe:close()
    os.remove(script)
  end)

  local function check(title, body)
    it(title, function()
      if not has_socket then return pending "LuaSocket is not installed" end
      body()
    end)
  end

  check("shows status, size and URL in the order of the URLs", function()
    local code, out, err = run("http_check.lua", { base .. "/slow", base .. "/a", base .. "/missing", base .. "/bc" })
    local port = base:match "%d+$"
    local lines = {}
    for line in out:gmatch "[^\n]+" do
      local status, size, path = line:match("^(%d+) +%d+ ms +(%d+) bytes  http://127.0.0.1:" .. port .. "(%S+)$")
      lines[#lines + 1] = ("%s %s %s"):format(status, size, path)
    end
    assert.same({ "200 4 /slow", "200 2 /a", "404 2 /missing", "200 3 /bc" }, lines, out .. err)
    shows(err, "4 asked, 1 in trouble\n")
    assert.equal(1, code)
  end)

  check("asks 50 slow URLs at the same time, read from its input", function()
    local code, out, err
    local time = seconds(function() code, out, err = run("http_check.lua", {}, (base .. "/slow\n"):rep(50)) end)
    assert.equal(0, code, out .. err)
    shows(err, "50 asked, 0 in trouble\n")
    local _, count = out:gsub("200 ", "")
    assert.equal(50, count)
    assert.is_true(time < 10, ("took %.1f s"):format(time)) -- one after the other: 50 s
  end)

  check("reports what cannot be reached", function()
    local listener = assert(require("socket").bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    listener:close() -- a port that nobody listens on
    local code, out, err = run("http_check.lua", { ("http://127.0.0.1:%d/"):format(port), base .. "/x" })
    assert.equal(1, code, err)
    shows(out, "connection refused  http://127.0.0.1:" .. port, err)
    shows(out, "200 ")
  end)

  check("gives up on a server that does not answer in time", function()
    local code, out, err = run("http_check.lua", { "-t", "0.2", base .. "/slow" })
    assert.equal(1, code, err)
    shows(out, "timeout  http://127.0.0.1:", err)
  end)

  check("says how it is used", function()
    for _, arguments in ipairs { { "-t" }, { "-t", "0" }, { "-x" } } do
      local code, out, err = run("http_check.lua", arguments)
      assert.equal(2, code)
      assert.equal("", out)
      assert.matches("^usage: http_check.lua ", err)
    end
  end)
end)

describe("scripts/resume.lua", function()
  local journal

  setup(function() journal = os.tmpname() end)
  teardown(function() os.remove(journal) end)

  local function points(err)
    local list = {}
    for k in err:gmatch "computing point (%d+)\n" do list[#list + 1] = tonumber(k) end
    table.sort(list)
    return list
  end

  it("goes on where it was", function()
    local code, first, err = run("resume.lua", { "-n", "3", journal })
    assert.equal(0, code, err)
    assert.same({ 1, 2, 3 }, points(err))
    assert.matches("^point 1 +rate 3%.5000  upper half 0%.%d+\npoint 2 .*\npoint 3 [^\n]*\n$", first)
    local _, second, more = run("resume.lua", { "-n", "5", journal })
    assert.same({ 4, 5 }, points(more))
    assert.equal(first, second:sub(1, #first))
    local _, third, nothing = run("resume.lua", { "-n", "5", journal })
    assert.equal(second, third)
    assert.equal("", nothing)
  end)

  it("says how it is used", function()
    for _, arguments in ipairs { { "-n" }, { "-n", "0" }, { "-x" } } do
      local code, out, err = run("resume.lua", arguments)
      assert.equal(2, code)
      assert.equal("", out)
      assert.matches("^usage: resume.lua ", err)
    end
  end)
end)

describe("scripts/database.lua", function()
  local has_sql = pcall(require, "luasql.sqlite3")
  local answers = "2000 rows written\n 2000 cities of    0 people or more\n 1502 cities of  250 people or more\n"
    .. " 1028 cities of  500 people or more\n  540 cities of  750 people or more\n   36 cities of 1000 people or more\n"

  it("fills a database and asks it", function()
    if not has_sql then return pending "LuaSQL for SQLite 3 is not installed" end
    local code, out, err = run "database.lua"
    assert.equal(answers, out, err)
    assert.equal("", err)
    assert.equal(0, code)
  end)

  it("keeps a file that it is given, and takes it again", function()
    if not has_sql then return pending "LuaSQL for SQLite 3 is not installed" end
    local name = os.tmpname()
    for _ = 1, 2 do
      local code, out, err = run("database.lua", { name })
      assert.equal(answers, out, err)
      assert.equal(0, code)
    end
    assert.equal("SQLite format 3", read_all(name):sub(1, 15))
    os.remove(name)
  end)

  it("says once that the database cannot be opened", function()
    if not has_sql then return pending "LuaSQL for SQLite 3 is not installed" end
    local code, out, err = run("database.lua", { "/nowhere/at/all.db" })
    assert.equal("", out)
    assert.equal(1, code)
    assert.matches("unable to open database file", err)
  end)
end)

-- A server like the one above whose connections stay open; /count tells how many it has had.
local keeping_server_text = [[
local socket = require "socket"
local server = assert(socket.bind("127.0.0.1", 0, 1000))
server:settimeout(0)
print((select(2, server:getsockname())))
io.stdout:flush()
local open, count, started = { server }, 0, socket.gettime()
local function forget(client)
  for i = #open, 2, -1 do if open[i] == client then table.remove(open, i) end end
  client:close()
end
local function request(client)
  local path = (client:receive "*l" or ""):match "^GET (%S+)"
  repeat local line = client:receive "*l" until not line or line == ""
  if not path then return forget(client) end
  if path == "/quit" then os.exit(0) end
  local body = path == "/count" and tostring(count) or path
  if path == "/chunked" then
    client:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n, world!!!\r\n0\r\n\r\n"
  else
    client:send(("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s"):format(path == "/missing" and "404 Not Found" or "200 OK",
      #body, path == "/last" and "Connection: close\r\n" or "", body))
  end
  if path == "/last" or path == "/rude" then forget(client) end
end
while socket.gettime() - started < 120 do
  for _, ready in ipairs((socket.select(open, nil, 1))) do
    local client = ready == server and server:accept()
    if client then
      client:settimeout(5)
      count = count + 1
      open[#open + 1] = client
    elseif ready ~= server then
      request(ready)
    end
  end
end
]]

describe("scripts/http_fetch.lua", function()
  local has_socket, socket = pcall(require, "socket")
  local script, pipe, port, base

  setup(function()
    if not has_socket then return end
    script = os.tmpname()
    write_all(script, keeping_server_text)
    pipe = io.popen(host .. " " .. script)
    port = pipe:read "n"
    base = "http://127.0.0.1:" .. port
  end)

  teardown(function()
    if not pipe then return end
    local client = socket.connect("127.0.0.1", port)
    client:send "GET /quit HTTP/1.1\r\n\r\n"
    client:close()
    pipe:close()
    os.remove(script)
  end)

  local function count()
    local _, out = run("http_fetch.lua", { "-c", "1", base }, "/count\n/chunked\n")
    return out
  end

  it("fetches pages in order through as many connections as it may have", function()
    if not has_socket then return pending "LuaSocket is not installed" end
    local paths, expected = {}, {}
    for i = 1, 300 do
      paths[i] = "/page" .. i
      expected[i] = ("200  %8d bytes  %s\n"):format(#paths[i], paths[i])
    end
    local code, out, err = run("http_fetch.lua", { "-c", "3", base }, table.concat(paths, "\n") .. "\n")
    assert.equal(table.concat(expected), out, err)
    assert.equal(0, code)
    -- at most three and this one: a single digit
    assert.equal("200         1 bytes  /count\n200        15 bytes  /chunked\n", count())
  end)

  it("goes on when the server ends a connection, with and without a word", function()
    if not has_socket then return pending "LuaSocket is not installed" end
    local code, out, err = run("http_fetch.lua", { "-c", "1", base }, "/a\n/last\n/b\n/rude\n/c\n/missing\n")
    assert.equal("200         2 bytes  /a\n200         5 bytes  /last\n200         2 bytes  /b\n200         5 bytes  /rude\n"
      .. "200         2 bytes  /c\n404         8 bytes  /missing\n", out, err)
    assert.equal(1, code)
  end)

  it("says once that there is no server", function()
    if not has_socket then return pending "LuaSocket is not installed" end
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, unused = listener:getsockname()
    listener:close()
    local code, out, err = run("http_fetch.lua", { "http://127.0.0.1:" .. unused }, ("/a\n"):rep(100))
    assert.equal("", out)
    assert.equal(1, code)
    shows(err, ("init failed: no connection to 127.0.0.1:%d: connection refused\n"):format(unused))
    local _, times = err:gsub("init failed", "")
    assert.equal(1, times)
  end)

  it("says how it is used", function()
    for _, arguments in ipairs { {}, { "-c" }, { "-c", "0", "http://a" }, { "ftp://a" }, { "http://a", "b" } } do
      local code, out, err = run("http_fetch.lua", arguments)
      assert.equal(2, code)
      assert.equal("", out)
      assert.matches("^usage: http_fetch.lua ", err)
    end
  end)
end)
