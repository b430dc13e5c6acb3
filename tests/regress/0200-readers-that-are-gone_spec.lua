-- `... | head -1`: SIGPIPE ended worker after worker, and the script went on, with a crash for each line.

local HOST = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "./fmlua"

local function read_all(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

-- Runs a script in a shell command, where %s stands for it. Returns what its stdout gave to that command, its exit code as a
-- shell tells it, and its stderr.
local function run(code, how)
  local base = os.tmpname()
  local file = assert(io.open(base, "wb"))
  file:write('local fast_map = require "fast_map"\n', code)
  file:close()
  local script = ("{ timeout -k 5 60 '%s' %s 2>%s.err; echo $? >%s.code; }"):format(HOST, base, base, base)
  os.execute(("exec >%s.out; %s"):format(base, how:format(script)))
  local out, err, status = read_all(base .. ".out"), read_all(base .. ".err"), tonumber(read_all(base .. ".code"))
  for _, ending in ipairs { "", ".out", ".err", ".code" } do os.remove(base .. ending) end
  return out, status, err
end

-- It waits until the reader is gone only by printing: endlessly, if nobody ends it.
local ENDLESS = [[
for i, v, err in fast_map(function(i) print(i) end, fast_map.range(1, 1e15), { on_error = "return", output = OUTPUT }) do
  if err then io.stderr:write(tostring(err), "\n") end
end
]]

describe("a reader of the script's output that is gone", function()
  for _, output in ipairs { "line", "tag", "group" } do
    it(("ends the script as it ends a script without workers (output = %q)"):format(output), function()
      local out, status, err = run(ENDLESS:gsub("OUTPUT", '"' .. output .. '"'), "%s | head -n 1")
      assert.matches("^%S[^\n]*\n$", out)
      assert.equal(141, status, err)
      assert.equal("", err)
    end)
  end

  it("ends it from within a map of a task, too", function()
    local _, status, err = run([[
local function f() fast_map.map(function(i) print(i) end, fast_map.range(1, 1e15), { on_error = "return" }) end
fast_map.map(f, { 1, 2 })
]], "%s | head -n 1")
    assert.equal(141, status, err)
    assert.equal("", err)
  end)

  it("does not end a script that ignores SIGPIPE", function()
    local _, status, err = run([[
local function f() return io.write(("x"):rep(1e5), "\n") == nil end
os.execute "sleep 0.3"
io.stderr:write(tostring(fast_map.map(f, { 1 })[1]))
]], "trap '' PIPE; %s | :")
    assert.equal(0, status, err)
    assert.equal("true", err)
  end)

  it("is told from one that a task has for itself", function()
    local out, status, err = run([[
local function f()
  local gone = io.popen("exec true", "w")
  while true do gone:write(("x"):rep(1000)) end
end
for i, v, err in fast_map(f, { 1 }, { on_error = "return" }) do print(i, v, err and err.kind) end
]], "%s | cat")
    assert.equal("1\tnil\tcrash\n", out)
    assert.equal(0, status, err)
  end)
end)
