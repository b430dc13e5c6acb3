-- stats.lua - what a map did, in figures and in one sentence.
--
-- The figures come from C (figures.c: map:tally()); what they mean is decided here.

local core = require "fast_map.core"
local plain = require "fast_map.plain"

local M = {}

---@class fast_map.StatsOfProcess
---@field pid integer the last, when it was replaced
---@field lives integer processes that had this place one after the other
---@field tasks integer answered
---@field threads integer the most at a time
---@field busy number seconds of processor time
---@field waiting number seconds that its threads waited in tasks, for a processor too, all added up

---@class fast_map.StatsOfTask
---@field index integer
---@field seconds number

---@class fast_map.Stats
---@field pulled integer tasks taken from the input
---@field delivered integer results handed over, failures too
---@field failed integer of those delivered
---@field rerun integer tasks that ran again because a process died
---@field retried integer further attempts after failures
---@field deaths integer processes that died
---@field wall number seconds from the call to the end, or until now
---@field input number seconds in the input's code and encoding tasks
---@field starting number seconds starting processes
---@field decoding number seconds decoding results, short ones left out
---@field loop number seconds in the loop's body or the callbacks, and decoding short results
---@field idle number seconds the script waited for results
---@field busy number seconds of processor time, all processes together
---@field waiting number seconds that tasks waited, for a processor too, all added up
---@field processes fast_map.StatsOfProcess[]
---@field threads integer the most at a time, all processes together
---@field procs_limit integer as in force
---@field threads_limit? integer as in force; nil: no limit but the tasks
---@field bytes_out integer of tasks, encoded
---@field bytes_in integer of results, encoded
---@field slowest fast_map.StatsOfTask[] at most five that took a millisecond or more, the slowest first
---@field verdict string what held the map back, in one sentence
local Stats = { __name = "fast_map.stats" }

local NO_LIMIT = 0x7fffffff -- C's int: what it takes for none
local SHORT = 10e-6         -- seconds: below, handing a task over is much of the work
local HEAVY = 50e6          -- bytes a second through the codec that are felt
local LARGE = 1000          -- bytes of a task and its result
local LITTLE = 0.01         -- seconds: what takes no longer is over before anybody looks
local SEEN = 0.1            -- seconds: a wait that long in a task is always seen, and answered with one more thread

-- Words

local function seconds(s)
  if s >= 100 then return ("%.0f s"):format(s) end
  if s >= 1 then return ("%.1f s"):format(s) end
  if s >= 1e-3 then return ("%.1f ms"):format(s * 1e3) end
  return ("%.1f us"):format(s * 1e6)
end

local function bytes(n)
  if n >= 1e9 then return ("%.1f GB"):format(n / 1e9) end
  if n >= 1e6 then return ("%.1f MB"):format(n / 1e6) end
  if n >= 1e4 then return ("%.0f KB"):format(n / 1e3) end
  return ("%d bytes"):format(n)
end

local function counted(n, noun)
  return ("%d %s%s"):format(n, noun, n == 1 and "" or noun:sub(-1) == "s" and "es" or "s")
end

-- The sentence. Each rule looks at the figures and says something, or nothing; the first that does is right.

-- What the script did when it neither waited nor pulled: by the function that was called.
local own_work = {
  fast_map = "the loop: its body took %s of %s",
  ["fast_map.map"] = "the script: collecting the results took %s of %s",
  fast_map_async = "the script: its own work and the callbacks took %s of %s",
}

local rules = {
  function(s)
    if s.delivered == 0 then return "no task is done yet" end
  end,
  function(s)
    if s.starting < 0.4 * s.wall then return end
    return ("starting: %s of %s went into starting %s"):format(seconds(s.starting), seconds(s.wall),
      counted(#s.processes, "process"))
  end,
  function(s, caller) -- the script itself was at work nearly all the time
    if s.idle > 0.4 * s.wall then return end
    local total = s.bytes_out + s.bytes_in
    local rate = total / s.wall
    local heavy = rate > HEAVY and total / s.delivered > LARGE -- then most of the input's time went into encoding
    local codec, own = s.decoding + (heavy and s.input or 0), s.loop + (heavy and 0 or s.input)
    if codec > own then
      return ("serialising: %s of tasks and results went through the script, %s a second")
        :format(bytes(total), bytes(rate))
    end
    local each = (s.busy + s.waiting) / s.delivered
    if each < SHORT and s.wall / s.delivered < SHORT then
      return ("short tasks: %s each, about what it takes to hand one over"):format(seconds(each))
    end
    if s.input > s.loop then
      return ("the input: pulling the tasks took %s of %s"):format(seconds(s.input), seconds(s.wall))
    end
    return (own_work[caller] or own_work.fast_map):format(seconds(s.loop), seconds(s.wall))
  end,
  function(s) -- all waited for one
    local slow, second = s.slowest[1], s.slowest[2]
    if not slow or s.delivered == 1 or slow.seconds < 0.5 * s.wall then return end
    if second and second.seconds > 0.7 * slow.seconds then return end
    return ("one slow task: task %d took %s of %s"):format(slow.index, seconds(slow.seconds), seconds(s.wall))
  end,
  function(s)
    local cores = math.min(#s.processes, core.cpus())
    if s.busy < 0.7 * s.wall * cores then return end
    if s.pulled <= #s.processes and s.pulled < core.cpus() then
      return ("few tasks: %s for %s"):format(counted(s.pulled, "task"), counted(core.cpus(), "core"))
    end
    if #s.processes < core.cpus() and s.procs_limit <= #s.processes then
      return ("procs_limit: %s kept busy of %s"):format(counted(cores, "core"), core.cpus())
    end
    return ("the cores: %s, busy for %.0f%% of the time"):format(counted(cores, "core"), 100 * s.busy / (s.wall * cores))
  end,
  function(s) -- no thread was seen to wait, or there would be more of them; still they computed only part of the time
    local inside, limited = s.busy + s.waiting, s.threads_limit and s.threads >= s.threads_limit
    if limited or s.threads > #s.processes or s.delivered <= s.threads then return end
    if inside < 0.7 * s.wall * #s.processes then return end
    return ("the cores: tasks got them for %.0f%% of their time; other programs had them%s"):format(100 * s.busy / inside,
      inside / s.delivered < SEEN and ", or there were short waits" or "")
  end,
  function(s)
    if s.waiting < 2 * s.busy then return end
    if s.threads_limit and s.threads >= s.threads_limit and s.delivered > s.threads then
      return ("threads_limit: tasks wait, and no more than %s may wait at a time"):format(counted(s.threads_limit, "thread"))
    end
    return ("waiting: tasks waited %s each"):format(seconds(s.waiting / s.delivered))
  end,
  function(s)
    if s.wall < LITTLE or s.busy + s.waiting < 0.5 * s.wall * #s.processes then return end
    return ("nothing alone: tasks computed %s and waited %s each"):format(seconds(s.busy / s.delivered),
      seconds(s.waiting / s.delivered))
  end,
}

local function verdict(s, caller)
  for _, rule in ipairs(rules) do
    local words = rule(s, caller)
    if words then return words end
  end
  return "nothing in particular: there was little to do"
end

-- The table

local function process_of(worker)
  return {
    pid = worker.pid, lives = worker.lives, tasks = worker.tasks, threads = worker.threads, busy = worker.busy,
    waiting = math.max(0, worker.working - worker.busy),
  }
end

local same = { "pulled", "delivered", "failed", "rerun", "retried", "deaths", "wall", "bytes_out", "bytes_in", "slowest",
  "procs_limit" }

local callers = setmetatable({}, { __mode = "k" })

--- Which function made the map: the verdict names what the script did in it.
---@param map userdata
---@param name "fast_map"|"fast_map.map"|"fast_map_async"
function M.made_by(map, name)
  callers[map] = name
end

local function fill(s, map)
  local tally = map:tally()
  for _, name in ipairs(same) do s[name] = tally[name] end
  s.threads_limit = tally.threads_limit < NO_LIMIT and tally.threads_limit or nil
  s.input, s.idle, s.starting = math.max(0, tally.pulling), tally.waited, tally.starting
  s.decoding = tally.decoding
  s.loop = math.max(0, s.wall - s.input - s.idle - s.starting - s.decoding)
  s.busy, s.waiting, s.threads, s.processes = 0, 0, 0, {}
  for i, worker in ipairs(tally.workers) do
    local process = process_of(worker)
    s.processes[i] = process
    s.busy, s.waiting, s.threads = s.busy + process.busy, s.waiting + process.waiting, s.threads + process.threads
  end
  s.verdict = plain(verdict, s, callers[map])
  return setmetatable(s, Stats)
end

--- The figures of a map, as they are now or were at its end.
---@param map userdata
---@return fast_map.Stats
function M.of(map)
  return fill({}, map)
end

-- Filled when somebody looks: most callers of fast_map.map do not.
local Later = { __name = "fast_map.stats" }
local maps = setmetatable({}, { __mode = "k" })

local function settle(s)
  local map = maps[s]
  maps[s] = nil
  setmetatable(s, nil) -- or a field that is nil would be looked for here again
  return fill(s, map)
end

function Later.__index(s, name) return settle(s)[name] end
function Later.__pairs(s) return pairs(settle(s)) end
function Later.__tostring(s) return tostring(settle(s)) end

--- The same of a map that has ended, for little until somebody looks.
---@param map userdata
---@return fast_map.Stats
function M.later(map)
  local s = setmetatable({}, Later)
  maps[s] = map
  return s
end

-- Text

local function events(s)
  local list = {}
  local function add(n, text) if n > 0 then list[#list + 1] = text:format(n) end end
  add(s.failed, "%d failed")
  add(s.retried, "%d tried again")
  add(s.rerun, "%d run again")
  add(s.deaths, "%d processes died")
  return #list > 0 and ", " .. table.concat(list, ", ") or ""
end

local function text_of(s)
  local lines = {
    ("%s in %s (%.4g a second)%s"):format(counted(s.delivered, "task"), seconds(s.wall), s.delivered / s.wall, events(s)),
    ("held back by %s"):format(s.verdict),
    ("script: start %s, input %s, decoding %s, loop %s, idle %s; %s out, %s in"):format(seconds(s.starting),
      seconds(s.input), seconds(s.decoding), seconds(s.loop), seconds(s.idle), bytes(s.bytes_out), bytes(s.bytes_in)),
  }
  for _, p in ipairs(s.processes) do
    local lives = p.lives > 1 and (", %d lives"):format(p.lives) or ""
    lines[#lines + 1] = ("process %d: %s, %s, busy %s, waiting %s%s"):format(p.pid, counted(p.tasks, "task"),
      counted(p.threads, "thread"), seconds(p.busy), seconds(p.waiting), lives)
  end
  for _, task in ipairs(s.slowest) do
    lines[#lines + 1] = ("slow: task %d, %s"):format(task.index, seconds(task.seconds))
  end
  return table.concat(lines, "\n")
end

function Stats.__tostring(s) return plain(text_of, s) end

return M
