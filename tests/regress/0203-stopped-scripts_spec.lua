-- A script that Ctrl-Z or SIGSTOP had stopped left its workers computing, and the bar's region on the shell's terminal.

local screens = require "tests.screen"

local HOST = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "./fmlua"

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

-- Workers' states, as the kernel tells them, and what the script has written at its end, when `shell` runs: `$pid` is the
-- script there, and `states` a function that waits until all its workers are in a state that matches.
local function run(code, shell)
  local base = os.tmpname()
  write_all(base .. ".lua", 'local fast_map = require "fast_map"\n' .. code)
  write_all(base, [[
states() { # a pattern of sed
  n=0
  while [ $n -lt 300 ]; do
    n=$((n + 1))
    workers=$(cat /proc/$pid/task/$pid/children)
    list=$(for w in $workers; do sed 's/.*) \(.\).*/\1/' /proc/$w/stat; done | sort -u | tr -d '\n')
    case $list in $1) echo "$2"; return ;; esac
    sleep 0.1
  done
  echo "not $2: $list"
}
await() { until [ -s "$1" ]; do sleep 0.05; done; }
]] .. ("out=%s.out\n'%s' %s.lua >%s.out 2>&1 &\npid=$!\n"):format(base, HOST, base, base) .. shell .. "\nwait $pid\n")
  local pipe = io.popen("timeout -k 5 90 sh " .. base)
  local told = pipe:read "a"
  pipe:close()
  local out = read_all(base .. ".out")
  for _, ending in ipairs { "", ".lua", ".out" } do os.remove(base .. ending) end
  return told, out
end

local COMPUTE = [[
local function f(i)
  local stop = os.clock() + 3
  if i == 1 then io.write "begun\n" io.stdout:flush() end
  while os.clock() < stop do end
  return i
end
]]

describe("a script that is stopped", function()
  it("stops its workers, and goes on with them", function()
    local told, out = run(COMPUTE .. "for _, i in fast_map(f, { 1, 2, 3 }, { procs_limit = 2 }) do io.write(i, '\\n') end",
      "await $out\nkill -STOP $pid\nstates T stopped\nkill -CONT $pid\nstates '[RS]*' on")
    assert.equal("stopped\non\n", told)
    assert.equal("begun\n1\n2\n3\n", out)
  end)

  it("does so with the one task of a map", function()
    local told, out = run(COMPUTE .. "for _, i in fast_map(f, { 1 }) do io.write(i, '\\n') end",
      "await $out\nkill -STOP $pid\nstates T stopped\nkill -CONT $pid\nstates '[RS]*' on")
    assert.equal("stopped\non\n", told)
    assert.equal("begun\n1\n", out)
  end)

  local has_terminal = os.execute "script -qec true /dev/null >/dev/null 2>&1 </dev/null"

  it("leaves the terminal to the shell, and draws the bar anew", function()
    if not has_terminal then return pending "no program `script` here" end
    local base = os.tmpname()
    write_all(base .. ".lua", [[
local fast_map = require "fast_map"
local pid = require "fast_map.core".pid()
local drawn = 0
local function f(i)
  fast_map.sleep(0.02)
  if i == 50 then os.execute("kill -TSTP " .. pid) end
end
for _ in fast_map(f, fast_map.range(1, 100), { progress = true, threads_limit = 1 }) do end
]])
    local shell = "stty cols 200 rows 10 -onlcr\nexport TERM=xterm NO_COLOR=1\n'%s' %s.lua\necho SHELL\nfg >/dev/null\n"
    write_all(base .. ".sh", shell:format(HOST, base))
    os.execute(("SHELL=/bin/sh timeout -k 5 60 script -qec 'sh -m %s.sh' %s >/dev/null 2>&1 </dev/null"):format(base, base))
    local bytes = read_all(base):gsub("^Script started[^\n]*\n", ""):gsub("\n+Script done[^\n]*\n$", ""):gsub("%^D\b\b", "")
    for _, ending in ipairs { "", ".lua", ".sh" } do os.remove(base .. ending) end
    local before, after = bytes:match "^(.-)SHELL\r?\n(.*)$"
    assert.is_truthy(before, bytes)
    local screen = screens.new(200, 10)
    screen:write(before)
    assert.equal(10, screen.bottom)
    assert.equal("", screen.text[10])
    assert.matches("%d/100", after)
    screen:write(after)
    assert.equal(10, screen.bottom)
    assert.equal("", screen.text[10])
  end)
end)
