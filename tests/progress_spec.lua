-- progress_spec.lua - how far a map is: told to a function, drawn on a terminal, written into a log.

local fast_map = require "fast_map"
local progress = require "fast_map.progress"
local screens = require "tests.screen"

local HOST = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "./fmlua"

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function write_all(name, text)
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
end

local function read_all(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

-- Runs Lua code as a script of its own; `how` has %s where the command stands. Returns its outputs.
local function run(code, how)
  local base = os.tmpname()
  write_all(base, 'local fast_map = require "fast_map"\n' .. code)
  os.execute(("( %s ) >%s.out 2>%s.err </dev/null"):format((how or "%s"):format(quote(HOST) .. " " .. base), base, base))
  local out, err = read_all(base .. ".out"), read_all(base .. ".err")
  for _, ending in ipairs { "", ".out", ".err" } do os.remove(base .. ending) end
  return out, err
end

-- The same on a terminal of that size: all that was written to it.
local function on_terminal(code, columns, rows, environment, how)
  local inside = ("stty cols %d rows %d -onlcr; export TERM=xterm %s; %s"):format(columns, rows, environment or "NO_COLOR=",
    how or "exec %s")
  local base = os.tmpname()
  write_all(base .. ".lua", 'local fast_map = require "fast_map"\n' .. code)
  local command = inside:format(quote(HOST) .. " " .. base .. ".lua")
  os.execute(("SHELL=/bin/sh script -qec %s %s >/dev/null 2>&1 </dev/null"):format(quote(command), base))
  local bytes = read_all(base):gsub("^Script started[^\n]*\n", ""):gsub("\n+Script done[^\n]*\n$", "")
  os.remove(base)
  os.remove(base .. ".lua")
  return bytes:gsub("%^D\b\b", ""):gsub("\r?\n", "\r\n") .. ""
end

local has_terminal = os.execute "script -qec true /dev/null >/dev/null 2>&1 </dev/null"

local function on_a_terminal(title, test)
  it(title, has_terminal and test or function() pending "no program `script` here" end)
end

local function nap(i)
  fast_map.sleep(0.01)
  return i
end

local function figures(changes)
  local info = {
    done = 1234, failed = 0, pulled = 2000, total = 10000, elapsed = 61, rate = 20.4, eta = 3725, cpu = 1.87,
    processes = 2, finished = false,
  }
  for key, value in pairs(changes or {}) do info[key] = value end
  return info
end

describe("progress", function()
  describe("as a function", function()
    it("is told how far the map is, the last time after its end", function()
      local seen = {}
      local options = { progress = function(info) seen[#seen + 1] = info end, threads_limit = 2, on_error = "return" }
      local began = fast_map.now()
      fast_map.map(function(i) return i % 10 == 0 and error "no" or nap(i) end, fast_map.range(1, 60), options)
      assert.is_true(#seen >= 2 and #seen <= (fast_map.now() - began) * 10 + 2, #seen)
      local before = seen[1]
      assert.is_true(before.done < 60 and before.pulled >= before.done)
      assert.is_true(before.processes <= 2) -- none when they have left before all was handed over
      assert.is_true(before.elapsed > 0)
      if before.done > 0 then assert.is_true(before.rate > 0 and before.eta > 0) end -- a busy machine has done nothing yet
      for i, info in ipairs(seen) do
        assert.equal(i == #seen, info.finished)
        assert.equal(60, info.total)
        assert.is_true(info.done >= before.done)
        before = info
      end
      assert.same({ 60, 6, 60 }, { before.done, before.failed, before.pulled })
    end)

    it("is told the total only when somebody knows it", function()
      local first, last
      local function tell(info)
        first = first or info
        last = info
      end
      local n = 0
      local function input()
        n = n + 1
        return n <= 100 and n or nil
      end
      for _ in fast_map(nap, input, { progress = tell, buffersize = 2 }) do end
      assert.is_nil(first.total)
      assert.is_nil(first.eta)
      assert.equal(100, last.total)
    end)

    it("is told of endless inputs, too", function()
      local last
      for i in fast_map(nap, fast_map.range(1, math.huge), { progress = function(info) last = info end, procs_limit = 1 }) do
        if i > 20 then break end
      end
      assert.is_true(last.finished)
      assert.equal(21, last.done)
    end)

    it("ends the map by raising", function()
      local ok, err = pcall(fast_map.map, nap, fast_map.range(1, 1000), { threads_limit = 1, progress = function() error "enough" end })
      assert.is_false(ok)
      assert.matches("enough", err)
    end)

    it("is called while the script waits for callbacks", function()
      local calls, results = 0, 0
      local handle = fast_map.fast_map_async(nap, fast_map.range(1, 50), {
        threads_limit = 1, on_result = function() results = results + 1 end, progress = function() calls = calls + 1 end,
      })
      handle:join()
      assert.equal(50, results)
      assert.is_true(calls >= 2, calls)
    end)

    it("is called once for a map that is over at once", function()
      local calls = {}
      fast_map.map(nap, {}, { progress = function(info) calls[#calls + 1] = info end })
      assert.equal(1, #calls)
      assert.same({ 0, 0, true }, { calls[1].done, calls[1].total, calls[1].finished })
    end)

    it("sees a loop that takes its time", function()
      local calls = 0
      for _ in fast_map(function(i) return i end, fast_map.range(1, 40), { progress = function() calls = calls + 1 end }) do
        fast_map.sleep(0.02)
      end
      assert.is_true(calls >= 4, calls)
    end)
  end)

  describe("as a line", function()
    it("tells everything where there is room", function()
      assert.equal("[===>                          ]   12%  1,234/10,000  20.4/s  1:01  ETA 1:02:05  CPU 187%",
        progress.line(figures(), 89))
      assert.equal("get  [===>                            ]   12%  1,234/10,000  3 failed  20.4/s  1:01  ETA 1:02:05",
        (progress.line(figures { label = "get", failed = 3, cpu = false }, 96)))
    end)

    it("counts without a bar when nobody knows the end", function()
      local info = figures()
      info.total, info.eta = nil, nil
      assert.equal("1,234 done  20.4/s  1:01  CPU 187%", progress.line(info, 200))
    end)

    it("fits every width", function()
      for columns = 1, 150 do
        for _, changes in ipairs { {}, { label = "a long läbel" }, { done = 1 << 53, total = 1 << 60 }, { done = 0, rate = 0 } } do
          local line = progress.line(figures(changes), columns)
          assert.is_true(utf8.len(line) <= columns, line)
        end
      end
    end)

    it("shows odd figures", function()
      local function shown(changes) return progress.line(figures(changes), 200) end
      assert.matches("0%.6/min", shown { rate = 0.01 })
      assert.is_nil(shown({ done = 0, rate = 0 }):find "/min")
      assert.matches("1%.5M/s", shown { rate = 1.5e6 })
      assert.matches("150/s", shown { rate = 150 })
      assert.matches("ETA 100 days", shown { eta = 8640000 })
      assert.matches("ETA years", shown { eta = math.huge })
      assert.matches("0/0", shown { done = 0, total = 0 })
      assert.matches("100%%  11/10 ", shown { done = 11, total = 10 })
    end)
  end)

  describe("without a terminal", function()
    it("is a line now and then, and a last one", function()
      local out, err = run [[
        local function nap(i) fast_map.sleep(0.05) return i end
        for i in fast_map(nap, fast_map.range(1, 30), { threads_limit = 1, progress = "naps" }) do
          if i == 30 then print "end" end
        end]]
      assert.equal("end\n", out)
      local first, last, more = err:match "^(naps [^\n]*)\n(naps [^\n]*)\n(.*)$"
      assert.matches("%d+%%  %d+/30 ", first)
      assert.matches("100%%  30/30 ", last)
      assert.equal("", more)
      assert.is_nil(err:find "[\r\27]")
    end)

    it("is silent for a short map", function()
      local out, err = run "print(#fast_map.map(function(i) return i end, { 1, 2 }, { progress = true }))"
      assert.equal("2\n", out)
      assert.equal("", err)
    end)

    it("is silent in a task", function()
      local out, err = run [[
        local function inner(i) return #fast_map.map(fast_map.sleep, { 0.6, 0.6 }, { progress = true }) + i end
        for i, n in fast_map(inner, { 1 }) do print(i, n) end]]
      assert.equal("1\t1\n", out)
      assert.equal("", err)
    end)

    it("does not mind a stderr that is closed", function()
      local out = run("fast_map.map(fast_map.sleep, { 1.2 }, { progress = true }) print 'end'", "exec %s 2>&-")
      assert.equal("end\n", out)
    end)
  end)

  describe("on a terminal", function()
    local busy = [[
      local function task(i)
        fast_map.sleep(0.01)
        if i % 10 == 0 then print("task", i) end
        return i
      end
      for i in fast_map(task, fast_map.range(1, 100), { threads_limit = 2, progress = "busy" }) do
        if i % 5 == 0 then io.write("half ", i, " ") io.flush() end
        if i % 5 == 3 then print "line" end
      end
      print "\nend"]]

    on_a_terminal("keeps the last row, and what is printed stays whole", function()
      local bytes = on_terminal(busy, 70, 10)
      local screen = screens.new(70, 10)
      local frames = 0
      for before, frame in bytes:gmatch "(.-)(\0277.-\0278)" do
        screen:write(before .. frame)
        if frame:find "busy" then
          frames = frames + 1
          assert.matches("^busy  %[=*>? *%]  ", screen.text[10])
        end
      end
      screen:write(bytes:match ".*\0278(.*)$")
      assert.is_true(frames >= 2, frames)
      local silent = screens.new(70, 10)
      silent:write((bytes:gsub("\0277.-\0278", ""):gsub("\27D\27%[A", "")))
      assert.same(silent:lines(), screen:lines())
      assert.equal("end", screen:lines()[#screen:lines()])
      assert.equal(10, screen.bottom)
    end)

    on_a_terminal("is colored, unless NO_COLOR says not to", function()
      assert.matches("\27%[32m%[", (on_terminal(busy, 70, 10)))
      local bytes = on_terminal(busy, 70, 10, "NO_COLOR=1")
      assert.matches("busy  %[", bytes)
      assert.is_nil(bytes:find "\27%[%d*m")
    end)

    on_a_terminal("follows the size", function()
      local bytes = on_terminal([[
        for i in fast_map(fast_map.sleep, { 0.15, 0.35, 0.7 }, { progress = true }) do
          if i == 1 then os.execute "stty cols 30 rows 8 </dev/tty" end
        end]], 100, 20)
      assert.matches("\27%[1;19r\27%[20;1H", bytes)
      local frame = bytes:match "\27%[1;7r\27%[8;1H(.-)\27%[K"
      assert.is_true(#frame:gsub("\27%[%d*m", "") < 30, frame)
      assert.matches("\0277\27%[r\27%[8;1H\27%[2K\0278", bytes)
    end)

    on_a_terminal("leaves the terminal as it was, however the script ends", function()
      local farewell = "\0277\27%[r\27%[10;1H\27%[2K\0278[^\27]*$"
      local endings = { "error 'no'", "os.exit(true)", "os.exit(true, true)", "break", "os.execute 'kill $PPID' fast_map.sleep(9)" }
      for _, ending in ipairs(endings) do
        local bytes = on_terminal(([[
          for i in fast_map(fast_map.sleep, { 0.25, 9, 9 }, { progress = true }) do %s end]]):format(ending), 70, 10)
        assert.matches("0/3", bytes)
        assert.matches(farewell, bytes)
      end
    end)

    on_a_terminal("leaves the terminal to the job in its foreground", function()
      local code = "print(#fast_map.map(fast_map.sleep, { 0.1, 1.2 }, { progress = true }))"
      local bytes = on_terminal(code, 70, 10, nil, "set -m; %s & wait")
      assert.is_nil(bytes:find "\27", bytes)
      assert.is_nil(bytes:find "%d/2")
      assert.matches("^0", bytes)
    end)

    on_a_terminal("is one line at a time when the terminal cannot do better", function()
      local bytes = on_terminal("fast_map.map(fast_map.sleep, { 1.2 }, { progress = true })", 70, 10, "TERM=dumb")
      assert.is_nil(bytes:find "\27")
      assert.matches("0/1", bytes)
    end)
  end)
end)
