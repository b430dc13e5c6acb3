-- map_command_spec.lua - fmlua map as it is used: between pipes.

local FMLUA = os.getenv "FMLUA" or "./fmlua"

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local scratch = {}

-- The name of a scratch file with this text; removed after the test.
local function file(text)
  local name = os.tmpname()
  local f = assert(io.open(name, "wb"))
  f:write(text)
  f:close()
  scratch[#scratch + 1] = name
  return name
end

local function content(name)
  local f = assert(io.open(name, "rb"))
  local text = f:read "a"
  f:close()
  return text
end

-- Runs a command of bash in which `map` is fmlua map; a failure anywhere in a pipe counts. Returns what went to stdout, what
-- to stderr, and the exit code.
local function bash(command)
  local out, err = file "", file ""
  local script = file(('set -o pipefail\nmap() { %s map "$@"; }\nFM=%s\n%s\n'):format(quote(FMLUA), quote(FMLUA), command))
  local _, _, code = os.execute(("bash %s >%s 2>%s </dev/null"):format(script, out, err))
  return content(out), content(err), code
end

-- All is well: stdout must be this, stderr empty.
local function gives(expected, command)
  local out, err, code = bash(command)
  assert.equal("", err)
  assert.equal(expected, out)
  assert.equal(0, code)
end

local function numbers(from, to, each)
  local lines = {}
  for i = from, to, each or 1 do lines[#lines + 1] = i .. "\n" end
  return table.concat(lines)
end

local function complains(message, command, expected_code)
  local out, err, code = bash(command)
  assert.equal("", out)
  assert.equal("fmlua map: " .. message .. "\n", err)
  assert.equal(expected_code or 255, code)
end

describe("fmlua map", function()
  after_each(function()
    for i, name in ipairs(scratch) do
      os.remove(name)
      scratch[i] = nil
    end
  end)

  describe("maps", function()
    it("lines to results, in order", function()
      gives(numbers(2, 20000, 2), "seq 10000 | map 'return line * 2'")
    end)

    it("with an expression, too", function()
      gives("2\n4\n6\n", "seq 3 | map 'line * 2'")
      gives("<a>\n<b>\n", [[printf 'a\nb' | map '"<" .. line .. ">" -- a comment']])
    end)

    it("to several results, parted by tabs, and to none", function()
      gives("1\t1\t\ttrue\n", "seq 3 | map 'if line == \"1\" then return line, index, nil, true end'")
      gives("", "seq 3 | map 'nil'")
      gives("", "map 'line' </dev/null")
      gives("\n\n", "printf '\\n\\n' | map 'line'")
      gives("1.0\n0.5\n", "seq 2 | map '1 / line'")
    end)

    it("long lines, odd bytes, and a last line without an end", function()
      gives("a\0b\nc\255\n", "printf 'a\\0b\\nc\\377' | map 'line'")
      gives("3000000\n1\n", "{ head -c 3000000 /dev/zero; printf '\\nx'; } | map '#line'")
      gives("a\nb\n.c.\n", "printf 'a\\nb\\0c\\0' | map -0 'line == \"c\" and \".c.\" or line'")
    end)

    it("words after :::, with arguments before them", function()
      gives("a1 x y\nb c2 x y\n", [[map 'line .. index, table.concat(arg, " ")' x y ::: a 'b c' | tr '\t' ' ']])
    end)

    it("with a function of a script", function()
      local job = file [[
        local count = 0
        local suffix = ...
        return function(line, index) count = count + 1 return line .. suffix .. arg[1], index end]]
      gives("a!!\t1\nb!!\t2\n", ("printf 'a\\nb\\n' | map -f %s !"):format(job))
    end)

    it("with modules that -l names", function()
      gives("6\n", "echo 3 | map -l string -lm=math 'm.tointeger(line) + #string.rep(\"a\", 3)'")
    end)

    it("with options anywhere, and -- before what is none", function()
      gives("1 -u x\n", [[map 'line .. " " .. table.concat(arg, " ")' --timeout 9 -- -u x ::: 1]])
      gives("-1\n", "map -j 1 -- '-line' ::: 1")
      gives("1\n2\n3\n", "seq 3 | map 'line' -f " .. file "return function(line) return line end")
    end)

    it("on as many threads as parallel would, by the CPUs", function()
      gives("", "for j in 1 +0 +1 -1000 0; do map 'return nil' -j $j ::: a b || exit; done")
      local read = dofile "lua/fast_map/arguments.lua".read
      local cpus = require "fast_map".cpus()
      for text, number in pairs { ["3"] = 3, ["+0"] = cpus, ["+2"] = cpus + 2, ["-1000"] = 1, ["0"] = math.maxinteger, ["50%"] = "50%" } do
        assert.equal(number, assert(read { "-j", text, "line" }).jobs)
        if text ~= "0" then assert.equal(number, assert(read { "line", "-P" .. text }).procs) end
      end
    end)

    it("on threads and processes as told", function()
      local pids = "local f = io.open('/proc/self/stat'):read 'n' fast_map.sleep(0.01) return f"
      local out = bash(("seq 50 | map -P 2 -j4 %s | sort -u"):format(quote(pids)))
      local _, count = out:gsub("\n", "")
      assert.is_true(count >= 1 and count <= 2, out)
    end)

    it("unordered when asked", function()
      local out = bash "seq 2 | map -u -j 2 'if line == \"1\" then fast_map.sleep(0.3) end return line'"
      assert.equal("2\n1\n", out)
    end)

    it("in order also when asked", function()
      gives("1\n2\n", "seq 2 | map -k -j 2 'if line == \"1\" then fast_map.sleep(0.1) end return line'")
    end)

    it("without its commands eating the lines", function()
      gives(numbers(1, 100), "seq 100 | map 'os.execute \"cat\" return line'")
    end)
  end)

  describe("with a stream", function()
    it("writes a result before the next line has come", function()
      gives("a1\nb2\n", [[
        coproc M { map 'line .. index'; }
        echo a >&"${M[1]}"; read -r -t 20 first <&"${M[0]}"; echo "$first"
        echo b >&"${M[1]}"; read -r -t 20 second <&"${M[0]}"; echo "$second"
        eval "exec ${M[1]}>&-"; wait]])
    end)

    it("writes a million results in a few large pieces", function()
      local out, err = bash [[seq 1000000 | strace -f -qq -c -e trace=write "$FM" map 'line' | cksum; seq 1000000 | cksum]]
      if err:find "not found" then return pending "no strace here" end
      local first, second = out:match "^([^\n]+)\n([^\n]+)\n$"
      assert.equal(second, first)
      local calls = 0
      for count in err:gmatch "%s(%d+)%s+%d*%s*write\n" do calls = calls + tonumber(count) end
      assert.is_true(calls < 50000, err)
    end)

    it("ends quietly when nobody reads on", function()
      local out, err = bash "yes 2>/dev/null | map 'line' | head -n 2"
      assert.equal("y\ny\n", out)
      assert.equal("", err)
      out, err = bash "trap '' PIPE; yes 2>/dev/null | map 'line' | head -n 2"
      assert.equal("y\ny\n", out)
      assert.equal("", err)
    end)

    it("ends with 130 at Ctrl-C, what was done is written", function()
      local out, err, code = bash [[
        mkfifo "$0.in"; exec 3<>"$0.in"; rm "$0.in"; : >"$0.out"
        set -m
        { exec "$FM" map 'line == "wait" and fast_map.sleep(60) or line' <&3; } >"$0.out" & job=$!
        printf '1\n2\nwait\n' >&3
        until [ "$(wc -l <"$0.out")" = 2 ]; do :; done
        kill -INT $job; wait $job; code=$?
        cat "$0.out"; rm "$0.out"; exit $code]]
      assert.equal("", err)
      assert.equal("1\n2\n", out)
      assert.equal(130, code)
    end)
  end)

  describe("when lines fail", function()
    it("tells their numbers, and how many by its status", function()
      local out, err, code = bash "seq 5 | map 'if line % 2 == 0 then error \"even\" end return line'"
      assert.equal("1\n3\n5\n", out)
      assert.equal("fmlua map: line 2 failed: code:1: even\nfmlua map: line 4 failed: code:1: even\n", err)
      assert.equal(2, code)
    end)

    it("has status 101 for more than 100", function()
      assert.equal(100, (select(3, bash "seq 100 | map 'error(line)'")))
      assert.equal(101, (select(3, bash "seq 101 | map 'error(line)'")))
      assert.equal(101, (select(3, bash "seq 1000 | map 'error(line)'")))
    end)

    it("tells of every kind of failure on one line", function()
      complains("line 1 timed out at code:1", "map --timeout 0.1 'while true do end' ::: a", 1)
      complains("line 1 failed: code:1: module 'no.such' not found", "map 'require \"no.such\"' ::: a", 1)
      complains("line 1 failed: the result is a table: return strings and numbers, or use --json", "map '{}' ::: a", 1)
      complains("line 1 failed: (error object is a table value)", "map 'error {}' ::: a", 1)
    end)

    it("tells all of a message that looks like its own end", function()
      local _, err = bash [[map 'error("a\n  in worker 7\n  in attempt 2, task 3", 0)' ::: x]]
      assert.equal("fmlua map: line 1 failed: a\n  in worker 7\n  in attempt 2, task 3\n", err)
    end)

    it("tries again as often as told", function()
      local name = file ""
      gives("3\n", ("map --retries 2 %s ::: a"):format(quote(([[
        local f = io.open("%s", "a"); f:write "x"; f:close()
        local n = #io.open("%s"):read "a"
        return n == 3 and n or error "again"]]):format(name, name):gsub("\n", " "))))
    end)

    it("ends at once, or reads no further, with --halt", function()
      local out, err, code = bash "yes | map --halt now,fail=1 'if index == 300 then error(\"no\", 0) end return index'"
      assert.equal(numbers(1, 299), out)
      assert.equal("fmlua map: line 300 failed: no\n", err)
      assert.equal(1, code)
      out, err, code = bash "yes | map --halt soon,fail=1 'index == 3 and error(\"no\", 0) or nil'"
      assert.equal("", out)
      assert.equal("fmlua map: line 3 failed: no\n", err)
      assert.equal(1, code)
      gives("1\n", "map --halt now,success=1 'index' < <(yes)")
    end)

    it("does not wait for a stream that it halts", function()
      local out = bash [[coproc M { map --halt soon,done=1 'line'; }
        echo a >&"${M[1]}"; cat <&"${M[0]}"]]
      assert.equal("a\n", out)
    end)
  end)

  describe("with --joblog", function()
    it("goes on with a log of GNU parallel's", function()
      local name = file("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"
        .. "1\t:\t1796070427.035\t     0.004\t0\t2\t0\t0\ta b\n"
        .. "2\t:\t1796070427,035\t    12,500\t0\t0\t1\t0\tfailed\n"
        .. "3\t:\t1796070427,035\t    12,500\t0\t0\t0\t0\tc\n")
      gives("failed\nd\n", ("printf 'a b\\nfailed\\nc\\nd\\n' | map --resume --joblog %s line"):format(name))
    end)

    it("writes the columns of GNU parallel", function()
      local name = file ""
      bash(("map --joblog %s 'fast_map.sleep(0.02) return line == \"b\" and error \"no\" or line' ::: a b c"):format(name))
      local log = content(name)
      assert.equal("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand", log:match "^[^\n]*")
      local started, seconds = log:match "\n1\t:\t(%d+%.%d%d%d)\t(%d+%.%d%d%d)\t1\t2\t0\t0\ta\n"
      assert.is_true(math.abs(started - os.time()) < 60)
      assert.is_true(tonumber(seconds) >= 0.02)
      assert.matches("\n2\t:\t%d+%.%d+\t%d+%.%d+\t1\t0\t1\t0\tb\n", log)
    end)

    it("resumes by the lines' text: those that are new or failed", function()
      local name = file ""
      bash(("map --joblog %s 'line == \"b\" and error \"no\" or line' ::: a b c"):format(name))
      gives("X\nb\na\n", ("map --joblog %s --resume 'line' ::: X a b c a"):format(name))
      gives("", ("map --joblog %s --resume 'line' ::: b a X c a"):format(name))
      local _, lines = content(name):gsub("\n", "")
      assert.equal(7, lines)
    end)

    it("shows with --dry-run what would be done", function()
      local name = file ""
      bash(("map --joblog %s 'line' ::: a b"):format(name))
      local log = content(name)
      gives("2\tc\n", ("map --dry-run --resume --joblog %s 'error()' ::: a c"):format(name))
      gives("1\ta\n", ("map --dry-run --joblog %s 'error()' ::: a"):format(name))
      assert.equal(log, content(name))
    end)

    it("starts anew without --resume", function()
      local name = file ""
      for _ = 1, 2 do gives("a\n", ("map --joblog %s 'line' ::: a"):format(name)) end
      local _, lines = content(name):gsub("\n", "")
      assert.equal(2, lines)
    end)

    it("does not believe a torn record", function()
      local name = file ""
      bash(("map --joblog %s 'line' ::: a abc"):format(name))
      local log = content(name)
      for cut = 1, #log do
        local f = assert(io.open(name, "wb"))
        f:write(log:sub(1, cut))
        f:close()
        if cut > #log - 12 or cut % 29 == 0 then
          local expected = cut == #log and "" or log:sub(1, cut):find "\ta\n" and "abc\n" or "a\nabc\n"
          gives(expected, ("map --joblog %s --resume 'line' ::: a abc"):format(name))
          gives("", ("map --joblog %s --resume 'line' ::: a abc"):format(name))
        end
      end
    end)

    it("keeps lines with ends of lines on one", function()
      local name = file ""
      gives("a\nb\n", ("printf 'a\\nb\\0' | map -0 --joblog %s 'line'"):format(name))
      gives("c\n", ("printf 'a\\nb\\0c\\0' | map -0 --resume --joblog %s 'line'"):format(name))
      gives("a\\nb\n\\n\n", ("printf 'a\\\\nb\\0\\\\n\\0a\\nb\\0' | map -0 --resume --joblog %s 'line'"):format(name))
      gives("\n\n", ("printf '\\\\n\\0\\n\\0' | map -0 --resume --joblog %s 'line'"):format(name))
    end)
  end)

  describe("with --json", function()
    local has_cjson = pcall(require, "cjson")

    it("takes and gives a value a line", function()
      if not has_cjson then return pending "no lua-cjson here" end
      gives('{"sum":3}\n"x"\n', [[printf '[1,2]\n{"a":"x"}\n"nothing"\n' | map --json '
        if line[1] then return { sum = line[1] + line[2] } end return line.a']])
    end)

    it("says which line is none, and what one result is", function()
      if not has_cjson then return pending "no lua-cjson here" end
      local _, err, code = bash [[printf '{}\n{\n' | map --json 'line']]
      assert.matches("^fmlua map: line 2 failed: the line is no JSON: ", err)
      assert.equal(1, code)
      complains("line 1 failed: returned 2 values; with --json a result is one value: return a table",
        "echo 1 | map --json 'line, 2'", 1)
    end)

    it("names the package when cjson is missing", function()
      complains("--json needs the Lua module cjson (Debian: apt install lua-cjson)",
        "LUA_PATH='/nowhere/?.lua' LUA_CPATH='/nowhere/?.so' map --json 'line'")
    end)
  end)

  describe("used wrongly", function()
    it("says what is wrong and how it is right", function()
      complains("no code: what shall be done with each line? --help shows how", "map")
      complains("unknown option '--timout', did you mean '--timeout'?", "map --timout 3 line")
      complains("unknown option '--time', did you mean '--timeout'?", "map --time 3 line")
      complains("unknown option '-x'; --help shows all; what is no option goes after --", "map -x line")
      complains("unknown option '--tag'; --help shows all; what is no option goes after --", "map --tag line")
      local share = 'a positive integer, +N or -N (of the CPUs), or a percentage such as "50%"'
      complains("option '-j' must be 0 (no limit), " .. share .. ', got "many"', "map -j many line")
      complains("option '--procs' must be " .. share .. ', got "0"', "map --procs=0 line")
      complains("option '-P' must be " .. share .. ', got "0%"', "map -P0% line")
      complains("unknown option '-5'; --help shows all; what is no option goes after --", "map 'line + arg[1]' -5 ::: 1")
      complains("option '--timeout' needs an argument: a positive number of seconds", "map --timeout")
      complains("option '--json' takes no argument", "map --json=1 line")
      complains('option \'--halt\' must be never, or now or soon and a number, such as now,fail=1, got "now"', "map --halt now line")
      complains('option \'--halt\' must be never, or now or soon and a number, such as now,fail=1, got "now,fail=9999999999999999999"',
        "map --halt now,fail=9999999999999999999 line")
      complains("option '--resume' needs --joblog FILE", "map --resume line")
      complains("code:1: unexpected symbol near <eof>", "map 'return ('")
      complains("module 'socket.none' not found (Debian: apt install lua-socket)", "map -l socket.none line")
      complains("cannot open /no/such: No such file or directory", "map -f /no/such")
      local job = file "return 5"
      complains(job .. " must return a function, such as `return function(line, index) ... end`; it returned 5", "map -f " .. job)
      complains("cannot use the job log: /no/such: No such file or directory", "map --joblog /no/such line")
      complains("cannot read the standard input: Bad file descriptor", "map line <&-")
      complains("cannot read the standard input: Is a directory", "map line </tmp")
      complains("cannot write the results: No space left on device", "map line ::: a >/dev/full")
      complains("cannot write the results: Bad file descriptor", "map line ::: a >&-")
      complains("cannot read the standard input: Bad file descriptor", "map line <&-")
    end)

    it("still lets a script of that name be run", function()
      gives("script\n", [[d=$(mktemp -d); FM=$(realpath "$FM"); cd "$d"; echo 'print "script"' >map; "$FM" ./map; rm -r "$d"]])
    end)

    it("shows its options and examples in one screen with --help", function()
      local out, err, code = bash "map --help"
      for _, option in ipairs { "-f", "-l", "-j", "-P", "-0", "--json", "--unordered", "--progress", "--eta", "--timeout",
        "--retries", "--halt", "--joblog", "--resume", "--dry-run", "--help" } do
        assert.truthy(out:find(" " .. option, 1, true), option)
      end
      for line in out:gmatch "[^\n]+" do assert.is_true(#line <= 80, line) end
      local _, lines = out:gsub("\n", "")
      assert.is_true(lines <= 40)
      assert.equal("", err)
      assert.equal(0, code)
    end)
  end)
end)
