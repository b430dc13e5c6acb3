-- What fast_map set out to reach, beside what this run measured.
local E = require "driver.experiments"
local targets = {}

local function seconds(run)
  return run.seconds
end

--- Each: what, target in words, function(f, quick) -> measured in words, holds; nothing when it was not measured.
local list = {}

local function target(what, wanted, measure)
  list[#list + 1] = {what, wanted, measure}
end

target("no-op tasks", "5M/s", function(f)
  local rate = f:summary("noop", 0, "fast_map")
  return rate and f.short(rate) .. "/s", rate and rate >= 5e6
end)

target("the same with a closure of three upvalues", "as fast", function(f)
  local ratio = f:ratio("noop", 0, "fast_map, closure", "fast_map")
  return ratio and ("%.2f of it"):format(ratio), ratio and ratio >= 0.9
end)

local function in_forks(what, most)
  return function(f)
    local ratio = f:median("startup", 1, "fast_map", function(run) return run.fork and run[what] / run.fork end)
    return ratio and ("%.2f forks"):format(ratio), ratio and ratio <= most
  end
end

target("one task, call to result", "2 forks", in_forks("first", 2))
target("one task, call to the end of its map", "3 forks", in_forks("seconds", 3))

target("the same, 1,000 globals and 100 modules unused", "as fast", function(f)
  local ratio = f:ratio("startup", 1, "fast_map, crowded", "fast_map")
  return ratio and ("%.2f of it"):format(ratio), ratio and ratio <= 1.1
end)

local function fork_of(run)
  return run.fork
end

target("the same in a parent with a large heap", "a fork's cost more", function(f, quick)
  local point = quick and 256 or 1024
  local large, small = f:median("heap", point, "fast_map", seconds), f:median("startup", 1, "fast_map", seconds)
  local fork, small_fork = f:median("heap", point, "fast_map", fork_of), f:median("startup", 1, "fast_map", fork_of)
  if large and small and fork and small_fork then
    local text = "%.2f ms more, fork %.2f ms more"
    return text:format((large - small) * 1e3, (fork - small_fork) * 1e3), large - small <= 1.3 * (fork - small_fork)
  end
end)

local function size_where(f, least)
  for _, us in ipairs {1, 3, 10, 30, 100, 300, 1000, 3000, 10000} do
    local speed = f:summary("task_size", us, "fast_map")
    if speed and speed >= least then
      return us, speed
    end
  end
end

for _, row in ipairs {{1, 1, "beats the plain loop"}, {1.8, 10, "reaches 1.8 times"}} do
  local least, most, what = table.unpack(row)
  target("smallest task for which the map " .. what, most .. " µs", function(f)
    if f:summary("task_size", 1, "fast_map") then
      local us, speed = size_where(f, least)
      return us and ("%d µs (%.2f times)"):format(us, speed) or "none", us and us <= most
    end
  end)
end

target("computing, of the machine's own ceiling", "0.97", function(f)
  local ratio = f:ratio("ceiling", 1000000, "plain lua processes", "fast_map")
  return ratio and ("%.3f"):format(ratio), ratio and ratio >= 0.97
end)

target("the same with tasks of a fifth of that", "0.97", function(f)
  local ratio = f:ratio("ceiling", 200000, "plain lua processes", "fast_map")
  return ratio and ("%.3f"):format(ratio), ratio and ratio >= 0.97
end)

target("computing, default against threads_limit = CPUs", "at most 1.03", function(f)
  local ratio = f:ratio("ceiling", 1000000, "fast_map", "fast_map, threads_limit = CPUs")
  return ratio and ("%.3f"):format(ratio), ratio and ratio <= 1.03
end)

target("a mix, default against the best fixed limit", "at most 1.10", function(f, quick)
  local point, best, which = quick and 300 or 1000, nil, nil
  local mine = f:summary("mixed", point, "fast_map")
  for _, limit in ipairs(E.mixed_limits) do
    local other = f:summary("mixed", point, "fast_map, threads_limit = " .. limit)
    if other and (not best or other < best) then
      best, which = other, limit
    end
  end
  if mine and best then
    return ("%.2f (best: %d)"):format(mine / best, which), mine / best <= 1.1
  end
end)

target("wait 1 s, then a million iterations", "1.10 of wait + work/CPUs", function(f, quick)
  local ratio = f:median("original", quick and 100 or 400, "fast_map", function(run)
    return run.seconds / (1 + run.plain / E.cpus)
  end)
  return ratio and ("%.2f"):format(ratio), ratio and ratio <= 1.1
end)

target("processor time of the parent for a result", "20 µs", function(f, quick)
  local us = f:summary("parent_cpu", quick and 400 or 2000, "fast_map")
  return us and ("%.1f µs"):format(us), us and us <= 20
end)

target("1,000 tasks that wait 1 s", "1.1 s", function(f)
  local s = f:summary("sleepers", 1000, "fast_map")
  return s and ("%.2f s"):format(s), s and s <= 1.1
end)

target("10,000 tasks that wait 1 s", "1.3 of bare pthreads", function(f)
  local ratio = f:ratio("sleepers", 10000, "fast_map", "C")
  return ratio and ("%.2f (%.2f s)"):format(ratio, (f:summary("sleepers", 10000, "fast_map"))), ratio and ratio <= 1.3
end)

target("memory of each of these threads, resident", "40 KB", function(f)
  local kb = f:median("sleepers", 10000, "fast_map", function(run) return run.rss_kb / 10000 end)
  local machine = f:median("sleepers", 10000, "fast_map", function(run) return run.peak_kb / 10000 end)
  return kb and ("%.1f KB (machine: %.1f KB)"):format(kb, machine), kb and kb <= 40
end)

target("30,000 tasks that wait 1 s", "completes", function(f, quick)
  if not quick then
    local s = f:summary("sleepers", 30000, "fast_map")
    local failure = f:cell("sleepers", 30000, "fast_map").failure
    return s and ("%.2f s"):format(s) or failure, s ~= nil
  end
end)

target("strings of 100 KB echoed", "1.5 GB/s", function(f)
  local rate = f:summary("payload", 100000, "fast_map")
  return rate and ("%.2f GB/s"):format(rate / 1000), rate and rate >= 1500
end)

target("tables of 1,000 records echoed", "3 times lua-cjson", function(f)
  local ratio = f:median("records", 1000, "fast_map", function(run)
    return run.cjson and tonumber(run.cjson) and run.cjson / run.seconds
  end)
  return ratio and ("%.2f times"):format(ratio), ratio and ratio >= 3
end)

for _, direction in ipairs {"encode", "decode"} do
  target("serializer, records, " .. direction, "1.5 times the next", function(f)
    local name, best = "codec_" .. direction, nil
    local mine = f:summary(name, "records", "fast_map")
    for _, label in ipairs {"lua-cjson", "mpack", "MessagePack", "dkjson"} do
      local other = f:summary(name, "records", label)
      best = other and math.min(best or other, other) or best
    end
    if mine and best then
      return ("%.2f times"):format(best / mine), best / mine >= 1.5
    end
  end)
end

local yardsticks = {["C"] = true, ["plain Lua loop"] = true, ["plain lua processes"] = true}

--- Adds a line for each peer that is ahead of fast_map at this point.
local function behind_at(bench, show, point, lines)
  local e, f = show.experiment, bench.figures
  local mine = f:summary(e.name, point, "fast_map")
  for _, label in ipairs(show.labels) do
    local other = f:summary(e.name, point, label)
    local ahead = mine and other and (e.better == "more" and other > mine or e.better == "less" and other < mine)
    if ahead and not yardsticks[label] and not label:match("^fast_map") then
      local at = math.type(point) and f.short(point) or point
      lines[#lines + 1] = ("  %s at %s: %s has %s, fast_map %s %s"):format(e.name, at, label, f.short(other),
        f.short(mine), e.unit)
    end
  end
end

local function behind(bench)
  local lines = {}
  for _, show in ipairs(bench.shows) do
    for _, point in ipairs(show.points) do
      behind_at(bench, show, point, lines)
    end
  end
  return lines
end

function targets.judge(bench)
  local lines = {"What fast_map set out to reach, and this run"}
  for _, row in ipairs(list) do
    local measured, holds = row[3](bench.figures, bench.quick)
    if measured then
      lines[#lines + 1] = ("  %-7s%-58s%-26s%s"):format(holds and "holds" or "MISSED", row[1], row[2], measured)
    end
  end
  local late = behind(bench)
  lines[#lines + 1] = #late == 0 and "No peer was ahead of fast_map in this run."
    or "Peers that were ahead of fast_map:"
  return table.move(late, 1, #late, #lines + 1, lines)
end

return targets
