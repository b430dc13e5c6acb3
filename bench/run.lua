-- The driver of the benches: fast_map and its peers side by side, in interleaved rounds. bench/README.md explains.
--
-- usage: fmlua run.lua [--quick] [--only NAME,NAME...] [--out FOLDER] [--list]
--   --quick   a minute instead of ten
--   --only    just these experiments
--   --out     where CSV files and charts go (default: bench-results beside fmlua)
--   --list    names the experiments
local folder = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = folder .. "/?.lua;" .. package.path

local E = require "driver.experiments"
local charts = require "driver.charts"
local codec = require "driver.codec"
local figures = require "driver.figures"
local machine = require "driver.machine"
local peers = require "driver.peers"
local runner = require "driver.runner"
local targets = require "driver.targets"

local function now()
  local file = io.open("/proc/uptime")
  local seconds = file and file:read("n") or os.time()
  if file then
    file:close()
  end
  return seconds
end

local function say(...)
  print(...)
  io.stdout:flush()
end

local function fail(text)
  io.stderr:write("bench: ", text, "\n")
  os.exit(1)
end

local function options()
  local o = {only = nil, out = nil}
  local i = 1
  while arg[i] do
    if arg[i] == "--quick" then
      o.quick = true
    elseif arg[i] == "--list" then
      o.list = true
    elseif arg[i] == "--out" and arg[i + 1] then
      i = i + 1
      o.out = arg[i]
    elseif arg[i] == "--only" and arg[i + 1] then
      i = i + 1
      o.only = "," .. arg[i] .. ","
    else
      fail("unknown argument '" .. arg[i] .. "' (--quick, --only NAMES, --out FOLDER, --list)")
    end
    i = i + 1
  end
  return o
end

--- Where everything is; asked of the system by name so that another python or lua can be chosen from outside.
local function programs(out)
  local lua_here = arg[-1] or "fmlua"
  local p = {
    folder = folder,
    fmlua = os.getenv("FMLUA") or lua_here,
    lua = os.getenv("LUA") or "lua5.4",
    python = os.getenv("PYTHON"),
    cc = os.getenv("CC") or "cc",
    physical = out .. "/tools/physical",
    cpus = math.tointeger(tonumber(runner.line("nproc"))) or 1,
  }
  if not p.python then -- the one that has joblib, else any
    p.python = runner.line("python3 -c 'import joblib' && echo 1") and "python3" or "/usr/bin/python3"
  end
  return p
end

--- The C programs, made anew each time: the machine may be another.
local function build(p, out)
  local tools = out .. "/tools"
  os.execute(runner.command {"mkdir", "-p", tools})
  local function compile(...)
    if not os.execute(p.cc .. " -O2 " .. runner.command {...}) then
      fail("cannot compile " .. (...))
    end
  end
  compile(folder .. "/watch.c", "-o", tools .. "/watch")
  compile(folder .. "/physical.c", "-pthread", "-o", tools .. "/physical")
  local ask = "pkg-config --cflags "
  local include = runner.line(ask .. "lua5.4 || " .. ask .. "lua-5.4 || " .. ask .. "lua") or ""
  os.execute(p.cc .. " -O2 -shared -fPIC " .. include .. " "
    .. runner.command {folder .. "/fork_cost.c", "-o", tools .. "/fork_cost.so"} .. " 2>/dev/null")
  runner.watch = tools .. "/watch"
  runner.errors = tools .. "/errors"
end

--- What the programs find in their surroundings: watch hands it on.
local function surroundings(out)
  local cache = os.getenv("XDG_CACHE_HOME") or (os.getenv("HOME") or "") .. "/.cache"
  local node = os.getenv("FAST_MAP_BENCH_NODE") or cache .. "/fast_map-bench"
  local cpath = os.getenv("LUA_CPATH_5_4") or os.getenv("LUA_CPATH") or ""
  return {
    "env", "NODE_PATH=" .. node .. "/node_modules", "PYTHONDONTWRITEBYTECODE=1",
    "LUA_CPATH_5_4=" .. out .. "/tools/?.so;" .. (cpath == "" and ";;" or cpath),
  }
end

local function join(...)
  local all = {}
  for _, list in ipairs {...} do
    table.move(list, 1, #list, #all + 1, all)
  end
  return all
end

--- One run of one entry at one point; keeps its figures or its failure. Returns the seconds it took, and if it failed.
local function run_once(bench, experiment, point, entry, words, round)
  local label, program = table.unpack(entry)
  local began = now()
  local limit = experiment.limit[bench.quick and 2 or 1]
  local result, why = runner.run(join(bench.surroundings, bench.programs[program], words), limit)
  if result and experiment.expect and math.tointeger(result.checksum) ~= experiment.expect(words, result) then
    result, why = nil, "wrong results: checksum " .. tostring(result.checksum)
  end
  if result then
    bench.figures:add(experiment.name, point, label, round, experiment.value(result, point, words), result)
  else
    bench.figures:fail(experiment.name, point, label, why)
  end
  return now() - began, not result
end

--- The words of an entry that is worth running at this point, or nil and why not: it failed at a smaller one, or took
--- so long that it must fail here, time is up, or what takes long has been run once.
local function wanted(mine, entry, point, round, bench, limit, out_of_time)
  local label, _, arguments = table.unpack(entry)
  local words, reason = arguments(point, bench.quick)
  if not words then
    return nil, reason
  elseif mine.failed_at then
    return nil, "it failed with fewer"
  elseif round == 1 and mine.last_point and mine.cost[mine.last_point] * point > 3 * limit * mine.last_point then
    return nil, ("%d took %.1f s already"):format(mine.last_point, mine.cost[mine.last_point])
  elseif out_of_time and (round > 1 or not (label:match("^fast_map") or label == "C")) then
    return nil, "no time left"
  elseif (mine.cost[point] or 0) > 5 then
    return nil, "it takes long"
  end
  return words
end

local function run_entry(bench, experiment, point, entry, round, deadline)
  local label = entry[1]
  local mine = experiment.state[label] or {cost = {}}
  experiment.state[label] = mine
  local limit = experiment.limit[bench.quick and 2 or 1]
  local words, reason = wanted(mine, entry, point, round, bench, not experiment.independent and limit or 1e9,
    now() > deadline)
  if words then
    local cost, failed = run_once(bench, experiment, point, entry, words, round)
    mine.cost[point] = cost
    mine.last_point = point
    mine.failed_at = failed and not experiment.independent and point or mine.failed_at
  elseif round == 1 then
    bench.figures:fail(experiment.name, point, label, "not run: " .. reason)
  end
end

local function run_round(bench, experiment, entries, points, round, deadline)
  for _, point in ipairs(points) do
    for k = 1, #entries do -- another one begins each round
      run_entry(bench, experiment, point, entries[(k + round - 2) % #entries + 1], round, deadline)
    end
  end
end

local function entries_of(experiment, quick)
  local entries, labels = {}, {}
  for _, entry in ipairs(experiment.entries) do
    if not (quick and experiment.spare and experiment.spare:find("|" .. entry[1] .. "|", 1, true)) then
      entries[#entries + 1] = entry
      labels[#labels + 1] = entry[1]
    end
  end
  return entries, labels
end

--- Those that a target rests on.
local function ours(entries)
  local mine = {}
  for _, entry in ipairs(entries) do
    if entry[1]:match("^fast_map") then
      mine[#mine + 1] = entry
    end
  end
  return mine
end

local function show_memory(bench, experiment, points, labels)
  local memory = {name = experiment.name .. "_memory", unit = "MB"}
  for _, point in ipairs(points) do
    for _, label in ipairs(labels) do
      for round, run in pairs(bench.figures:cell(experiment.name, point, label).runs) do
        bench.figures:add(memory.name, point, label, round, run.peak_kb / 1000, run)
      end
    end
  end
  say("  most memory at once (MB that the machine had less of)")
  for _, line in ipairs(bench.figures:table(memory, points, labels)) do
    if not line:match(": ") then
      say(line)
    end
  end
  table.insert(bench.shows, {experiment = memory, points = points, labels = labels})
end

--- Rounds until the budget is spent: a round is begun only when one as long as the last still fits.
local function run_experiment(bench, experiment)
  local which = bench.quick and "quick" or "full"
  local points = experiment.points[which]
  local budget = experiment.budget[bench.quick and 2 or 1]
  local began = now()
  local round, spent = 0, 0
  local entries, labels = entries_of(experiment, bench.quick)
  experiment.state = {}
  repeat
    local before = spent
    round = round + 1
    run_round(bench, experiment, entries, points, round, math.min(began + budget * 1.3, bench.deadline))
    spent = now() - began
  until 2 * spent - before > budget or now() > bench.deadline or round >= (experiment.rounds or 15)
  local more = bench.quick and 0 or (experiment.least or 1) - round
  for extra = round + 1, round + more do
    run_round(bench, experiment, ours(entries), points, extra, bench.deadline)
  end
  say(("\n%s  [%s]"):format(experiment.title, experiment.name))
  say(("  %s, %s is better; columns: %s; %d round%s%s, %.0f s"):format(experiment.unit, experiment.better, experiment.x,
    round, round == 1 and "" or "s", more > 0 and (", fast_map %d"):format(round + more) or "", now() - began))
  for _, line in ipairs(bench.figures:table(experiment, points, labels)) do
    say(line)
  end
  table.insert(bench.shows, {experiment = experiment, points = points, labels = labels})
  if experiment.memory then
    show_memory(bench, experiment, points, labels)
  end
end

local function main()
  local o = options()
  if o.list then
    for _, experiment in ipairs(E) do
      say(("%-14s%s"):format(experiment.name, experiment.title))
    end
    say(("%-14s%s"):format("codec", codec.title))
    return
  end
  local fmlua = os.getenv("FMLUA") or arg[-1] or "fmlua"
  local out = o.out or (fmlua:match("^(.*)/[^/]*$") or ".") .. "/bench-results"
  local p = programs(out)
  build(p, out)
  E.cpus = p.cpus
  local bench = {
    quick = o.quick, figures = figures.new(), shows = {},
    programs = peers.programs(p), surroundings = surroundings(out),
  }
  local began = now()
  bench.deadline = began + (bench.quick and 52 or 540) -- after that, only one run of fast_map and C a point
  local about = machine.describe(p, bench.surroundings)
  say(table.concat(about, "\n"))
  if machine.load() > 0.25 * p.cpus then
    say("WARNING: the machine has other work (see load): figures will be poor, and far apart.")
  end
  for _, experiment in ipairs(E) do
    if not o.only or o.only:find("," .. experiment.name .. ",", 1, true) then
      run_experiment(bench, experiment)
    end
  end
  if not o.only or o.only:find(",codec,", 1, true) then
    codec.run(bench, p, say)
  end
  say("")
  for _, line in ipairs(targets.judge(bench)) do
    say(line)
  end
  bench.figures:write_runs(out .. "/runs.csv")
  bench.figures:write_summary(out .. "/summary.csv", bench.shows)
  local file = assert(io.open(out .. "/machine.txt", "w"))
  file:write(table.concat(about, "\n"), "\n")
  file:close()
  local drawn, why = charts.draw(bench, out)
  say(("\n%.0f s; figures in %s/summary.csv and runs.csv; %s"):format(now() - began, out,
    drawn and drawn .. " charts beside them" or "no charts: " .. why))
end

main()
