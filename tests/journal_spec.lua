-- The option `journal`: what one run of a script leaves to the next.
-- luacheck: ignore 512

local fast_map = require "fast_map"

local host = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "lua5.4"

local base, journal, log -- files of a test

local function write_all(name, text)
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
end

local function read_all(name)
  local file = io.open(name, "rb")
  local text = file and file:read "a" or ""
  if file then file:close() end
  return text
end

before_each(function()
  base = os.tmpname()
  journal, log = base .. ".journal", base .. ".log"
end)

after_each(function()
  for _, ending in ipairs { "", ".journal", ".log", ".lua", ".out", ".copy" } do os.remove(base .. ending) end
end)

-- What every script of a test begins with. computed(x): told by tasks; results(f, tasks, options): in the order they come.
local prelude = [[
  local fast_map = require "fast_map"
  local base = ...
  local journal, log = base .. ".journal", base .. ".log"
  local function computed(x)
    local file = assert(io.open(log, "a"))
    file:write(tostring(x), "\n")
    file:close()
  end
  local function show(...)
    local list = table.pack(...)
    for i = 1, list.n do list[i] = tostring(list[i]) end
    io.write(table.concat(list, " "), "\n")
  end
  local function run(f, tasks, options)
    options = options or {}
    options.journal = options.journal or journal
    for i, a, b, c in fast_map(f, tasks, options) do show(i, a, b, c) end
  end
]]

-- Runs Lua text in a process of its own; `shell` goes before the command. Returns output, errors included, and exit code.
local function script(text, shell)
  write_all(base .. ".lua", prelude .. text)
  local _, _, code = os.execute(("%s timeout -k 5 60 %s %s.lua %s >%s.out 2>&1 </dev/null"):format(shell or "", host, base, base, base))
  return read_all(base .. ".out"), code
end

-- The tasks that were computed since the last call, in ascending order.
local function computed()
  local list = {}
  for line in read_all(log):gmatch "[^\n]+" do list[#list + 1] = tonumber(line) or line end
  table.sort(list)
  os.remove(log)
  return list
end

local function numbers(first, last)
  local list = {}
  for i = first, last do list[#list + 1] = i end
  return list
end

local function lines_of(first, last, body)
  local list = {}
  for i = first, last do list[#list + 1] = body(i) .. "\n" end
  return table.concat(list)
end

local square = "run(function(x) computed(x) return x * x, nil, 'text' end, "

local function squares(first, last)
  return lines_of(first, last, function(i) return ("%d %d nil text"):format(i, i * i) end)
end

-- The processes whose parent is this one.
local function children()
  local count = 0
  local me = read_all("/proc/self/stat"):match "^%d+"
  local pipe = io.popen "cat /proc/[0-9]*/stat 2>/dev/null"
  for line in pipe:lines() do
    local parent = line:match "^%d+ %(.*%) %a (%d+) "
    if parent == me and not line:find("(sh)", 1, true) and not line:find("(cat)", 1, true) then count = count + 1 end
  end
  pipe:close()
  return count
end

describe("a journal", function()
  it("gives the second run what the first has computed", function()
    for run = 1, 3 do
      local out, code = script(square .. "fast_map.range(1, 50))")
      assert.equal(squares(1, 50), out)
      assert.equal(0, code)
      assert.same(run == 1 and numbers(1, 50) or {}, computed())
    end
  end)

  it("has only the rest computed", function()
    script(square .. "fast_map.range(1, 30))")
    computed()
    assert.equal(squares(1, 50), (script(square .. "fast_map.range(1, 50))")))
    assert.same(numbers(31, 50), computed())
  end)

  it("knows tasks by their content, wherever they stand", function()
    script(square .. "{ 5, 3, 9, 1 })")
    computed()
    local out = script(square .. "{ 1, 2, 3, 4, 5, 5 })")
    assert.equal("1 1 nil text\n2 4 nil text\n3 9 nil text\n4 16 nil text\n5 25 nil text\n6 25 nil text\n", out)
    assert.same({ 2, 4, 5 }, computed())
  end)

  it("tells 1 from 1.0 and \"1\"", function()
    local f = "run(function(x) computed(x) return math.type(x) end, "
    script(f .. "{ 1, 2 })")
    assert.equal("1 float nil nil\n2 nil nil nil\n3 integer nil nil\n", (script(f .. "{ 1.0, '1', 1 })")))
  end)

  it("knows several arguments, and texts of each length, in every process", function()
    local f = [[
      local texts = {}
      for i = 1, 50 do texts[i] = ("x"):rep(i) .. i % 3 end
      run(function(a, b, c) computed(#a) return a, b, c end, fast_map.zip(texts, texts, texts))
    ]]
    local out = script(f)
    assert.equal(50, #computed())
    for _ = 1, 3 do
      assert.equal(out, (script(f)))
      assert.same({}, computed())
    end
  end)

  it("says when the class of an object is gone", function()
    local f = "run(function(x) return setmetatable({}, Class) end, { 1, 2 })"
    script("Class = { __name = 'Class' }\n" .. f)
    local out, code = script(f)
    assert.equal(1, code)
    assert.matches("the journal's result refers to an object that the script does not have any more", out)
  end)

  it("works for scripts without the debug library", function()
    for _ = 1, 2 do assert.equal(squares(1, 3), (script("debug = nil " .. square .. "{ 1, 2, 3 })"))) end
    assert.same({ 1, 2, 3 }, computed())
  end)

  it("knows records by their fields in every process", function()
    local f = [[
      local tasks = {}
      for i = 1, 40 do tasks[i] = { id = i, name = "n" .. i, on = i % 2 == 0, tags = { a = i, b = { 1, 2, x = "y" } }, [2.5] = i } end
      run(function(t, extra) computed(t.id) return t.name, t.tags.a, extra end, fast_map.zip(tasks, fast_map.range(1, 40)))
    ]]
    local out = script(f)
    assert.same(numbers(1, 40), computed())
    for _ = 1, 5 do
      assert.equal(out, (script(f)))
      assert.same({}, computed())
    end
    script((f:gsub("a = i", "a = i + i // 40")))
    assert.same({ 40 }, computed())
  end)

  it("uses the result of each of several equal tasks once, in their order", function()
    local f = "math.randomseed() run(function(x) computed(x) return math.random(1, 1 << 60) end, "
    local first = script(f .. "{ 7, 7, 7, 8 }, { procs_limit = 1, threads_limit = 1 })")
    computed()
    assert.equal(first, (script(f .. "{ 7, 7, 7, 8 })")))
    assert.same({}, computed())
    local more = script(f .. "{ 7, 7, 7, 7, 7 }, { procs_limit = 1, threads_limit = 1 })")
    assert.equal(first:match "^1.-3 [^\n]*\n", more:match "^1.-3 [^\n]*\n")
    assert.same({ 7, 7 }, computed())
    assert.equal(more, (script(f .. "{ 7, 7, 7, 7, 7 })")))
    assert.same({}, computed())
  end)

  it("gives results out of order as they come", function()
    local f = "run(function(x) computed(x) return -x end, fast_map.range(1, %d), { ordered = false })"
    script(f:format(20))
    computed()
    local seen = {}
    for i, value in script(f:format(60)):gmatch "(%d+) (%S+) nil nil\n" do
      assert.is_nil(seen[i])
      seen[i] = true
      assert.equal(-i, tonumber(value))
    end
    assert.same(numbers(21, 60), computed())
  end)

  it("starts no process when all was done", function()
    local function map(tasks)
      local most = 0
      local handle = fast_map.fast_map_async(function(x) return x end, tasks, { journal = journal, callbacks = "polled" })
      local _, _, _, started = handle:status() -- all were, in the call
      while not handle:join(0) do most = math.max(most, children()) end
      return started, most
    end
    assert.is_true(map { 1, 2, 3 } > 0)
    assert.same({ 0, 0 }, { map { 3, 2, 1 } })
    assert.same({ 0, 0 }, { map { 2 } })
    assert.is_true(map { 2, 4 } > 0)
  end)

  it("serves fast_map.map, and inputs of each kind", function()
    local function f(x, y) return { x, y } end
    local inputs = {
      function() return { "a", "b" } end,
      function() return fast_map.range(1.5, 3) end,
      function() return fast_map.zip({ 1, 2 }, { "x", "y" }) end,
      function() return fast_map.each(ipairs { "p", "q" }) end,
      function() return ("one two three"):gmatch "%a+" end,
      function() return table.pack(nil, false) end,
    }
    for k, input in ipairs(inputs) do
      local options = { journal = journal }
      local first = fast_map.map(f, input(), options)
      local size = #read_all(journal)
      assert.same(first, fast_map.map(f, input(), options), k)
      assert.equal(size, #read_all(journal))
    end
  end)

  it("serves endless inputs", function()
    local function first(count)
      local computed_now, next_number = 0, 0
      local pids = {}
      for i, x, id in fast_map(function(x) return x * 2, io.open("/proc/self/stat"):read "n" end, function()
        next_number = next_number + 1
        return next_number
      end, { journal = journal, buffersize = 100 }) do
        assert.equal(2 * i, x)
        pids[id] = true
        computed_now = computed_now + 1
        if i == count then break end
      end
      assert.is_true(next_number <= count + 100, next_number)
      return pids, computed_now
    end
    local first_pids = first(300)
    local again, count = first(300)
    assert.equal(300, count)
    assert.same(first_pids, again)
    local _, more = first(1000)
    assert.equal(1000, more)
  end)

  it("does not keep what failed", function()
    local f = [[
      local allowed = io.open(base .. ".copy") ~= nil
      bad = not allowed
      run(function(x) computed(x) if bad and x % 2 == 0 then error("no " .. x, 0) end return x end, fast_map.range(1, 6),
        { on_error = function(i, err) show("failed", i, err.message) end })
    ]]
    assert.equal("1 1 nil nil\nfailed 2 no 2\n3 3 nil nil\nfailed 4 no 4\n5 5 nil nil\nfailed 6 no 6\n", (script(f)))
    computed()
    write_all(base .. ".copy", "")
    assert.equal(lines_of(1, 6, function(i) return i .. " " .. i .. " nil nil" end), (script(f)))
    assert.same({ 2, 4, 6 }, computed())
  end)

  it("keeps what came before an error ends the map", function()
    local f = "run(function(x) computed(x) if x == broken then error('broken', 0) end return x end, fast_map.range(1, 20))"
    local _, code = script("broken = 15 " .. f)
    assert.equal(1, code)
    computed()
    assert.equal(lines_of(1, 20, function(i) return i .. " " .. i .. " nil nil" end), (script(f)))
    for _, x in ipairs(computed()) do assert.is_true(x >= 15, x) end
  end)

  it("keeps objects: their class is the script's again", function()
    local f = [[
      local Point = { __name = "Point" }
      Point.__index = Point
      function Point:sum() return self.x + self.y end
      Named = { __tostring = function(self) return "named " .. self.name end }
      local function f(x)
        computed(x)
        return setmetatable({ x = x, y = 1 }, Point), setmetatable({ name = x }, Named), function() return x, Point, print end
      end
      for i, p, n, g in fast_map(f, fast_map.range(1, 3), { journal = journal }) do
        local x, class, p2 = g()
        show(i, p:sum(), n, getmetatable(p) == Point, getmetatable(n) == Named, x, class == Point, p2 == print)
      end
    ]]
    local expected = lines_of(1, 3, function(i) return ("%d %d named %d true true %d true true"):format(i, i + 1, i, i) end)
    assert.equal(expected, (script(f)))
    assert.same({ 1, 2, 3 }, computed())
    assert.equal(expected, (script(f)))
    assert.equal(expected, (script("local moved = {}\n" .. f)))
    assert.same({}, computed())
  end)

  it("refuses results that only this run of the script can have", function()
    local f = [[
      local Hidden = {}
      Hidden.__index = Hidden
      local function object(x) return setmetatable({ x = x }, Hidden) end
      for i, v, err in fast_map(function(o) return o.x == 2 and o or o.x end, { object(1), object(2), object(3) },
        { journal = journal, on_error = "return" }) do
        show(i, v, err and err.kind, err and err.message)
      end
    ]]
    for _ = 1, 2 do
      assert.equal("1 1 nil nil\n2 nil transfer the result cannot be kept in the journal: it leads to an object that only this run"
        .. " of the script has\n3 3 nil nil\n", (script(f)))
    end
  end)

  it("counts the number of the task when there is a seed", function()
    local f = "run(function(x) computed(x) return math.random(1000000) end, %s, { seed = %d })"
    local first = script(f:format("{ 10, 20, 30 }", 1))
    computed()
    assert.equal(first, (script(f:format("{ 10, 20, 30 }", 1))))
    assert.same({}, computed())
    script(f:format("{ 10, 30, 20 }", 1))
    assert.same({ 20, 30 }, computed())
    script(f:format("{ 10, 20, 30 }", 2))
    assert.same({ 10, 20, 30 }, computed())
  end)

  it("keeps large results, and many", function()
    local function f(x) return ("x"):rep(x) end
    local sizes = { 0, 1, 100, 4000, 4096, 5000, 300000, 3000000 }
    for _ = 1, 2 do
      for i, text in fast_map(f, sizes, { journal = journal }) do assert.equal(("x"):rep(sizes[i]), text) end
    end
    for _ = 1, 2 do
      for i, x in fast_map(function(x) return x end, fast_map.range(1, 20000), { journal = journal .. "2" }) do assert.equal(i, x) end
    end
    os.remove(journal .. "2")
  end)

  it("does not take what the script prints when its output is closed", function()
    local f = square .. "fast_map.range(1, 9))"
    write_all(base .. ".lua", prelude .. f)
    local close = ("%s %s.lua %s <&- >&- 2>&-"):format(host, base, base)
    os.execute(close)
    local size = #read_all(journal)
    assert.is_true(size > 9 * 40)
    os.execute(close)
    assert.equal(size, #read_all(journal))
    assert.equal(squares(1, 9), (script(f)))
  end)

  it("works with any look-ahead", function()
    for _, buffersize in ipairs { 1, 2, 3, 64 } do
      for _, ordered in ipairs { true, false } do
        local options = { journal = journal, buffersize = buffersize, ordered = ordered }
        for round = 1, 3 do
          local count = 0
          for i, x in fast_map(function(x) return x end, fast_map.range(1, 70 * round), options) do
            assert.equal(i, x)
            count = count + 1
          end
          assert.equal(70 * round, count)
        end
        os.remove(journal)
      end
    end
  end)

  it("is each task's own when tasks run maps", function()
    if os.getenv "NO_NESTED_MAPS" then return end
    local f = [[
      local function inner(x) computed(x) return x + 1 end
      run(function(k)
        local t = fast_map.map(inner, { k, 10 * k }, { journal = journal .. k })
        os.remove(journal .. k)
        return t[1], t[2]
      end, { 1, 2 })
    ]]
    assert.equal("1 2 11 nil\n2 3 21 nil\n", (script(f)))
    assert.equal("1 2 11 nil\n2 3 21 nil\n", (script(f)))
    assert.same({ 1, 2, 10, 20 }, computed())
  end)
end)

describe("a journal of callbacks", function()
  local function start(options)
    local results = {}
    options.journal = journal
    options.on_result = function(i, x) results[#results + 1] = i .. ":" .. x end
    options.on_done = function() results[#results + 1] = "done" end
    return fast_map.fast_map_async(function(x) return x * 3 end, fast_map.range(1, 5), options), results
  end

  local expected = { "1:3", "2:6", "3:9", "4:12", "5:15", "done" }

  it("delivers in order, in join", function()
    for _ = 1, 2 do
      local handle, results = start {}
      handle:join()
      assert.same(expected, results)
    end
  end)

  it("delivers while the script computes", function()
    start({}):join()
    local _, results = start {}
    local deadline = fast_map.now() + 20
    while #results < 6 and fast_map.now() < deadline do end -- no call that serves callbacks
    assert.same(expected, results)
  end)

  it("delivers in poll and sleep", function()
    start({}):join()
    local handle, results = start { callbacks = "polled" }
    assert.same({}, results)
    assert.is_true(handle:poll())
    assert.same(expected, results)
    local _, others = start { callbacks = "polled" }
    fast_map.sleep(0)
    assert.same(expected, others)
  end)

  it("has a descriptor that is readable at once", function()
    start({}):join()
    local has_socket, socket = pcall(require, "socket")
    if not has_socket then return pending "LuaSocket is not installed" end
    local handle, results = start { callbacks = "polled" }
    local fd = handle:fd()
    local deadline = fast_map.now() + 20
    repeat
      socket.select({ { getfd = function() return fd end } }, nil, 20)
      assert.is_true(fast_map.now() < deadline)
    until handle:poll()
    assert.same(expected, results)
  end)
end)

describe("a journal after the end of its process", function()
  -- Starts the script, waits until it has printed `lines` lines, and kills it, with SIGKILL.
  local function kill_after(text, lines)
    write_all(base .. ".lua", prelude .. "io.stdout:setvbuf 'line'\n" .. text)
    local pipe = io.popen(("exec %s %s.lua %s 2>&1"):format(host, base, base))
    local pid, printed = tonumber(pipe:read "l"), {}
    for _ = 1, lines do printed[#printed + 1] = pipe:read "l" end
    os.execute("kill -9 " .. pid)
    pipe:read "a" -- its workers are gone, too
    pipe:close()
    return printed
  end

  local pid = "io.write(io.open('/proc/self/stat'):read 'n', '\\n')\n"

  it("has all that was delivered", function()
    local text = "run(function(x) computed(x) fast_map.sleep(0.01) return x * x, nil, 'text' end, fast_map.range(1, 200), "
      .. "{ threads_limit = 4 })"
    local printed = kill_after(pid .. text, 40)
    assert.equal(squares(1, 40), table.concat(printed, "\n") .. "\n")
    computed()
    assert.equal(squares(1, 200), (script(text)))
    local again = computed()
    assert.equal(200, again[#again])
    assert.is_true(again[1] > 40, again[1])
    for i = 2, #again do assert.not_equal(again[i - 1], again[i]) end
    assert.equal(squares(1, 200), (script(text)))
    assert.same({}, computed())
  end)

  it("has what waited for an earlier task", function()
    local text = [[
      run(function(x)
        if x == 1 then
          while patient do fast_map.sleep(0.05) end
        end
        computed(x)
        return x
      end, fast_map.range(1, 8), { journal = journal })
    ]]
    local watcher = [[
      patient = true
      -- the script's other map tells when the journal has grown for all
      local function recorded()
        local text = io.open(journal, "rb")
        local _, count = (text and text:read "a" or ""):gsub("\250JR\n", "")
        return count
      end
      fast_map.fast_map_async(function()
        repeat fast_map.sleep(0.01) until recorded() == 8 -- the function, and tasks 2 to 8
      end, { 1 }, { on_done = function() print "recorded" end })
    ]]
    local printed = kill_after(pid .. watcher .. text, 1)
    assert.same({ "recorded" }, printed)
    assert.same(numbers(2, 8), computed())
    assert.equal(lines_of(1, 8, function(i) return i .. " " .. i .. " nil nil" end), (script(text)))
    assert.same({ 1 }, computed())
  end)

  it("is free at once", function()
    local text = "run(function(x) fast_map.sleep(x) return x end, { 0, 100 })"
    kill_after(pid .. text, 1)
    assert.equal("1 0 nil nil\n", (script("run(function(x) fast_map.sleep(x) return x end, { 0 })")))
  end)

  it("that was torn anywhere in its last record has the others", function()
    local f = "run(function(x) computed(x) return 'result ' .. x end, fast_map.range(1, 3), { threads_limit = 1, resume = 'force' })"
    local out = script(f)
    computed()
    local whole = read_all(journal)
    local last
    for at in whole:gmatch "()\250JR\n" do last = at end
    local function torn(text)
      write_all(journal, text)
      local results = fast_map.map(function(x) return "result " .. x end, { 1, 2, 3 }, { journal = journal, resume = "force" })
      assert.same({ "result 1", "result 2", "result 3", n = 3 }, results)
      local _, records = read_all(journal):gsub("\250JR\n", "")
      return records
    end
    for size = last - 1, #whole - 1 do assert.equal(5, torn(whole:sub(1, size)), size) end -- two functions, three results
    assert.equal(5, torn(whole .. ("\0"):rep(100)))
    write_all(journal, whole:sub(1, last + 20))
    assert.equal(out, (script(f)))
    assert.same({ 3 }, computed())
  end)

  it("that was damaged in the middle has the other results", function()
    local f = square .. "fast_map.range(1, 9), { threads_limit = 1 })"
    script(f)
    computed()
    local whole, at = read_all(journal), 0
    for place in whole:gmatch "()\250JR\n" do
      at = at + 1
      if at == 5 then write_all(journal, whole:sub(1, place + 41) .. "?" .. whole:sub(place + 43)) end
    end
    assert.equal(squares(1, 9), (script(f)))
    assert.same({ 4 }, computed())
  end)
end)

describe("a journal of another function", function()
  local f = "local factor = 2\nlocal function g(x) return x * factor end\nrun(function(x) computed(x) return g(x) + 1 end, { 1, 2, 3 }"
  local expected = "1 3 nil nil\n2 5 nil nil\n3 7 nil nil\n"

  local function refused(text)
    local out, code = script(text)
    assert.equal(1, code)
    assert.matches("%.lua:%d+: fast_map: the journal \"[^\n]*%.journal\" holds 3 results of another function %([^\n]*%.lua:%d+%), "
      .. "or of this one with other upvalues: give resume = \"force\" to use them all the same, resume = false to throw them away", out)
    assert.same({}, computed())
  end

  before_each(function()
    assert.equal(expected, (script(f .. ")")))
    computed()
  end)

  it("is refused when the code has changed", function()
    refused((f:gsub("%+ 1", "+ 2")) .. ")")
    refused((f:gsub("x %* factor", "x / factor")) .. ")")
  end)

  it("is refused when an upvalue has changed", function()
    refused((f:gsub("= 2", "= 3")) .. ")")
  end)

  it("is used when lines, comments and names have changed", function()
    for _, text in ipairs { "\n\n-- a comment\n" .. f, (f:gsub("factor", "times")), (f:gsub("return g", "\n-- why\nreturn g")) } do
      assert.equal(expected, (script(text .. ")")))
      assert.same({}, computed())
    end
  end)

  it("is used all the same with resume = 'force', which then is its function", function()
    local other = f:gsub("%+ 1", "+ 2")
    assert.equal(expected .. "4 10 nil nil\n", (script(other:gsub("{ 1, 2, 3 }", "{ 1, 2, 3, 4 }") .. ", { resume = 'force' })")))
    assert.same({ 4 }, computed())
    assert.equal(expected, (script(other .. ")")))
    assert.same({}, computed())
    local out = script(f .. ")")
    assert.matches("holds 4 results of another function", out)
  end)

  it("is thrown away with resume = false", function()
    assert.equal("1 4 nil nil\n2 6 nil nil\n3 8 nil nil\n", (script((f:gsub("%+ 1", "+ 2")) .. ", { resume = false })")))
    assert.same({ 1, 2, 3 }, computed())
    refused(f .. ")")
    script(f .. ", { resume = false })")
    assert.same({ 1, 2, 3 }, computed())
    script(f .. ", { resume = false })")
    assert.same({ 1, 2, 3 }, computed())
  end)

  it("computes again what leads to the old function, even with resume = 'force'", function()
    local g = [[
      local A, B = { name = "A" }, { name = "B" }
      run(function(x)
        computed(x)
        return x % 2 == 0 and setmetatable({}, A) or x
      end, { 1, 2, 3 }, { journal = journal .. "2", resume = "force" })
    ]]
    script(g)
    assert.same({ 1, 2, 3 }, computed())
    script(g)
    assert.same({}, computed())
    script((g:gsub("or x", "or B.name"))) -- what was its second upvalue may be its third now
    assert.same({ 2 }, computed())
    os.remove(journal .. "2")
  end)

  it("is taken when it has no result", function()
    local empty = f:gsub("{ 1, 2, 3 }", "{}")
    os.remove(journal)
    script(empty .. ")")
    assert.equal("", (script((empty:gsub("%+ 1", "+ 2")) .. ")")))
  end)
end)

describe("a journal that cannot be had", function()
  local function complaint(options)
    local ok, err = pcall(function() fast_map.map(function(x) return x end, { 1 }, options) end)
    assert.is_false(ok)
    return err:match "^tests/journal_spec%.lua:%d+: (.*)"
  end

  it("is refused at the line of the call", function()
    local ok, err = pcall(function() local _ = fast_map(print, {}, { journal = "/nowhere/at/all" }) end)
    assert.is_false(ok)
    local line = debug.getinfo(1, "l").currentline - 2
    assert.equal(("tests/journal_spec.lua:%d: fast_map: the journal \"/nowhere/at/all\" cannot be opened: "
      .. "No such file or directory"):format(line), err)
    ok, err = pcall(function() local _ = fast_map.fast_map_async(print, {}, { journal = "/" }) end)
    assert.is_false(ok)
    assert.equal(("tests/journal_spec.lua:%d: fast_map_async: the journal \"/\" cannot be opened: Is a directory"):format(line + 5), err)
  end)

  it("because it may not be written", function()
    fast_map.map(function(x) return x end, { 1 }, { journal = journal })
    assert(os.execute("chmod 400 " .. journal))
    if os.execute("test -w " .. journal) then return pending "who runs this may write every file" end
    assert.matches("cannot be opened: Permission denied$", complaint { journal = journal })
  end)

  it("because its name is none", function()
    assert.equal("option 'journal' must be the name of a file, got \"\"", complaint { journal = "" })
    assert.equal("option 'journal' must be the name of a file, got true", complaint { journal = true })
    assert.equal("option 'resume' must be true or false or \"force\", got \"yes\"", complaint { journal = journal, resume = "yes" })
  end)

  it("because it is a device", function()
    assert.equal('fast_map.map: the journal "/dev/full" is not a regular file', complaint { journal = "/dev/full" })
  end)

  it("because it is some other file, which stays as it is", function()
    for _, text in ipairs { "my notes\n", "\0\0\0", "fast_map journal 99\nxyz" } do
      write_all(journal, text)
      for _, resume in ipairs { true, false, "force" } do
        assert.matches("is some other file: no journal of this version of fast_map$", complaint { journal = journal, resume = resume })
      end
      assert.equal(text, read_all(journal))
    end
  end)

  it("because another map has it", function()
    local function f(x) return x end
    local handle = fast_map.fast_map_async(f, { 1, 2 }, { journal = journal, callbacks = "polled" })
    assert.matches("is in use by another map, of this or of another process$", complaint { journal = journal })
    handle:join()
    assert.same({ 1, 2, n = 2 }, fast_map.map(f, { 1, 2 }, { journal = journal, resume = "force" }))
    handle = fast_map.fast_map_async(f, { 1, 2 }, { journal = journal, resume = "force" })
    handle:cancel()
    assert.same({ 1, 2, n = 2 }, fast_map.map(f, { 1, 2 }, { journal = journal, resume = "force" }))
  end)

  it("because another process has it", function()
    local out = script [[
      for _ in fast_map(function(x) return x end, { 1, 2 }, { journal = journal }) do
        local script = "local m = require 'fast_map' print(pcall(m.map, function(x) return x end, {1}, {journal = '" .. journal .. "'}))"
        local file = io.open(base .. ".copy", "w")
        file:write(script)
        file:close()
        os.execute((os.getenv "TEST_HOST" or os.getenv "FMLUA" or "lua5.4") .. " " .. base .. ".copy")
        break
      end
    ]]
    assert.matches("^false\t.*is in use by another map, of this or of another process\n$", out)
  end)

  it("but not because of a map that was dropped", function()
    local function f(x) return x end
    fast_map(f, { 1, 2, 3 }, { journal = journal })
    assert.same({ 1, 2, n = 2 }, fast_map.map(f, { 1, 2 }, { journal = journal }))
    for _ in fast_map(f, { 1, 2, 3 }, { journal = journal }) do break end
    pcall(function() for _ in fast_map(f, { 1, 2, 3 }, { journal = journal }) do error "left" end end)
    assert.same({ 1, 2, n = 2 }, fast_map.map(f, { 1, 2 }, { journal = journal }))
  end)

  it("because the disk is full, which costs nothing that was there", function()
    local f = "run(function(x) return ('x'):rep(200) .. x end, fast_map.range(1, 200), { threads_limit = 1 })"
    local out, code = script(f, "trap '' XFSZ; ulimit -f 8;")
    assert.equal(1, code)
    assert.matches("%.lua:%d+: the journal '[^\n]*%.journal' cannot be written: File too large", out)
    local size = #read_all(journal)
    assert.is_true(size > 0 and size <= 8192, size)
    local _, delivered = out:gsub("%d+ x+%d+ nil nil\n", "")
    local _, records = read_all(journal):gsub("\250JR\n", "")
    assert.is_true(records - 1 >= delivered, records)
    local again = script(f)
    assert.equal(lines_of(1, 200, function(i) return i .. " " .. ("x"):rep(200) .. i .. " nil nil" end), again)
    assert.is_true(#read_all(journal) > 200 * 200)
  end)

  it("because the disk is full at the beginning", function()
    local out = script("run(function(x) return x end, { 1 })", "trap '' XFSZ; ulimit -f 0;")
    assert.matches("", out) -- its output is a file, too
    assert.equal("", read_all(journal))
  end)
end)
