-- likeness_spec.lua - fmlua and `lua`, side by side: the same output, errors with lines and tracebacks, and exit codes.
-- host_spec.lua says what these are; here nothing is said but that they are the same.

local FMLUA = os.getenv "FMLUA" or "./fmlua"
local LUA = os.getenv "LUA" or "lua5.4"

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function read_all(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

-- Runs a shell command with HOST as $L in a scratch folder that has script.lua; all that it leaves, with the host's name and
-- addresses blanked, as one text.
local function trace(host, command, script)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  if script then
    local file = assert(io.open(folder .. "/script.lua", "wb"))
    file:write(script)
    file:close()
  end
  local line = ("cd %s && L=%s && { %s\n} >out 2>err </dev/null"):format(folder, quote(host), command)
  local _, how, code = os.execute("unset LUA_INIT LUA_INIT_5_4 LUA_PATH LUA_CPATH; " .. line)
  local text = ("%s\n--\n%s%s %d"):format(read_all(folder .. "/out"), read_all(folder .. "/err"), how, code)
  os.execute("rm -rf " .. folder)
  local plain = host:gsub("%W", "%%%0")
  return (text:gsub(plain, "HOST"):gsub("0x%x+", "ADDRESS"))
end

local function full_path(host)
  local pipe = assert(io.popen("command -v " .. host))
  local path = pipe:read "l"
  pipe:close()
  return path and (path:sub(1, 1) == "/" and path or os.getenv "PWD" .. "/" .. path)
end

local fmlua, lua = full_path(FMLUA), full_path(LUA)
local comparable = lua and trace(lua, '"$L" -v') == trace(fmlua, '"$L" -v') -- of one version

local function same(title, command, script)
  it(title, function()
    if not comparable then return pending "there is no lua of the same version" end
    assert.equal(trace(lua, command, script), trace(fmlua, command, script))
  end)
end

describe("fmlua does as lua does:", function()
  local deep = [[
    local t = setmetatable({}, { __index = function(_, k) error("no " .. k) end, __name = "thing" })
    local function f(...) return (t[...]) end
    function g(x) local y = f(x) return y end
    local co = coroutine.wrap(function() g "field" end)
    if ... == "co" then co() else g(... or "field") end]]

  same("tracebacks", '"$L" script.lua', deep)
  same("tracebacks through coroutines", '"$L" script.lua co', deep)
  same("tracebacks of deep recursion", '"$L" script.lua',
    "local function f(n) if n == 0 then error 'end' end return 1 + f(n - 1) end f(100)")
  same("stack overflow", '"$L" script.lua', "local function f() return 1 + f() end f()")
  same("names of things in errors", '"$L" script.lua', [[
    for _, text in ipairs { "return x.y.z", "local a a()", "return 1 + {}", "return #5", "return {} < {}", "return 1 // 0",
      "return ('x'):rep(-1, 2, 3):foo()", "string.rep()", "return math.floor('a')", "for i = 1, 10, 0 do end", "goto x" } do
      print(pcall(load(text, "=chunk") or error))
    end]])
  same("syntax errors", '"$L" script.lua; "$L" -e "x ="; "$L" -e "for"; "$L" -e "\'"', "local x <const> = 1\nx = 2\n")
  same("scripts that are not there", '"$L" nowhere.lua; "$L" .')
  same("error values", [["$L" -e 'error()'; "$L" -e 'error{}'; "$L" -e 'error("m", 0)'; "$L" -e 'error(12)'; "$L" -e 'error(nil, 2)']])
  same("exit codes", [["$L" -e 'os.exit(3)'; echo $?; "$L" -e 'os.exit(false)'; echo $?; "$L" -e 'os.exit(true, true)'; echo $?]])
  same("arg", '"$L" -e "" script.lua a "b c" ""; "$L" - x y < script.lua; "$L" script.lua', [[
    for i = -9, 9 do if arg[i] and i > 0 then io.write(i, "=", arg[i], ";") end end print(#arg, arg[0], ...)]])
  same("many arguments", '"$L" script.lua $(seq 2000)', "print(select('#', ...), #arg, (select(-1, ...)))")
  same("LUA_INIT", [[LUA_INIT='print(1)' "$L" -e 'print(2)'; LUA_INIT='error "x"' "$L" -e 'print(2)'; LUA_INIT=@script.lua "$L" -e '']],
    "print(debug.traceback())")
  same("LUA_INIT under -E", [[LUA_INIT='print(1)' "$L" -E -e 'print(2)']])
  same("paths", [["$L" -e 'print(package.path, package.cpath, package.config)'; LUA_PATH='a;;b' "$L" -e 'print(package.path)']])
  same("modules that are not there", [["$L" -l nothing; "$L" -e 'require "no.thing"']])
  same("modules that fail", [["$L" -l script; "$L" -lx=script; echo 'x x' > bad.lua; "$L" -l bad]], "error 'in the module'")
  same("stdin", [[echo 'print(..., "in")' | "$L" - a b; echo 'print "#"' | "$L"; printf '#!\nprint(1)' | "$L" -]])
  same("interactive mode on a pipe", [[
    printf '1+1\nx = 5\n=x\nerror "e"\nfor i = 1, 2 do\nprint(i)\nend\nx x\nreturn 1, nil\n' |
      "$L" -i 2>&1 | sed -e 's/^\(> \|>> \)*//' -e '/^[^ ]*$/!d']])
  same("warnings", [["$L" -W -e 'warn("a", "b")'; "$L" -e 'warn "@on" warn "x"'
    "$L" -W -e 'setmetatable({}, { __gc = function() error "gc" end })']])
  same("finalizers, closed variables and the end", '"$L" script.lua', [[
    setmetatable({}, { __gc = function() print "collected" end })
    local x <close> = setmetatable({}, { __close = function(_, e) print("closed", e) end })
    io.stdout:setvbuf "full" io.write "written "
    error "at the end"]])
  same("precompiled scripts", [["$L" -e 'io.open("c", "wb"):write(string.dump(loadfile "script.lua")):close()'
    "$L" c 1; "$L" - 2 < c]], "print('compiled', ...)")
  same("numbers and strings", '"$L" script.lua', [[
    print(1e15, 2^53, 1e100, -0.0, 0/0 ~= 0/0, math.mininteger, 5 // 0.0, -7 // 2, -7 % 3, 7 % -3, 3 | 4.0, "10" + 5)
    print(("%5.2f|%-5d|%q|%s|%x|%a"):format(3.14159, 42, "a\n\0", nil, 255, 1.0), ("x"):rep(3, ","), ("abc"):byte(1, -1))
    print(string.pack("<i4z", 7, "s"):byte(1, -1)) print(utf8.char(228, 8364), utf8.len "äö") print(table.concat({ 1, 2, 3 }, "-"))
    print(pcall(string.format, "%d", 1.5)) print(math.type(1), math.type(1.0), tostring(1e15), 0x7fffffffffffffff + 1)]])
  same("the garbage collector's mode", [["$L" -e 'print(collectgarbage "incremental")']])
end)
