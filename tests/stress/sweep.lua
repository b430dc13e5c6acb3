-- sweep.lua [script] [names] [step] - what happens when the n-th call for memory, a process, a thread or a descriptor is
-- refused: for all n, until the script no longer needs as many. It may give its right answer or a Lua error; it may not crash,
-- hang or leave anything: processes, descriptors, memory.
--
-- The sweep runs in a process of its own with scarce.so in front of the C library; each n is tried in a fork of that.

local fast_map = require "fast_map"
local kit = dofile "tests/stress/kit.lua"

local M = {}

-- Each runs to its end, or raises.
M.scripts = {
  map = [[
    local n = 0
    for i, v in fast_map(function(x) return x * 2, { x }, "text" end, { 1, 2, 3, 4 }, { procs_limit = 2 }) do
      n = n + 1
      assert(i == n and v == i * 2, "wrong result")
    end
    assert(n == 4, "lost results")
  ]],
  solo = [[
    local n = 0
    for i, v in fast_map(function(x) os.execute "true" return x * 2 end, { 1, 2 }, { procs_limit = 2 }) do
      n = n + 1
      assert(i == n and v == i * 2, "wrong result")
    end
    assert(n == 2, "lost results")
  ]],
  async = [[
    local n = 0
    local t <close> = fast_map_async(function(x) return x * 2 end, { 1, 2, 3 }, { procs_limit = 2,
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
  runs = [[
    local n = 0
    for i, v in fast_map(function(x) return x * 2 end, fast_map.range(1, 60), { procs_limit = 1, chunksize = 8,
      threads_limit = 2, memory_limit = 1 << 20 }) do
      n = n + 1
      assert(i == n and v == i * 2, "wrong result")
    end
    assert(n == 60, "lost results")
  ]],
  huge = [[
    local n = 0
    local big = ("x"):rep(400000)
    for i, v in fast_map(function(x) return x .. "y" end, { big, big, big }, { procs_limit = 1, retries = 1 }) do
      n = n + 1
      assert(i == n and v == big .. "y", "wrong result")
    end
    assert(n == 3, "lost results")
  ]],
  nested = [[
    local n = 0
    for i, v in fast_map(function(x) return fast_map.map(function(y) return x + y end, { 1, 2 })[2] end, { 1, 2, 3 },
      { procs_limit = 1 }) do
      n = n + 1
      assert(i == n and v == i + 2, "wrong result")
    end
    assert(n == 3, "lost results")
  ]],
  journal = [[
    local n = 0
    local name = JOURNAL .. faulty.pid()
    for _ = 1, 2 do
      n = 0
      for i, v in fast_map(function(x) return x * 2 end, { 1, 2, 3 }, { procs_limit = 1, journal = name }) do
        n = n + 1
        assert(i == n and v == i * 2, "wrong result")
      end
      assert(n == 3, "lost results")
    end
  ]],
  figures = [[
    local n = 0
    for i, v in fast_map(function(x) io.write "" return x * 2 end, { 1, 2, 3 }, { procs_limit = 1, ordered = false,
      init = function() start = 1 end, exit = function() start = nil end, progress = function() end }) do
      n = n + 1
      assert(v == i * 2, "wrong result")
    end
    assert(n == 3, "lost results")
  ]],
}

M.memory = "malloc,calloc,realloc"
M.system = "fork,socketpair,pipe,pidfd_open,epoll_create1,epoll_ctl,pthread_create,open,mmap"

-- What runs in the process with scarce.so. Prints a line for each n that went wrong, then how many n there were.
local prelude = [[
package.cpath, package.path = %q, %q
local fast_map = require "fast_map" local fast_map_async = fast_map.fast_map_async
local faulty, failure = require "faulty", require "fast_map.failure"
require "fast_map.handle" require "fast_map.journal" require "fast_map.progress"
local JOURNAL = %q
local body = function()
%s
end
local right, raised, wrong, leak_fd, leak_memory, leak_shared = 0, 1, 7, 8, 9, 10
local words = { [wrong] = "wrong results", [leak_fd] = "leaves descriptors", [leak_memory] = "leaves memory",
  [leak_shared] = "leaves shared memory" }
local function shared()
  local file = io.open "/proc/self/maps"
  local _, n = file:read "a":gsub("/dev/zero", "")
  file:close()
  return n
end
local function settle() collectgarbage() collectgarbage() end
local only, step, n, most, all_after = %q, %d, %d, %d, %s
local function refuse() faulty.refuse(n, all_after and 1 << 40 or n, only) end
local function try()
  collectgarbage "stop"
  faulty.scarce(true)
  local ok, err = pcall(body)
  faulty.scarce(false)
  collectgarbage "restart"
  os.remove(JOURNAL .. faulty.pid())
  local text = tostring(err)
  if text:find "wrong result" or text:find "lost results" then os.exit(wrong, true) end
  return ok and right or raised
end
-- What grows each time is a leak; once, it may be something that the interpreter keeps.
local function leaks(blocks)
  for _ = 1, 8 do
    settle()
    local now = faulty.blocks()
    if now <= blocks or all_after then return false end
    blocks = now
    refuse()
    try()
  end
  return true
end
local function child()
  settle()
  local fds, blocks, pieces = faulty.descriptors(), faulty.blocks(), shared()
  local code = try()
  settle()
  if faulty.descriptors() > fds then os.exit(leak_fd, true) end
  if shared() > pieces then os.exit(leak_shared, true) end
  if leaks(blocks) then os.exit(leak_memory, true) end
  body() -- another map works
  os.exit(code, true)
end
local function say() return tostring(select(2, pcall(fast_map.map, function(f) f() end, { error }))) end
for _ = 1, 3 do say() body() os.remove(JOURNAL .. faulty.pid()) end
local tried, errors = 0, 0
repeat
  refuse()
  local fate, code, calls = faulty.trial(20, child)
  tried = tried + 1
  if fate ~= "ended" then print(("call %%d: %%s"):format(n, fate))
  elseif code < 0 then print(("call %%d: killed by signal %%d"):format(n, -code))
  elseif code ~= right and code ~= raised then print(("call %%d: %%s"):format(n, words[code] or "exit code " .. code))
  elseif code == raised then errors = errors + 1 end
  n = n + step
until calls < n - step or n > most
print(("tried %%d, %%d errors"):format(tried, errors))
]]

--- Tries the calls start, start + step ... of those named, until there are no more. o: step, start, most, all_after (true: all
--- calls from there on fail). Returns what went wrong, how many were tried, how many of them ended with a Lua error.
function M.sweep(script, only, o)
  o = o or {}
  local name = os.tmpname()
  kit.write(name, prelude:format(package.cpath, package.path, name .. ".journal", script, only, o.step or 1,
    o.start or 1, o.most or math.maxinteger, o.all_after))
  local pipe = io.popen(("exec env LD_PRELOAD=%s %s %s 2>&1 </dev/null"):format(kit.scarce, kit.fmlua, name))
  local wrong, tried, errors = {}, nil, nil
  for line in pipe:lines() do
    if line:find "^tried" then tried, errors = line:match "tried (%d+), (%d+)"
    elseif line:find "^call" then wrong[#wrong + 1] = line
    else wrong.text = (wrong.text or "") .. line .. "\n" end
  end
  pipe:close()
  os.remove(name)
  if not tried then wrong[#wrong + 1] = "the sweep ended early: " .. (wrong.text or "") end
  if #wrong == 0 then wrong.text = nil end
  return wrong, tonumber(tried), tonumber(errors)
end

-- The parts of the whole sweep: a script, a title, names of calls, options.
local function parts(name, only, step)
  local list = {}
  for script in pairs(M.scripts) do
    if not name or name == "all" or name == script then
      if only then
        list[#list + 1] = { script, only, only, { step = step } }
      else
        list[#list + 1] = { script, "memory", M.memory, { step = step } }
        list[#list + 1] = { script, "system", M.system, { step = step } }
        list[#list + 1] = { script, "everything from some moment on", M.memory .. "," .. M.system,
          { step = step, most = 250, all_after = true } }
      end
    end
  end
  return list
end

local function main(name, only, step)
  local bad = 0
  local list = parts(name, only, tonumber(step))
  local function run(part)
    local start = os.time()
    local wrong, tried, errors = M.sweep(M.scripts[part[1]], part[3], part[4])
    return wrong, ("%s, %s: %s tried, %s errors, %d wrong, %d s"):format(part[1], part[2], tried, errors, #wrong,
      os.time() - start)
  end
  for _, wrong, text in fast_map(run, list, { threads_limit = fast_map.cpus() }) do
    print(text)
    for _, line in ipairs(wrong) do print("  " .. line) end
    if wrong.text then print(wrong.text) end
    bad = bad + #wrong
  end
  return bad == 0
end

if arg and arg[0] and arg[0]:find "sweep.lua$" then os.exit(main(arg[1], arg[2], arg[3])) end
return M
