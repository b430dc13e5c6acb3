-- What the benches ran on: printed first, and kept beside the figures.
local runner = require "driver.runner"
local machine = {}

local function read(path)
  local file = io.open(path)
  local text = file and file:read("a") or ""
  if file then
    file:close()
  end
  return text
end

local function memory()
  local kb = read("/proc/meminfo"):match("MemTotal:%s*(%d+)")
  return kb and ("%.1f GB of memory"):format(kb / 1e6) or "memory unknown"
end

--- Versions of what takes part; "missing" where there is none.
local function versions(programs, surroundings)
  local with = runner.command(surroundings) .. " "
  local ask = {
    {"fast_map", runner.command {programs.fmlua, "--version"}},
    {"lua", runner.command {programs.lua, "-v"}},
    {"python", runner.command {programs.python, "--version"}},
    {"joblib", runner.command {programs.python, "-c", "import joblib; print(joblib.__version__)"}},
    {"node", "node --version"},
    {"piscina", with .. "sh -c " .. runner.command {
      [[sed -n 's/.*"version": "\(.*\)".*/\1/p' "$NODE_PATH/piscina/package.json"]]}},
    {"GNU parallel", "parallel --version | sed -n '1s/GNU parallel //p'"},
    {"xargs", "xargs --version | head -n 1"},
    {"C compiler", programs.cc .. " --version | head -n 1"},
  }
  local lines = {}
  for i, row in ipairs(ask) do
    local answer = runner.line(row[2])
    lines[i] = ("%-14s%s"):format(row[1], answer and answer ~= "" and answer or "missing")
  end
  return lines
end

--- The average number of processes that wanted a CPU in the last minute.
function machine.load()
  return tonumber(read("/proc/loadavg"):match("^%S+")) or 0
end

--- Lines of text.
function machine.describe(programs, surroundings)
  local lines = {
    ("%-14s%s, %s CPUs to use, %s"):format("machine",
      read("/proc/cpuinfo"):match("model name%s*:%s*([^\n]+)") or "CPU unknown",
      runner.line("nproc") or "?", memory()),
    ("%-14s%s"):format("system", runner.line("uname -srm") or "?"),
    ("%-14s%s"):format("load", read("/proc/loadavg"):match("^%S+ %S+ %S+") or "?"),
    ("%-14s%s"):format("date", os.date("!%Y-%m-%d %H:%M UTC")),
  }
  table.move(versions(programs, surroundings), 1, 99, #lines + 1, lines)
  return lines
end

return machine
