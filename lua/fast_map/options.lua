-- options.lua - the one table of options: names, what they accept, defaults, help.
-- A new option is one more line in it.

local nearest = require "fast_map.nearest"
local printable = require "fast_map.printable"
local show = require "fast_map.show"

local M = {}

---@class (exact) fast_map.Options
---@field threads_limit? integer|string threads of the whole map: a number, or "400%" of the CPUs (default: one a task)
---@field procs_limit? integer|string processes: a number, or "50%" of the CPUs (default: the CPUs this process may use)
---@field buffersize? integer tasks pulled ahead of the result being delivered (default: 65536)
---@field chunksize? integer|"auto" tasks that a thread takes at a time (default: "auto")
---@field ordered? boolean results in task order; false: as they come (default: true)
---@field init? fun(): any runs once in each thread, before its first task; what it returns is fast_map.state there
---@field exit? fun(state: any) runs once in each thread, after the map's last task, with what init returned
---@field on_result? fun(index: integer, ...) called with each result
---@field on_error? fast_map.OnError for a failed task (default: "raise")
---@field on_done? fun() called once, after everything was delivered
---@field callbacks? fast_map.Callbacks when callbacks may run (default: "interrupt")
---@field total? integer the number of tasks when only the caller knows it
---@field progress? boolean|string|fun(info: fast_map.Progress) a bar on stderr, or a function (default: false)
---@field timeout? number seconds that a task may take from its start (default: no limit)
---@field kill_after? number seconds from a timeout to the end of a process that does not yield to it (default: 1)
---@field retries? integer further attempts for tasks that raise or time out (default: 0)
---@field retry_delay? number seconds before the first further attempt, doubling (default: 0)
---@field rerun? boolean run tasks again that were in a process that died (default: true)
---@field memory_limit? integer bytes of one thread's Lua state (default: no limit)
---@field max_tasks_per_worker? integer tasks after which a process is replaced (default: no limit)
---@field journal? string a file that keeps each result, for a later run of the script
---@field resume? boolean|"force" use what the journal holds; "force": also of another function (default: true)
---@field output? "line"|"group"|"tag" what tasks print: in whole lines, before the result, or marked (default: "line")
---@field nice? integer how far the workers stand back for other programs, 0 to 19, as nice(1) counts (default: 0)
---@field trace? string a file for the map's timeline, as Perfetto and chrome://tracing read it
---@field report? string a file for a page that shows timeline and figures
---@field seed? integer makes task k draw the same random numbers in every run

---@alias fast_map.OnError
---| "raise" # the failure is raised at its turn
---| "return" # it is returned as index, nil, err
---| fun(index: integer, err: fast_map.Error) # it is given to this function

---@alias fast_map.Callbacks
---| "interrupt" # between any two instructions of the script
---| "polled" # in join, poll and sleep only

-- Kinds of value. read returns what is stored; nil refuses the value, `none` means that it limits nothing.
local none = {}

local function integer(value)
  return math.type(value) and math.tointeger(value) -- a numeral in a string is not a number here
end

local function at_least(least)
  return function(value)
    if math.type(value) == "float" and value >= 0x1p63 then return none end -- math.huge too
    value = integer(value)
    return value and value >= least and value or nil
  end
end

local whole = { text = "an integer", read = integer }
local count = { text = "a non-negative integer", read = at_least(0) }
local positive = { text = "a positive integer", read = at_least(1) }

local niceness = {
  text = "an integer from 0 to 19",
  read = function(value)
    value = integer(value)
    return value and value >= 0 and value <= 19 and value or nil
  end,
}

local seconds = {
  text = "a number of seconds, 0 or more",
  read = function(value) return math.type(value) and value >= 0 and value or nil end,
}

local some_seconds = {
  text = "a positive number of seconds",
  read = function(value)
    if value == math.huge then return none end
    return math.type(value) and value > 0 and value or nil
  end,
}

local flag = {
  text = "true or false",
  read = function(value) if type(value) == "boolean" then return value end end,
}

local label = {
  text = "a label",
  read = function(value) if type(value) == "string" then return value end end,
}

local callable = {
  text = "a function",
  read = function(value)
    local meta = getmetatable(value)
    return (type(value) == "function" or type(meta) == "table" and meta.__call) and value or nil
  end,
}

local path = {
  text = "the name of a file",
  read = function(value) return type(value) == "string" and value ~= "" and not value:find "\0" and value or nil end,
}

local percentage = {
  text = 'a percentage such as "50%"',
  read = function(value, cpus)
    local percent = type(value) == "string" and tonumber(value:match "^%s*(%d+%.?%d*)%s*%%%s*$")
    if not percent or percent <= 0 or percent > 1e6 then return nil end
    return math.max(1, math.floor(cpus() * percent / 100 + 0.5))
  end,
}

-- name, what it accepts (a string stands for itself), default, help, and names that others use for it
M.table = {
  { "threads_limit", { positive, percentage }, nil, 'threads of the whole map, or "400%" of the CPUs (default: one a task)',
    "threads max_threads thread_count num_threads n_threads concurrency" },
  { "procs_limit", { positive, percentage }, nil, 'processes, or a share of the CPUs: "50%" (default: the CPUs)',
    "processes procs workers max_workers num_workers jobs n_jobs cpus cores" },
  { "buffersize", { positive }, 65536, "tasks pulled ahead of the result being delivered", "buffer window lookahead" },
  { "chunksize", { positive, "auto" }, "auto", "tasks that a thread takes at a time", "chunk batch batch_size" },
  { "ordered", { flag }, true, "results in task order; false: as they come", "keep_order order" },
  { "init", { callable }, nil, "function() run once in each thread before its first task; returns fast_map.state there",
    "initializer worker_init setup start" },
  { "exit", { callable }, nil, "function(state) run once in each thread after the map's last task",
    "worker_exit finalizer teardown stop" },
  { "on_result", { callable }, nil, "function(index, ...) called with each result", "callback result" },
  { "on_error", { callable, "raise", "return" }, "raise", "a failed task raises, is returned, or given to a function",
    "error_callback error" },
  { "on_done", { callable }, nil, "function() called once, after everything was delivered", "done finally" },
  { "callbacks", { "interrupt", "polled" }, "interrupt",
    "between any two instructions, or in join, poll and sleep only" },
  { "total", { count }, nil, "the number of tasks when only the caller knows it", "length tasks_count_estimate" },
  { "progress", { flag, label, callable }, nil, "a bar on stderr, with a label; or a function that is told",
    "progressbar progress_bar bar show_progress verbose" },
  { "timeout", { some_seconds }, nil, "seconds that a task may take from its start (default: no limit)", "time_limit" },
  { "kill_after", { seconds }, 1, "seconds from a timeout to the end of a process that does not yield to it" },
  { "retries", { count }, 0, "further attempts for tasks that raise or time out", "retry attempts" },
  { "retry_delay", { seconds }, 0, "seconds before the first further attempt, doubling", "backoff" },
  { "rerun", { flag }, true, "run tasks again that were in a process that died" },
  { "memory_limit", { positive }, nil, "bytes of one thread's Lua state (default: no limit)", "max_memory" },
  { "max_tasks_per_worker", { positive }, nil, "tasks after which a process is replaced (default: never)",
    "maxtasksperchild max_tasks_per_child" },
  { "journal", { path }, nil, "a file that keeps each result, for a later run of the script", "checkpoint joblog" },
  { "resume", { flag, "force" }, true, 'use what the journal holds; "force": also of another function' },
  { "output", { "line", "group", "tag" }, nil,
    'what tasks print: in whole lines, before the result, or with the task\'s number (default: "line")', "print stdout" },
  { "nice", { niceness }, 0, "how far the workers stand back for other programs, as nice(1) counts", "niceness priority" },
  { "trace", { path }, nil, "a file for the map's timeline, as Perfetto and chrome://tracing read it", "timeline" },
  { "report", { path }, nil, "a file for a page that shows timeline and figures", "html" },
  { "seed", { whole }, nil, "makes task k draw the same random numbers in every run" },
}

local function accepts(kinds)
  local texts = {}
  for i, kind in ipairs(kinds) do texts[i] = type(kind) == "string" and '"' .. kind .. '"' or kind.text end
  local last = table.remove(texts)
  return #texts == 0 and last or table.concat(texts, ", ") .. " or " .. last
end

local function convert(row, value, cpus)
  for _, kind in ipairs(row[2]) do
    local result
    if kind == value then
      result = value
    elseif type(kind) == "table" then
      result = kind.read(value, cpus)
    end
    if result ~= nil then return result end
  end
end

local function names()
  local list = {}
  for i, row in ipairs(M.table) do list[i] = row[1] end
  return list
end

-- The option that the writer of `name` may have meant, or nil.
local function meant_by(name)
  local wanted = name:lower():gsub("-", "_")
  for _, row in ipairs(M.table) do
    local others = " " .. (row[5] or "") .. " "
    if wanted ~= "" and others:find(" " .. wanted .. " ", 1, true) then return row[1] end
  end
  return nearest(wanted, names())
end

local known -- the set of names, made at the first read

local function learn()
  known = {}
  for _, row in ipairs(M.table) do known[row[1]] = true end
end

-- The message about the first key that is no option's name, or nil.
local function unknown(user)
  local first
  for key in pairs(user) do
    if type(key) ~= "string" then
      return ("options are given by name, such as {procs_limit = 2}: %s is no name"):format(show(key))
    end
    if not known[key] and (not first or key < first) then first = key end
  end
  if not first then return nil end
  local meant = meant_by(first)
  first = printable(first, "?")
  if meant then return ("unknown option '%s', did you mean '%s'?"):format(first, meant) end
  return ("unknown option '%s'; the options are %s"):format(first, table.concat(names(), ", "))
end

local function machine_cpus()
  return require("fast_map.core").cpus()
end

-- The option's stored value (nil: no limit), or nil and what is wrong with the given one.
local function take(row, value, cpus)
  local result = convert(row, value, cpus)
  if result == nil then
    return nil, ("option '%s' must be %s, got %s"):format(row[1], accepts(row[2]), show(value))
  end
  if result ~= none then return result end
  if row[3] ~= nil then return math.maxinteger end -- nil would read as the default
end

-- Returns options, or nil and what is wrong.
local function read(user, cpus)
  if type(user) ~= "table" then
    local hint = type(user) == "userdata" and ": what a generic for takes is given as fast_map.each(...)" or ""
    return nil, "options must be a table, got " .. show(user) .. hint
  end
  if not known then learn() end
  local message = unknown(user)
  local options = {}
  for _, row in ipairs(M.table) do
    local name, default = row[1], row[3]
    local value = user[name]
    if value == nil then
      options[name] = default
    elseif not message then
      options[name], message = take(row, value, cpus)
    end
  end
  if message then return nil, message end
  return options
end

--- What scripts that do not say otherwise get from now on.
---@param name string an option
---@param value any
function M.default(name, value)
  for _, row in ipairs(M.table) do
    if row[1] == name then row[3] = value end
  end
end

--- Checks the options that a script gave and fills in the defaults. An option without a limit is absent.
---@param user? fast_map.Options
---@param level? integer whose line an error names, as error() counts where read is called (default 1)
---@param cpus? fun(): integer the CPUs that a percentage is of
---@return fast_map.Options
function M.read(user, level, cpus)
  local options, message = read(user == nil and {} or user, cpus or machine_cpus)
  if not options then error(message, (level or 1) + 1) end
  return options
end

--- The options as text, one a line.
---@return string
function M.help()
  local lines = {}
  for i, row in ipairs(M.table) do
    local default = row[3] ~= nil and (" (default: %s)"):format(show(row[3])) or ""
    lines[i] = ("  %-20s  %s%s"):format(row[1], row[4], default)
  end
  return table.concat(lines, "\n")
end

return M
