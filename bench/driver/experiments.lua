-- What is measured. Each experiment has:
--   points   {full = {...}, quick = {...}}
--   entries  list of {label, program, arguments}: arguments(point, quick) -> words, or nil and why it is left out
--   value    (figures, point, arguments) -> the number that tables and charts show
--   expect   (arguments, figures) -> the checksum the results must have
--   budget   seconds {full, quick}; rounds go on until it is spent
--   rounds   no more than so many
--   least    rounds that fast_map runs at least, in the full form: targets rest on them
--   limit    seconds that one run may take {full, quick}
--   spare    labels that the quick form leaves out
--   memory   show that too
--   independent  a failure at one point says nothing about greater ones
local peers = require "driver.peers"
local runner = require "driver.runner"

local all = {
  "fast_map", "C", "plain Lua loop", "Pool.imap", "Pool.imap by hand", "ProcessPoolExecutor", "ThreadPoolExecutor",
  "joblib", "piscina", "piscina by hand", "GNU parallel", "xargs -P",
}

--- Entries for all peers but those named in `without`.
local function everybody(arguments, without)
  local entries = {}
  for _, name in ipairs(all) do
    if not (without and without:find("|" .. name .. "|", 1, true)) then
      entries[#entries + 1] = {name, name, function(point, quick)
        return arguments(name, point, quick)
      end}
    end
  end
  return entries
end

local function seconds(figures)
  return figures.seconds
end

local function sum_to(arguments)
  local n = arguments[2]
  return n * (n + 1) // 2
end

local function spin_sum(arguments, figures)
  return runner.spin_sum(arguments[2], figures.iterations)
end

local function echo_sum(arguments)
  local n, sum = arguments[2], 0
  for i = 1, n do
    sum = sum + arguments[3] + 65 + i % 4
  end
  return sum
end

local E = {}

--- CPUs to use; set by run.lua before anything runs.
E.cpus = 1

local by_hand = "|Pool.imap by hand|piscina by hand|"

--- What the quick form leaves out: peers that another of their kind stands for, or that take long.
local spared = "|ProcessPoolExecutor|joblib|piscina by hand|GNU parallel|"

local function add(experiment)
  E[#E + 1] = experiment
end

local repeats = {
  ["fast_map"] = 100, ["C"] = 200, ["ThreadPoolExecutor"] = 50, ["Pool.imap"] = 10, ["xargs -P"] = 10, ["joblib"] = 1,
}

add {
  name = "startup", title = "One task, from the call to the end of its map", unit = "ms", better = "less",
  points = {full = {1}, quick = {1}}, x = "one task",
  entries = (function()
    local entries = everybody(function(name, _, quick)
      local n = repeats[name] or 3
      return {"startup", quick and math.ceil(n / 2) or n}
    end, "|plain Lua loop" .. by_hand)
    table.insert(entries, 2, {"fast_map, crowded", "fast_map", function() return {"startup_crowded", repeats.fast_map} end})
    return entries
  end)(),
  value = function(f) return f.seconds * 1000 end,
  expect = function() return 1 end,
  budget = {15, 3}, limit = {10, 5}, spare = "|joblib|GNU parallel|",
}

add {
  name = "heap", title = "The same in a parent with a large heap", unit = "ms", better = "less",
  points = {full = {1024}, quick = {256}}, x = "MB of heap",
  entries = {{"fast_map", "fast_map", function(point) return {"heap", 20, point} end}},
  value = function(f) return f.seconds * 1000 end,
  expect = function() return 1 end,
  budget = {12, 2}, limit = {20, 10}, rounds = 2,
}

local function noop(variant)
  return function(_, quick)
    return {variant, quick and 1000000 or 3000000}
  end
end

add {
  name = "noop", title = "Tasks that do nothing", unit = "tasks/s", better = "more",
  points = {full = {0}, quick = {0}}, x = "no-op",
  entries = (function()
    local entries = everybody(function(name, _, quick)
      return {"noop", quick and peers.most[name] // 4 or peers.most[name]}
    end)
    table.insert(entries, 2, {"fast_map, collected", "fast_map", noop "noop_collected"})
    table.insert(entries, 3, {"fast_map, closure", "fast_map", noop "noop_closure"})
    table.insert(entries, {"fmlua map", "fmlua map", function(_, quick)
      return {"noop", quick and 200000 or 1000000}
    end})
    return entries
  end)(),
  value = function(f, _, arguments) return arguments[2] / f.seconds end,
  expect = sum_to, budget = {35, 6}, limit = {10, 4},
}

add {
  name = "task_size", title = "Speed-up over the plain loop of the same language, by the length of a task",
  unit = "times", better = "more", x = "length of a task (µs)",
  points = {full = {1, 3, 10, 30, 100, 300, 1000, 3000, 10000}, quick = {1, 10, 100}},
  entries = everybody(function(name, point, quick)
    if peers.commands[name] and point < 1000 then
      return nil, "a process for each task: only tried from 1000 µs on"
    end
    local count = math.max(20, math.floor((quick and 200000 or 400000) / point))
    return {"compute", math.min(count, math.max(20, peers.most[name] // 2)), point}
  end, "|plain Lua loop|"),
  value = function(f) return f.plain / f.seconds end,
  expect = spin_sum, budget = {90, 10}, limit = {10, 4}, independent = true, spare = spared, least = 3,
}

--- Tasks, a multiple of the CPUs so that each process's share is the same.
local function ceiling(point, quick)
  return math.floor((quick and 1e8 or 7e8) / point) // E.cpus * E.cpus
end

add {
  name = "ceiling", title = "Computing, against as many plain lua processes as CPUs", unit = "s", better = "less",
  points = {full = {200000, 1000000}, quick = {1000000}}, x = "iterations of a task",
  entries = {
    {"plain lua processes", "together", function(point, quick)
      return {"share", ceiling(point, quick) // E.cpus, point}
    end},
    {"fast_map", "fast_map", function(point, quick)
      return {"iterate", ceiling(point, quick), point}
    end},
    {"fast_map, threads_limit = CPUs", "fast_map limit", function(point, quick)
      return {"iterate", ceiling(point, quick), point}
    end},
  },
  value = seconds, budget = {50, 5}, limit = {30, 10}, rounds = 9,
}

--- Fixed limits that the default is compared with.
E.mixed_limits = {8, 16, 32, 64, 128, 256}

add {
  name = "mixed", title = "Every tenth task waits 0.1 s, the others compute 1 ms", unit = "s", better = "less",
  points = {full = {1000}, quick = {300}}, x = "tasks",
  entries = (function()
    local entries = {{"fast_map", "fast_map", function(point) return {"mixed", point, 1000} end}}
    for _, limit in ipairs(E.mixed_limits) do
      entries[#entries + 1] = {"fast_map, threads_limit = " .. limit, "fast_map", function(point)
        return {"limit=" .. limit, "mixed", point, 1000}
      end}
    end
    return entries
  end)(),
  value = seconds, budget = {20, 3}, limit = {10, 5},
}

add {
  name = "parent_cpu", title = "Processor time of the parent for one result of a task of 1.2 ms", unit = "µs",
  better = "less", points = {full = {2000}, quick = {400}}, x = "tasks",
  entries = everybody(function(_, point) return {"compute", point, 1200} end,
    "|C|plain Lua loop|ThreadPoolExecutor|piscina|GNU parallel|xargs -P" .. by_hand),
  value = function(f) return f.cpu_us end,
  expect = spin_sum, budget = {15, 2}, limit = {10, 5}, rounds = 5, spare = spared,
}

add {
  name = "wait_compute", title = "Tasks that wait 0.5 s and compute 300 µs", unit = "s", better = "less",
  points = {full = {100, 300, 1000, 3000, 10000}, quick = {1000}}, x = "tasks",
  entries = everybody(function(_, point) return {"wait_compute", point, "0.5", 300} end,
    "|plain Lua loop" .. by_hand),
  value = seconds, expect = spin_sum, budget = {80, 6}, limit = {12, 5}, spare = spared,
}

add {
  name = "original", title = "Tasks that wait 1 s and compute as long as a million iterations", unit = "s",
  better = "less", points = {full = {400}, quick = {100}}, x = "tasks",
  entries = {{"fast_map", "fast_map", function(point) return {"wait_compute", point, "1", 5000} end}},
  value = seconds, expect = spin_sum, budget = {8, 2}, limit = {20, 5}, rounds = 3,
}

add {
  name = "compute", title = "Tasks that compute 300 µs", unit = "s", better = "less",
  points = {full = {100, 300, 1000, 3000, 10000}, quick = {1000}}, x = "tasks",
  entries = everybody(function(_, point) return {"compute", point, 300} end, by_hand),
  value = seconds, expect = spin_sum, budget = {45, 4}, limit = {15, 5}, spare = spared,
}

add {
  name = "sleepers", title = "Tasks that wait 1 s", unit = "s", better = "less",
  points = {full = {60, 1000, 10000, 30000}, quick = {1000}}, x = "tasks",
  entries = everybody(function(_, point) return {"wait", point, "1"} end, "|plain Lua loop" .. by_hand),
  value = seconds, expect = sum_to, budget = {90, 6}, limit = {12, 5}, spare = spared .. "Pool.imap|", memory = true,
}

add {
  name = "payload", title = "Strings echoed: bytes of the tasks, which come back as results", unit = "MB/s",
  better = "more", x = "bytes of a string",
  points = {full = {10, 100, 1000, 10000, 100000, 1000000, 10000000}, quick = {100, 100000}},
  entries = everybody(function(name, point, quick)
    local few = name ~= "fast_map"
    local total = (few and 5e7 or 2e8) / (quick and 4 or 1)
    return {"echo", math.max(8, math.min(few and 5000 or 500000, math.floor(total / point))), point}
  end, "|plain Lua loop|C|GNU parallel|xargs -P" .. by_hand),
  value = function(f, _, arguments) return arguments[2] * arguments[3] / f.seconds / 1e6 end,
  expect = echo_sum, budget = {35, 4}, limit = {10, 5}, spare = spared, independent = true,
}

add {
  name = "records", title = "Tables of 1,000 records echoed", unit = "tables/s", better = "more",
  points = {full = {1000}, quick = {1000}}, x = "records of a table",
  entries = everybody(function(name, point, quick)
    return {"records", (name == "fast_map" and 400 or 100) // (quick and 4 or 1), point}
  end, "|plain Lua loop|C|GNU parallel|xargs -P" .. by_hand),
  value = function(f, _, arguments) return arguments[2] / f.seconds end,
  expect = function(arguments) return arguments[2] * arguments[3] end,
  budget = {15, 3}, limit = {10, 5}, spare = spared,
}

return E
