-- init.lua - the module fast_map: an ordered parallel map.
-- The way of a call: options.lua checks, source.lua makes a source of the tasks, core.open forks, and either the
-- iterator below or a handle (handle.lua) takes the results.

local core = require "fast_map.core"
local failure = require "fast_map.failure"
local metafield = require "fast_map.metafield"
local options = require "fast_map.options"
local quote = require "fast_map.quote"
local roster = require "fast_map.roster"
local show = require "fast_map.show"
local source = require "fast_map.source"
local stats = require "fast_map.stats"

---@class fast_map
---@field _VERSION string
---@field range fun(first: number, last: number, step?: number): fast_map.Range numbers as tasks
---@field zip fun(...: fast_map.Tasks): fast_map.Zip several arguments a task: the k-th of each input
---@field each fun(iterator: function, state?: any, control?: any, closing?: any): fast_map.Each a generic for as tasks
---@field now fun(): number seconds since some fixed point; never goes back
---@field cpus fun(): integer the CPUs that this process may use
---@field quote fun(...: string|number): string words for the shell of os.execute and io.popen, whatever they hold
---@field encode fun(...: any): string nil, booleans, numbers, strings and tables of these to bytes; raises for others
---@field state any in a task: what the option `init` returned in its thread
---@field decode fun(bytes: string): ... what encode was given; raises for anything else
---@overload fun(f: (fun(...): ...), tasks: fast_map.Tasks, opts?: fast_map.Options): (fun(): integer, ...), nil, nil, any
local M = {
  _VERSION = "fast_map " .. core.version,
  range = source.range,
  zip = source.zip,
  each = source.each,
  now = core.now,
  cpus = core.cpus,
  quote = quote,
  encode = core.encode,
  decode = core.decode,
}

local DEPTH_LIMIT = 4 -- maps inside tasks of maps inside tasks …: no fork bomb

-- verdicts of src/worker/port.h
local kinds = { "done", "error", "memory", "transfer", "timeout", "crash", "cancelled", "init" }

local function check_function(f, name, level)
  if metafield.is_callable(f) then return end
  local hint = type(f) == "table" and ": the function comes first, then the tasks" or ""
  error(("%s: the first argument must be a function, got %s%s"):format(name, show(f), hint), level + 1)
end

local function check_depth(name, level)
  if core.depth() < DEPTH_LIMIT then return end
  error(("%s: maps are nested %d deep; a task of a task may not go on for ever"):format(name, DEPTH_LIMIT), level + 1)
end

-- The coroutine that pulls tasks from the script's own code while there is room for them.
local function new_feeder(src)
  if src.kind ~= "other" then return nil end
  return coroutine.create(function(map)
    local function push(...) src.full = map:push(...) end
    while true do
      src:pull(push, map:room())
      if src.done then return end
      map:rest(src.resting)
    end
  end)
end

-- What a failed task gives: a function(index, verdict, attempt, pid, message, traceback) -> index, nil, err; or nothing.
local function new_fail(on_error, raise)
  return function(index, verdict, attempt, pid, message, traceback)
    local err = failure.new {
      index = index, kind = kinds[verdict], message = message, traceback = traceback,
      attempt = attempt, pid = pid ~= 0 and pid or nil,
    }
    if err.kind == "init" then -- not the task's own: no other would fare better
      err.index, err.attempt = nil, nil
      return raise(err)
    end
    if on_error == "return" then return index, nil, err end
    if on_error == "raise" then return raise(err) end
    on_error(index, err)
  end
end

local function check_callbacks(name, o, level)
  if name == "fast_map_async" or not (o.on_result or o.on_done) then return end
  error(name .. ": on_result and on_done go with fast_map_async; here the loop's body takes the results", level + 1)
end

-- Everything that both forms share: first what refuses the call, then what changes files. raise(err) is what a failed task
-- does without on_error.
local function open(name, f, tasks, user_options, raise, level)
  level = level + 1
  check_function(f, name, level)
  check_depth(name, level)
  local src = source.new(tasks, level) -- before the options: when pairs(t) is given as tasks, its t stands in their place
  local o = options.read(user_options, level)
  check_callbacks(name, o, level)
  local files = (o.trace or o.report) and require("fast_map.timeline").open(name, o, level) or nil
  local settings = {
    count = src.count or o.total,
    procs_limit = o.procs_limit or (core.depth() > 0 and 1 or core.cpus()),
    threads_limit = o.threads_limit,
    buffersize = o.buffersize,
    ordered = o.ordered,
    chunksize = o.chunksize ~= "auto" and o.chunksize or nil,
    memory_limit = o.memory_limit,
    seed = o.seed,
    rerun = o.rerun,
    retries = o.retries,
    retry_delay = o.retry_delay,
    timeout = o.timeout,
    kill_after = o.kill_after,
    max_tasks_per_worker = o.max_tasks_per_worker,
    journal = o.journal and require("fast_map.journal").open(name, o, f, level),
    nice = o.nice,
    init = o.init,
    exit = o.exit,
    output = o.output,
    trace = files ~= nil,
  }
  local map = core.open(settings, f, src, new_feeder(src), new_fail(o.on_error, raise))
  roster.add(map)
  stats.made_by(map, name)
  if files then require("fast_map.timeline").keep(map, files, o) end
  if o.progress then require("fast_map.progress").watch(map, settings.count, o.progress) end
  return map, o
end

-- Closes a map whose beginning was cut short: by an error, or with the coroutine that it yielded from.
local Beginning = {
  __close = function(beginning)
    if beginning.map then beginning.map:close() end
  end,
}

local function begin(map)
  local beginning <close> = setmetatable({ map = map }, Beginning)
  map:begin(true)
  beginning.map = nil
end

local function iterate(name, f, tasks, user_options, level)
  local map
  local function raise(err)
    map:close()
    error(err, 0)
  end
  map = open(name, f, tasks, user_options, raise, level + 1)
  begin(map)
  return map:iterator(), nil, nil, map
end

---@class fast_map.Map what a loop closes; its figures may be asked for meanwhile and afterwards
---@field stats fun(self: fast_map.Map): fast_map.Stats
---@field running fun(self: fast_map.Map): fast_map.Running[], integer the tasks that run now, and their number
core.methods.stats = stats.of

---@class fast_map.Running a task that a thread works on
---@field index integer
---@field seconds number since it began
---@field pid integer
---@field worker integer from 0
---@field thread integer of its process, from 0
---@field where? string file:line, when it could be had

--- Runs f over tasks in parallel; yields index, results... in the order of the tasks.
---
---     for i, v in fast_map(f, tasks) do print(i, v) end
---
---@param f fun(...): ... called once for each task, in a worker
---@param tasks fast_map.Tasks
---@param opts? fast_map.Options
---@return (fun(): integer, ...) iterator
---@return nil
---@return nil
---@return fast_map.Map map ends when the loop is left
function M.fast_map(f, tasks, opts)
  return iterate("fast_map", f, tasks, opts, 1) -- a tail call: there is no frame of this function
end

---@class fast_map.Results
---@field [integer] any the first result of that task
---@field n integer the number of tasks
---@field errors? table<integer, fast_map.Error> what tasks failed with, perhaps nothing, when on_error = "return"

--- Collects the results.
---@param f fun(...): ... called once for each task, in a worker
---@param tasks fast_map.Tasks
---@param opts? fast_map.Options
---@return fast_map.Results
---@return fast_map.Stats
function M.map(f, tasks, opts)
  local results, n = {}, 0
  local iterator, _, _, map = iterate("fast_map.map", f, tasks, opts, 2)
  local errors = opts and opts.on_error == "return" and {} or nil
  for i, value, err in iterator, nil, nil, map do
    results[i] = value
    if i > n then n = i end
    if errors and value == nil and failure.is(err) then errors[i] = err end
  end
  results.n, results.errors = n, errors
  return results, stats.later(map)
end

--- Starts the map and returns at once. Callbacks run in this state, in the order of the tasks, one at a time: between two
--- instructions of the script, and in join, poll and fast_map.sleep.
---@param f fun(...): ... called once for each task, in a worker
---@param tasks fast_map.Tasks
---@param opts? fast_map.Options
---@return fast_map.Handle
function M.fast_map_async(f, tasks, opts)
  local handle = require "fast_map.handle"
  local raise, attach = handle.new()
  return attach(open("fast_map_async", f, tasks, opts, raise, 2))
end

--- Waits; callbacks of asynchronous maps run meanwhile. In a task, the worker runs other tasks on other threads.
---@param seconds number
function M.sleep(seconds)
  if not tonumber(seconds) then error("sleep: seconds must be a number, got " .. show(seconds), 2) end
  local handle = package.loaded["fast_map.handle"]
  if handle and handle.sleep(seconds) then return end
  core.sleep(seconds)
end
core.module_sleep = M.sleep -- tasks have one of their own for it, unless the script replaces it

---@class fast_map.Lock
---@field close fun(self: fast_map.Lock)

--- Waits until nobody else has the lock of that file: no other task, thread, process or script. The file is made when there
--- is none, and stays. Keep the lock in a local variable with <close>; whoever dies gives it back.
---@param path string
---@return fast_map.Lock
function M.lock(path)
  if type(path) ~= "string" then error("lock: it needs the name of a file, got " .. show(path), 2) end
  local lock, message = core.lock(path)
  return lock or error("lock: cannot open the file: " .. message, 2)
end

return setmetatable(M, { __call = function(_, f, tasks, opts) return iterate("fast_map", f, tasks, opts, 1) end })
