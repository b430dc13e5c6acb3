-- sweep.lua - what happens when the n-th call for memory, a process, a thread or a descriptor is refused: for all n, until
-- the script no longer needs as many. It may give its right answer or a Lua error; it may not crash, hang or leave anything.

local fast_map = require "fast_map"
local kit = dofile "tests/stress/kit.lua"

local M = {}

-- Each prints `right` at its end, or raises.
M.scripts = {
  map = [[
    local n = 0
    for i, v in fast_map(function(x) return x * 2, { x }, "text" end, { 1, 2, 3, 4 }, { procs_limit = 2 }) do
      n = n + 1
      assert(i == n and v == i * 2, "wrong result")
    end
    assert(n == 4, "lost results")
  ]],
  async = [[
    local n = 0
    local t = fast_map_async(function(x) return x * 2 end, { 1, 2, 3 }, { procs_limit = 2,
      on_result = function(i, v) n = n + 1 assert(i == n and v == i * 2, "wrong result") end })
    pcall(t.fd, t)
    t:join()
    assert(n == 3, "lost results")
  ]],
  crash = [[
    local n = 0
    for i, v, err in fast_map(function(x) if x == 2 then faulty.segfault() end return x * 2 end, { 1, 2, 3 },
      { procs_limit = 1, on_error = "return", timeout = 5, max_tasks_per_worker = 2 }) do
      n = n + 1
      assert(i == n and (v == i * 2 or failure.is(err)), "wrong result")
    end
    assert(n == 3, "lost results")
  ]],
  threads = [[
    local shared = { list = { 1, 2, 3 } }
    local n = 0
    for i, v in fast_map(function(x) fast_map.sleep(0.001) return x + #shared.list end, function(s, k) return 5 end,
      { procs_limit = 1, threads_limit = 3, buffersize = 3 }) do
      n = n + 1
      assert(i == n and v == 8, "wrong result")
      if n == 4 then break end
    end
  ]],
}

local before = [[
local failure = require "fast_map.failure" require "fast_map.handle" collectgarbage "stop" faulty.scarce(true)
local ok, err = pcall(function() ]]
local after = [[ end)
faulty.scarce(false)
local text = tostring(err)
if ok then print "right" else print("error: " .. text) end
if text:find "wrong result" or text:find "lost results" then os.exit(7) end
]]

local function calls(name)
  return (string.unpack("<I8", kit.read(name)))
end

--- One run with calls first..last failing (all from first on when last is math.huge). Returns what is wrong with it, or nil;
--- and whether it asked so often at all.
function M.try(script, first, last, only)
  local name = os.tmpname()
  kit.write(name, ("\0"):rep(64))
  local environment = ("LD_PRELOAD=%s SCARCE_AT=%d SCARCE_LAST=%d SCARCE_COUNT=%s SCARCE_ONLY=%s"):format(kit.scarce, first,
    last, name, only or "")
  local output, code, gone = kit.run(before .. script:gsub("\n", " ") .. after,
    { environment = environment, seconds = 20 })
  local made = calls(name)
  os.remove(name)
  local wrong
  if code == 124 or code == 137 then wrong = "hangs"
  elseif not gone then wrong = "leaves processes"
  elseif code == 1 and output:find "not enough memory\n$" then wrong = nil -- none even to catch that
  elseif code ~= 0 then wrong = "ends with " .. code
  elseif code == 0 and not output:find "^right\n$" and not output:find "^error: " then wrong = "says neither" end
  return wrong and ("%s (calls %d to %s of %s fail): %s"):format(wrong, first, last, only or "all", output), made >= first
end

--- All n with a step; returns a list of what is wrong.
function M.sweep(script, only, step, start)
  local wrong, n, reached = {}, start or 1, true
  while reached do
    local complaint
    complaint, reached = M.try(script, n, n, only)
    wrong[#wrong + 1] = complaint
    n = n + step
  end
  return wrong, n
end

local function main()
  local bad = 0
  for name, script in pairs(M.scripts) do
    if not arg[1] or arg[1] == name then
      local start = fast_map.now()
      local wrong, n = M.sweep(script, arg[2], tonumber(arg[3] or 1))
      print(("%s: %d runs, %d wrong, %.0f s"):format(name, n, #wrong, fast_map.now() - start))
      for _, text in ipairs(wrong) do print(text) end
      bad = bad + #wrong
    end
  end
  os.exit(bad == 0)
end

if arg and arg[0] and arg[0]:find "sweep.lua$" then main() end
return M
