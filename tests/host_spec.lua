-- host_spec.lua - fmlua as a program: what `lua` does with its options, scripts, errors and signals, fmlua does too.

local FMLUA = os.getenv "FMLUA" or "./fmlua"

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local scratch = {}

-- A scratch file with this text; removed after the test.
local function file(text)
  local name = os.tmpname()
  local f = assert(io.open(name, "w"))
  f:write(text)
  f:close()
  scratch[#scratch + 1] = name
  return name
end

local function content(name)
  local f = assert(io.open(name))
  local text = f:read "a"
  f:close()
  return text
end

-- Runs a shell command in which FM is fmlua. Returns what went to stdout, what to stderr, and the exit code.
local function shell(command, input)
  local out, err = file "", file ""
  local source = input and file(input) or "/dev/null"
  local _, _, code = os.execute(("FM=%s; { %s\n} >%s 2>%s <%s"):format(quote(FMLUA), command, out, err, source))
  return content(out), content(err), code
end

-- Runs fmlua with these arguments.
local function run(...)
  local words = {}
  for i, word in ipairs { ... } do
    words[i] = quote(word)
  end
  return shell('"$FM" ' .. table.concat(words, " "))
end

describe("fmlua", function()
  after_each(function()
    for i, name in ipairs(scratch) do
      os.remove(name)
      scratch[i] = nil
    end
  end)

  describe("with options", function()
    it("runs -e statements and -l libraries in their order, then the script", function()
      local script = file "print(x, s.rep('a', 3), m.max(1, 2))"
      local out = run("-e", "x = 1", "-ex = x + 1", "-l", "s=string", "-lm=math", script)
      assert.equal("2\taaa\t2\n", out)
    end)

    it("requires -l libraries into globals of their names", function()
      local out = run("-l", "fast_map.range", "-e", "print(type(_G['fast_map.range']))")
      assert.truthy(out == "table\n" or out == "function\n")
    end)

    it("leaves the version of a -l library out of its global's name, unless the name is given", function()
      local folder = os.tmpname()
      os.remove(folder)
      assert(os.execute("mkdir " .. folder))
      local module = folder .. "/mod-v2.lua"
      os.rename(file "return { id = ... }", module)
      local out, err = shell(([[cd %s && "$FM" -l mod-v2 -lm-n=mod-v2 -e 'print(mod.id, _G["m-n"] == mod, _G["mod-v2"])']])
        :format(folder))
      os.remove(module)
      os.remove(folder)
      assert.equal("mod-v2\ttrue\tnil\n", out, err)
    end)

    it("stops at the first option that fails", function()
      local out, err, code = run("-e", "print(1)", "-e", "error('no', 0)", "-e", "print(2)")
      assert.equal("1\n", out)
      assert.truthy(err:find(FMLUA .. ": no\nstack traceback:", 1, true))
      assert.equal(1, code)
    end)

    it("shows the version of Lua with -v and runs nothing else", function()
      local out, err, code = run "-v"
      assert.truthy(out:find "^Lua 5%.4%.%d+  Copyright %(C%) 1994%-%d+ Lua%.org, PUC%-Rio\n$")
      assert.equal("", err)
      assert.equal(0, code)
    end)

    it("shows its version and Lua's with --version", function()
      local out, _, code = run "--version"
      assert.truthy(out:find "^fmlua %d+%.%d+%.%d+ .*\nLua 5%.4%.%d+")
      assert.equal(0, code)
    end)

    it("shows all of its options and an example in one screen with --help", function()
      local out, err, code = run "--help"
      for _, option in ipairs { "-e", "-i", "-l", "-v", "-E", "-W", "--", "-", "--help", "--version", "--progress" } do
        assert.truthy(out:find("\n  " .. option .. " ", 1, true), option)
      end
      assert.truthy(out:find("fast_map(", 1, true))
      local _, lines = out:gsub("\n", "")
      assert.truthy(lines <= 40, lines)
      assert.equal("", err)
      assert.equal(0, code)
    end)

    it("shows how far maps are with --progress, unless the script says not to", function()
      local code = [[local function nap() fast_map.sleep(1.2) end
        fast_map.map(nap, { 1 }, %s) require("fast_map").map(nap, { 1 })]]
      local out, err = run("--progress", "-e", code:format "{}")
      local _, lines = err:gsub("[^\n]+ 0/1 [^\n]+\n[^\n]+ 1/1 [^\n]+\n", "")
      assert.equal("", out)
      assert.equal(2, lines, err)
      _, err = run("--progress", "-e", code:format "{progress = false}")
      _, lines = err:gsub("1/1", "")
      assert.equal(1, lines, err)
      assert.equal("", select(2, run("-e", code:format "{}")))
    end)

    it("names the package of a module that is not found", function()
      for _, words in ipairs { { "-l", "cjson.nosuch" }, { "-e", "require 'cjson.nosuch'" } } do
        local _, err, code = run(table.unpack(words))
        assert.truthy(err:find("\n\tDebian: apt install lua-cjson\nstack traceback:", 1, true), err)
        assert.equal(1, code)
      end
    end)

    it("refuses wrong options with its name, the option and the usage", function()
      for _, option in ipairs { "-h", "---", "-Ex", "-vv", "-iv", "--nothing" } do
        local out, err, code = run(option)
        assert.equal("", out)
        assert.truthy(err:find(FMLUA .. ": unrecognized option '" .. option .. "'\nusage: ", 1, true), err)
        assert.equal(1, code)
      end
      for _, option in ipairs { "-e", "-l" } do
        local _, err = run(option)
        assert.truthy(err:find("'" .. option .. "' needs argument", 1, true))
        _, err = run(option, "-v")
        assert.truthy(err:find("'" .. option .. "' needs argument", 1, true))
      end
    end)

    it("turns warnings on with -W only", function()
      local _, err = run("-e", "warn 'x'")
      assert.equal("", err)
      _, err = run("-W", "-e", "warn 'x'")
      assert.equal("Lua warning: x\n", err)
    end)

    it("takes -- as the end of the options, and - as stdin", function()
      local out = shell('"$FM" - -h', "print(arg[1], ...)")
      assert.equal("-h\t-h\n", out)
      out = shell(('cp %s ./-fm.$$; "$FM" -- -fm.$$ a; rm ./-fm.$$'):format(file "print(...)"))
      assert.equal("a\n", out)
    end)
  end)

  describe("with a script", function()
    it("gives it its arguments in ... and arg, with what stands before it at negative indices", function()
      local script = file [[
        local a, b = ...
        assert(a == "a" and b == "b" and select("#", ...) == 2 and #arg == 2 and arg[1] == "a" and arg[2] == "b")
        print(arg[-3], arg[-2], arg[-1], arg[0], arg[-4])
      ]]
      local out = run("-e", " ", "--", script, "a", "b")
      assert.equal("-e\t \t--\t" .. script .. "\t" .. FMLUA .. "\n", out)
    end)

    it("passes on what the options made of arg", function()
      assert.equal("100\n", (shell('"$FM" -e "arg[1] = 100" -', "print(...)")))
      local _, err, code = shell('"$FM" -e "arg = 1" -', "")
      assert.truthy(err:find("'arg' is not a table", 1, true))
      assert.equal(1, code)
    end)

    it("skips a first line that starts with # and counts it", function()
      assert.equal("2\n", (run(file "#!/usr/bin/env fmlua\nprint(debug.getinfo(1).currentline)")))
      assert.equal("", (run(file "#only a comment")))
    end)

    it("runs as the interpreter in a #! line", function()
      local script = file("#!" .. FMLUA .. "\nprint(arg[0] ~= nil, ...)\n")
      assert.equal("true\tx y\n", (shell("chmod +x " .. script .. " && " .. script .. " 'x y'")))
    end)

    it("runs precompiled scripts", function()
      local out = file ""
      run("-e", ("io.open(%q, 'wb'):write(string.dump(function(...) print('compiled', ...) end)):close()"):format(out))
      assert.equal("compiled\t7\n", (run(out, "7")))
    end)

    it("says which file it cannot open", function()
      local _, err, code = run "/nonexistent/script.lua"
      assert.truthy(err:find(FMLUA .. ": cannot open /nonexistent/script.lua", 1, true))
      assert.equal(1, code)
    end)

    it("runs stdin when it is no terminal", function()
      local out, err, code = shell('"$FM"', "print(1)\nerror 'x'")
      assert.equal("1\n", out)
      assert.truthy(err:find("stdin:2: x\nstack traceback:", 1, true))
      assert.equal(1, code)
    end)

    it("ends with the exit code the script gives", function()
      local codes = { ["true"] = 0, ["false"] = 1, ["7"] = 7, ["nil, true"] = 0, ["3, true"] = 3 }
      for expression, expected in pairs(codes) do
        local _, _, code = run("-e", "os.exit(" .. expression .. ")")
        assert.equal(expected, code, expression)
      end
    end)

    it("flushes and finalizes at the end", function()
      local out = file ""
      local script = file(([[
        setmetatable({}, { __gc = function() io.stderr:write("collected ") end })
        local x <close> = setmetatable({}, { __close = function() io.stderr:write("closed ") end })
        io.output(%q); io.write("text")
      ]]):format(out))
      local _, err = run(script)
      assert.equal("closed collected ", err)
      assert.equal("text", content(out))
    end)
  end)

  describe("with errors", function()
    it("shows syntax errors without a traceback", function()
      local _, err = run("-e", "x x")
      assert.equal(FMLUA .. ": (command line):1: syntax error near 'x'\n", err)
    end)

    it("shows objects by __tostring, and other values by their type", function()
      local _, err = run("-e", "error(setmetatable({}, { __tostring = function() return 'readable' end }))")
      assert.equal(FMLUA .. ": readable\n", err)
      _, err = run("-e", "error {}")
      assert.truthy(err:find("(error object is a table value)\nstack traceback:", 1, true))
      _, err = run("-e", "error()")
      assert.truthy(err:find("(error object is a nil value)", 1, true))
    end)

    it("shows the lines of the script in the traceback", function()
      local script = file "local function f()\n  error 'deep'\nend\nf()\n"
      local _, err = run(script)
      assert.truthy(err:find(script .. ":2: deep\nstack traceback:", 1, true))
      assert.truthy(err:find(script .. ":4: in main chunk", 1, true))
    end)
  end)

  describe("with environment variables", function()
    it("runs LUA_INIT_5_4 rather than LUA_INIT, and files after @", function()
      assert.equal("2\n", (shell [[LUA_INIT='x = 1' LUA_INIT_5_4='x = 2' "$FM" -e 'print(x)']]))
      assert.equal("1\n", (shell(([[LUA_INIT=@%s "$FM" -e 'print(x)']]):format(file "x = 1"))))
    end)

    it("names LUA_INIT in its errors, and then runs nothing", function()
      local out, err, code = shell [[LUA_INIT='error "msg"' "$FM" -e 'print(1)']]
      assert.equal("", out)
      assert.truthy(err:find("LUA_INIT:1: msg", 1, true))
      assert.equal(1, code)
    end)

    it("takes LUA_PATH and LUA_CPATH, with ;; as the default", function()
      local default = shell [[env -u LUA_PATH -u LUA_CPATH "$FM" -e 'io.write(package.path)']]
      assert.equal("x;" .. default, (shell [[LUA_PATH='x;;' "$FM" -e 'io.write(package.path)']]))
      assert.equal("y", (shell [[LUA_CPATH=x LUA_CPATH_5_4=y "$FM" -e 'io.write(package.cpath)']]))
    end)

    it("ignores them all with -E", function()
      local default = shell [[env -u LUA_PATH "$FM" -e 'io.write(package.path)']]
      local out, err = shell [[LUA_INIT='error "no"' LUA_PATH=x "$FM" -E -e 'io.write(package.path)']]
      assert.equal(default, out)
      assert.equal("", err)
    end)
  end)

  describe("in interactive mode", function()
    local function interact(input, options)
      return shell('"$FM" -i ' .. (options or ""), input)
    end

    it("prints the values of expressions and of =expressions", function()
      local out = interact "1 + 1\n='a', nil\nx = 3\nx\nprint 'p'\n"
      for _, line in ipairs { "2", "a\tnil", "3", "p" } do
        assert.truthy(out:find("\n" .. line .. "\n", 1, true), line)
      end
    end)

    it("asks for more while a statement is incomplete", function()
      local out = interact "x = 4 +\n\n5\nfor i = 1, 2 do\nprint('i', i)\nend\nx\n"
      assert.truthy(out:find("\ni\t1\ni\t2\n", 1, true))
      assert.truthy(out:find("\n9\n", 1, true))
      assert.truthy(out:find(">> ", 1, true))
    end)

    it("shows errors without its name and goes on", function()
      local out, err, code = interact "error 'here'\nx x\n'after'\n"
      assert.truthy(err:find "^stdin:1: here\nstack traceback:.*\nstdin:1: syntax error near 'x'\n$")
      assert.truthy(out:find("\nafter\n", 1, true))
      assert.equal(0, code)
    end)

    it("prints through the global print, and survives its absence", function()
      local out = interact("1\n", [[-e "print = function(...) io.write('mine ', ..., '\n') end"]])
      assert.truthy(out:find("mine 1\n", 1, true))
      local _, err = interact("1\n", "-e 'print = nil'")
      assert.truthy(err:find("error calling 'print' (attempt to call a nil value)", 1, true))
    end)

    it("takes its prompts from _PROMPT and _PROMPT2, objects too", function()
      local prompts = "_PROMPT = 'first: '; _PROMPT2 = setmetatable({}, {__tostring = function() return 'more: ' end})"
      local out = interact("x =\n1\n", "-e " .. quote(prompts))
      assert.truthy(out:find("first: .*more: .*first: "))
    end)

    it("starts after the script, whose globals it sees", function()
      local out = shell('"$FM" -i ' .. file "g = 'from the script'", "g\n")
      assert.truthy(out:find("\nfrom the script\n", 1, true))
    end)

    -- A terminal of its own, by script(1): what is typed, and an end of file.
    local function type_in(text, history)
      if shell "script -qec true /dev/null" ~= "" then pending "script(1) is not here" end
      local command = "printf %%s %s | FMLUA_HISTORY=%s TERM=dumb script -qec \"$FM\" /dev/null"
      return shell(command:format(quote(text), history))
    end

    it("starts on a terminal, with the version", function()
      local out = type_in("1+41\n", file "")
      assert.truthy(out:find "Lua 5%.4.*\n[^\n]*42\r\n")
    end)

    it("keeps a history, one entry a statement, that only its user may read", function()
      local history = os.tmpname()
      os.remove(history)
      type_in("x = {\n7}\n", history)
      if not io.open(history) then pending "no line editor is installed" end
      scratch[#scratch + 1] = history
      assert.equal("x = { 7}\n", content(history))
      assert.equal("-rw-------", shell("ls -l " .. history):sub(1, 10))
    end)

    it("survives an expression that leaves a million values", function()
      local out, err = interact "table.unpack({}, 1, 1000000)\n'after'\n"
      assert.truthy(err ~= "" and out:find("\nafter\n", 1, true))
    end)
  end)

  describe("with Ctrl-C", function()
    -- Runs the statements in the background, and signals when they print "go".
    local function interrupt(statements)
      local pipe = os.tmpname()
      os.remove(pipe)
      scratch[#scratch + 1] = pipe
      return shell(([[
        mkfifo %s
        "$FM" -e 'io.stdout:setvbuf "line"' -e %s >%s &
        { read go; kill -INT $!; cat; } <%s
        wait $!
      ]]):format(pipe, quote(statements), pipe, pipe))
    end

    it("raises interrupted! at the line that runs, and exits with 130", function()
      local _, err, code = interrupt "print 'go'\nwhile true do\nend"
      assert.truthy(err:find("interrupted!\nstack traceback:", 1, true))
      assert.truthy(err:find("(command line):", 1, true))
      assert.equal(130, code)
    end)

    it("lets the script catch it and go on", function()
      local out, err, code = interrupt "print(pcall(function() print 'go' while true do end end))"
      assert.truthy(out:find "^false\t.*interrupted!\n$")
      assert.equal("", err)
      assert.equal(0, code)
    end)
  end)

  describe("as a host of modules", function()
    it("exports the whole interface of Lua to C modules", function()
      local out, err = run("-l", "lfs", "-l", "lpeg", "-e", "print(lfs.currentdir() ~= nil, lpeg.match(lpeg.P 'a', 'a'))")
      assert.equal("true\t2\n", out, err)
    end)

    it("carries the Lua files of fast_map inside", function()
      local out, err = shell [[cd / && LUA_PATH= LUA_CPATH= "$FM" -e 'print(type(require "fast_map.options"))']]
      assert.equal("table\n", out, err)
    end)

    it("has fast_map and fast_map_async as globals, the same as the module's", function()
      local out, err = shell [[cd / && LUA_PATH= LUA_CPATH= "$FM" -e '
        local m = require "fast_map"
        print(m == fast_map, m.fast_map_async == fast_map_async, type(fast_map_async))']]
      assert.equal("true\ttrue\tfunction\n", out, err)
    end)

    it("loads fast_map when it is first used, and no sooner", function()
      local out, err = run("-e", [[
        print(package.loaded.fast_map, package.loaded["fast_map.core"])
        local early = fast_map_async
        print(type(fast_map.range), package.loaded.fast_map == fast_map, fast_map_async == fast_map.fast_map_async)
        for _, name in ipairs { "range", "map", "fast_map_async" } do assert(rawget(fast_map, name), name) end
        early(print, {}):join()
      ]])
      assert.equal("nil\tnil\nfunction\ttrue\ttrue\n", out, err)
    end)

    it("blames the script's line for misuse, at the first use too", function()
      for _, call in ipairs { "fast_map(1, {})", "fast_map_async(1, {})", "fast_map.map(1, {})" } do
        local _, err = run("-e", "\n" .. call)
        assert.truthy(err:find(FMLUA .. ": (command line):2: ", 1, true), err)
      end
    end)

    it("shows readable file names in the tracebacks of fast_map's own files", function()
      local _, err = shell [["$FM" -e 'error(debug.getinfo(require("fast_map").map, "S").short_src, 0)']]
      assert.truthy(err:find(": fast_map/init.lua\n", 1, true), err)
    end)
  end)
end)
