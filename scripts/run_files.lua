#!/usr/bin/env fmlua
-- run_files.lua - runs Lua files side by side, each by `dofile` in a process of its own, and shows in their order what they
-- print, return and raise. Ends with status 1 when one failed: a small test runner.
--
--   fmlua scripts/run_files.lua [-j PROCESSES] [-t SECONDS] [-q] FILE...        or, one file a line:  run_files.lua < list
--
-- -j: so many at once, instead of one for each CPU. -t: a file may take so long. -q: show only the files that fail.

local fast_map = require "fast_map"

local usage = "usage: run_files.lua [-j PROCESSES] [-t SECONDS] [-q] [FILE...]"

local function refuse()
  io.stderr:write(usage, "\n")
  os.exit(2)
end

local function arguments()
  local files, options, i = {}, { quiet = false }, 1
  while arg[i] do
    if arg[i] == "-q" then
      options.quiet = true
    elseif arg[i] == "-j" then
      options.processes = math.tointeger(tonumber(arg[i + 1]))
      if not options.processes or options.processes < 1 then refuse() end
      i = i + 1
    elseif arg[i] == "-t" then
      options.patience = tonumber(arg[i + 1])
      if not options.patience or options.patience <= 0 then refuse() end
      i = i + 1
    elseif arg[i]:sub(1, 1) == "-" then
      refuse()
    else
      files[#files + 1] = arg[i]
    end
    i = i + 1
  end
  return files, options
end

-- What `os.exit` raises in a file: its end, not this program's.
local exit = {}

-- The message with the traceback of the file, without the lines below `dofile`.
local function describe(err)
  if type(err) == "table" and rawequal(getmetatable(err), exit) then return err end
  local text = debug.traceback(tostring(err), 2)
  text = text:match "^(.*)\n\t%[C%]: in [^\n]*\n\t%[C%]: in %a+ 'xpcall'" or text
  return (text:gsub("\nstack traceback:$", ""))
end

local function as_text(values)
  for i = 1, values.n do values[i] = tostring(values[i]) end
  return table.concat(values, "\t")
end

-- The task. The process is the file's own: what it does to globals, to modules or to the libraries, no other file sees.
-- Returns whether it went well, what it printed, what it returned or raised, and its time.
local function run(file)
  local start, output = fast_map.now(), assert(io.tmpfile())
  io.stdout, arg = output, { [0] = file } -- luacheck: ignore
  io.output(output)
  function print(...) -- luacheck: ignore
    io.write(as_text(table.pack(...)), "\n")
  end
  function os.exit(code) error(setmetatable({ code = code }, exit), 0) end -- luacheck: ignore
  local values = table.pack(xpcall(dofile, describe, file))
  local ok, result = values[1], values[2]
  if ok then
    result = as_text(table.pack(table.unpack(values, 2, values.n)))
  elseif type(result) == "table" then
    ok = result.code == nil or result.code == true or result.code == 0
    result = ("os.exit(%s)"):format(tostring(result.code))
  end
  output:seek "set"
  return ok, output:read "a", result, fast_map.now() - start
end

local function show(ok, file, seconds, output, result)
  local time = seconds and ("%7.3f s"):format(seconds) or "      -  "
  io.write(("%-6s  %s  %s"):format(ok and "ok" or "FAILED", time, file))
  if ok and result ~= "" then io.write("  ", (result:gsub("\n", "\n    "))) end
  io.write "\n"
  if not ok then output = output .. (output:find "[^\n]$" and "\n" or "") .. result end
  for line in output:gmatch "[^\n]+" do io.write("    ", line, "\n") end
  io.stdout:flush()
end

local files, options = arguments()
local names = {} -- of the files in hand: those on a list are not kept

local function pull(list)
  local index = 0
  return function()
    local file = list()
    if file then
      index = index + 1
      names[index] = file
    end
    return file
  end
end

local function each(t)
  local i = 0
  return function()
    i = i + 1
    return t[i]
  end
end

local total, failed, start = 0, 0, fast_map.now()

-- A process that had one task is replaced, so no file sees what another left behind.
for index, ok, output, result, seconds in fast_map(run, pull(#files > 0 and each(files) or io.lines()), {
  procs_limit = options.processes,
  timeout = options.patience,
  max_tasks_per_worker = 1,
  on_error = "return",
}) do
  total = total + 1
  if ok == nil then -- index, nil, err: the process died, or the file would not end
    result = output.kind .. (output.message and ": " .. tostring(output.message) or "")
    output, ok = "", false
  end
  if not ok then failed = failed + 1 end
  if not (ok and options.quiet) then show(ok, names[index], seconds, output, result) end
  names[index] = nil
end
io.stderr:write(("%d files, %d failed, %.2f s\n"):format(total, failed, fast_map.now() - start))
os.exit(failed == 0, true)
