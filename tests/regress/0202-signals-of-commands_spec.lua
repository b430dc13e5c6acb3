-- Commands of tasks ignored other signals than commands of the script do: SIGTTIN and SIGTTOU always, SIGINT and SIGQUIT
-- when another thread waited for a command; under nohup they did not ignore SIGHUP.

local HOST = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "./fmlua"

-- The signals that each kind of command blocks and ignores: of the script, and of tasks, also beside a command of another
-- thread. One line if they are all the same.
local PROGRAM = [[
local fast_map = require "fast_map"
local show = "grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -s '\n\t' '  '"
local function by_popen()
  local pipe = io.popen(show)
  local text = pipe:read "a"
  pipe:close()
  return text
end
local function by_execute()
  local name = os.tmpname()
  os.execute(show .. ">" .. name)
  local file = io.open(name)
  local text = file:read "a"
  file:close()
  os.remove(name)
  return text
end
local flag = os.tmpname()
os.remove(flag)
local function beside(i)
  if i == 1 then os.execute(("until [ -e %s ]; do sleep 0.02; done"):format(flag)) return end
  fast_map.sleep(0.2) -- the other's command may still start: then the test does not see the fault
  local text = { by_popen(), by_execute() }
  io.open(flag, "w"):close()
  return table.unpack(text)
end
local lines = { [by_popen()] = true, [by_execute()] = true }
for _, a, b in fast_map(function() return by_popen(), by_execute() end, { 1 }) do lines[a], lines[b] = true, true end
for i, a, b in fast_map(beside, { 1, 2 }, { procs_limit = 1 }) do
  if i == 2 then lines[a], lines[b] = true, true end
end
os.remove(flag)
for line in pairs(lines) do io.write(line, "\n") end
]]

local function run(how)
  local base = os.tmpname()
  local file = assert(io.open(base, "wb"))
  file:write(PROGRAM)
  file:close()
  local pipe = io.popen("timeout -k 5 60 setsid -w " .. how:format(("'%s' %s"):format(HOST, base)))
  local text = pipe:read "a"
  pipe:close()
  os.remove(base)
  return text
end

describe("commands of tasks", function()
  it("have the signals of the script's commands", function()
    assert.matches("^[^\n]+\n$", run "%s")
  end)

  it("have what nohup has the script ignore", function()
    local text = run "nohup %s 2>/dev/null"
    assert.matches("^SigBlk: %x+ SigIgn: %x+1 \n$", text)
  end)

  it("ignore and block what the script was started with", function()
    if not os.execute "env --ignore-signal=QUIT --block-signal=TERM true 2>/dev/null" then
      pending "no env that sets signals here"
      return
    end
    assert.matches("^SigBlk: 0*4000 SigIgn: %x+4 \n$", run "env --ignore-signal=QUIT --block-signal=TERM %s")
  end)
end)
