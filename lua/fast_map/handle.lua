-- handle.lua - the callback form: maps that go on while the script does.
--
-- While the script computes a signal comes now and then (usher.h), the signal sets a one-shot hook, the hook calls `serve`
-- (core.serve). Everything else that waits (join, poll, sleep, the end of the script) serves as well. Callbacks never run
-- inside each other.

local core = require "fast_map.core"

local M = {}

local Handle = { __name = "fast_map.handle" }

---@class fast_map.Handle what fast_map_async returns; to-be-closed: closing cancels
local methods = {}
Handle.__index = methods

local active = {}       -- handles not finished, oldest first; keeps them alive when the script drops them
local failed = {}       -- errors that nobody has been told of: handle -> true
local serving = false   -- a callback runs
local missed = false    -- a signal came meanwhile
local home = core.pid() -- the process that all this is of

local TURN = 0.01 -- seconds of one map's callbacks, before other maps and the script have their turn
local resume = 0  -- core.now() when the script's own turn ends: hooks wait for it

-- A child that the script has forked finds its parent's handles here: they are not its own.
local function come_home()
  local pid = core.pid()
  if pid == home then return end
  home, active, failed, serving, missed = pid, {}, {}, false, false
end

-- Calls nothing: there may be no memory left, and even setmetatable makes a string.
local function deactivate(self)
  local n, k = #active, 0
  for i = 1, n do
    local other = active[i]
    active[i] = nil
    if other ~= self then
      k = k + 1
      active[k] = other
    end
  end
end

-- err: what each later join and poll raises, when it failed.
local function finish(self, state, err)
  deactivate(self)
  self.state, self.err = state, err
  self.sentinel.awake = false -- its work is done; collected later, it would drain other maps
  self.map:close()
end

-- What ends a map but for callbacks waits for join: the script may be anywhere now.
local function fail(self, err)
  failed[self] = true
  finish(self, "failed", err)
end

local function take_end(self, with_error, err)
  if self.state ~= "running" then return end -- cancelled or failed meanwhile
  if with_error then return fail(self, err) end
  finish(self, "done")
  if self.on_done then self.on_done() end
end

-- One result, false for none now, or the end. Returns whether to go on.
local function take(self, index, ...)
  if index == false then return false end
  if index == nil then
    take_end(self, ...)
    return false
  end
  if self.on_result then self.on_result(index, ...) end
  return true
end

-- Maps may have something that no bell will ring for any more.
local function remind_all(seconds)
  for _, handle in ipairs(active) do handle.map:remind(seconds) end
end

-- An error in a callback ends its map, as an error in a loop's body does. It also ends the round: the other maps have theirs
-- a moment later.
local Serving = {
  __close = function(guard, err)
    serving = false
    if err == nil then return end
    if guard.handle.state == "running" then finish(guard.handle, "failed", err) end
    remind_all(0)
  end,
}

-- Once more: a debug hook may raise in the other's first instruction (Ctrl-C, a script's limit of time).
local served = setmetatable({}, { __close = function() serving = false end })

-- Delivers so many results at most. True: there may be more.
local function take_some(self, count)
  for _ = 1, count do
    if not take(self, self.map:step(0)) or self.state ~= "running" then return false end
  end
  return true
end

-- Delivers what is ready, until that time. Of callbacks that take next to none, not after each is the clock looked at.
local function step(self, stop)
  local _ <close> = served
  local _ <close> = self.guard
  serving = true
  local count, before = 1, core.now()
  while take_some(self, count) do
    local now = core.now()
    if now >= stop then return end
    count = now - before < TURN / 100 and math.min(2 * count, 16) or 1
    before = now
  end
end

-- Delivers, until that time at most, and has the bells ring for what comes later. True: something is left.
local function turn(self, stop)
  stop = math.min(stop or math.huge, core.now() + TURN)
  repeat
    step(self, stop)
    if self.state ~= "running" or not self.map:arm() then return false end
  until core.now() >= stop
  self.map:remind(TURN)
  return true
end

local function each_active(polled_too, stop)
  come_home()
  local handles, left = table.move(active, 1, #active, 1, {}), false
  for _, handle in ipairs(handles) do
    if handle.state == "running" and (polled_too or not handle.polled) then left = turn(handle, stop) or left end
  end
  return left
end

-- Called by the hook, between two instructions of the script.
local function serve()
  if serving then
    missed = true
    return
  end
  local left, took
  local began = core.now()
  if began < resume then return remind_all(resume - began) end
  repeat
    missed = false
    left = each_active(false)
    took = core.now() - began
  until not (missed or left) or took >= TURN
  if not (missed or left) then return end
  resume = began + 2 * took -- the script has as long
  remind_all(took)
end

-- After a turn outside of it.
local function catch_up()
  if missed then serve() end
end

local function raise_failure(self)
  if self.state ~= "failed" then return end
  failed[self] = nil
  error(self.err, 0)
end

local function check(self, name, level)
  if getmetatable(self) ~= Handle then error(("%s: call it as a method, handle:%s()"):format(name, name), level + 1) end
end

local function check_may_wait(self, name)
  check(self, name, 3)
  come_home()
  if serving then error(name .. ": a callback may not wait for callbacks", 3) end
  if self.pid ~= home then error(name .. ": the map is another process's", 3) end
end

-- As C's clock_after: nan is now. A deadline that is nan would never come.
local function deadline_in(seconds)
  return core.now() + math.max(0, tonumber(seconds))
end

--- Waits until every callback has run, at most so many seconds.
--- Raises the error of a task that failed, when there is no on_error, and errors of the input and the callbacks; again each
--- time that it is called.
---@param seconds? number default: without limit
---@return boolean done false: the time is over
function methods:join(seconds)
  check_may_wait(self, "join")
  if not tonumber(seconds or 0) then error("join: seconds must be a number, got " .. require "fast_map.show"(seconds), 2) end
  local deadline = deadline_in(seconds or math.huge)
  while self.state == "running" do
    turn(self)
    if self.state ~= "running" then break end
    local left = deadline - core.now()
    if left <= 0 then return false end
    each_active(true, deadline) -- other maps' callbacks do not wait for this one
    core.wait(left, self.map, M.maps()) -- returns at once when a hook has closed one of them by now
  end
  catch_up()
  raise_failure(self)
  return true
end

--- Runs callbacks that are due, for a hundredth of a second at most; never waits. Raises as join does.
---@return boolean done
function methods:poll()
  check_may_wait(self, "poll")
  if self.state == "running" then turn(self) end
  catch_up()
  raise_failure(self)
  return self.state ~= "running"
end

--- Ends the map: its processes are gone on return, no further callback runs.
function methods:cancel()
  if not self then check(self, "cancel", 2) end -- else it would need memory
  if self.state == "running" then finish(self, "cancelled") end
end

--- How far the map is.
---@return "running"|"done"|"cancelled"|"failed" state
---@return integer pulled tasks taken from the input
---@return integer delivered results handed to callbacks
---@return integer processes alive
function methods:status()
  check(self, "status", 2)
  return self.state, self.map:figures()
end

--- What the map did so far, in figures and in a sentence.
---@return fast_map.Stats
function methods:stats()
  check(self, "stats", 2)
  return self.map:stats()
end

--- The tasks that threads work on now, and how many they are. Asks the threads where they are: takes up to 0.1 s.
---@return fast_map.Running[]
---@return integer
function methods:running()
  check(self, "running", 2)
  return self.map:running()
end

--- A descriptor for event loops: readable when poll may have something to do. Valid while the map runs; raises when it does
--- not.
---@return integer
function methods:fd()
  check(self, "fd", 2)
  if self.state ~= "running" then error("fd: the map has ended", 2) end
  return self.map:fd()
end

Handle.__close = methods.cancel

function Handle.__tostring(self)
  local state, pulled, delivered = self:status()
  return ("fast_map.handle: %s, %d tasks taken, %d results delivered"):format(state, pulled, delivered)
end

local function show(err)
  io.stderr:write("fast_map_async: ", tostring(err), "\n")
end

local function cancel_all()
  while active[1] do finish(active[1], "cancelled") end
end

-- The script ends: what was promised is still delivered, and no error is swallowed. May run as a finalizer, so errors are
-- shown, not raised. Returns whether all went well; and Ctrl-C's error, which ends all of them.
local function drain()
  local good = true
  come_home()
  while active[1] do
    local self = active[1]
    local ok, err = pcall(methods.join, self)
    if not ok then
      good = false
      if type(err) == "string" and err:find("interrupted!", 1, true) then
        cancel_all()
        return false, err
      end
      pcall(show, err)
      if self.state == "running" then pcall(finish, self, "failed", err) end
    end
    deactivate(self) -- its end may have been cut short for lack of memory
  end
  for self in pairs(failed) do
    good = false
    show(self.err)
  end
  failed = {}
  return good
end

--- All unfinished maps' callbacks are run (true), or the maps cancelled (false): for a host that ends. Returns false when a
--- map failed and the script was never told. Raises Ctrl-C's error.
function M.at_exit(deliver)
  come_home()
  if not deliver then
    cancel_all()
    return true
  end
  local good, interruption = drain()
  if interruption then error(interruption, 0) end
  return good
end

function M.maps()
  local maps = {}
  for i, handle in ipairs(active) do maps[i] = handle.map end
  return table.unpack(maps)
end

--- fast_map.sleep while maps are active. False: there are none.
function M.sleep(seconds)
  come_home()
  if not active[1] or serving then return false end
  local deadline = deadline_in(seconds)
  repeat
    each_active(true, deadline)
    core.wait(deadline - core.now(), M.maps())
  until core.now() >= deadline
  each_active(true, core.now() + TURN)
  return true
end

-- Of a handle that the script's end finds unfinished.
local Sentinel = {
  __gc = function(sentinel)
    if not sentinel.awake then return end
    local _, interruption = drain()
    if interruption then show(interruption) end
  end,
}

-- Two halves, since the map needs to know what a failure does before the handle has the map.
function M.new()
  come_home()
  local self = { state = "running", sentinel = { awake = false }, pid = home }
  self.guard = setmetatable({ handle = self }, Serving)
  return function(err) fail(self, err) end, function(map, options)
    self.map = map
    self.on_result, self.on_done = options.on_result, options.on_done
    self.polled = options.callbacks == "polled"
    if not self.polled then
      core.serve(serve)
      map:notify()
    end
    map:begin()
    setmetatable(self.sentinel, Sentinel) -- later than the map's own: lua_close finalizes it before that
    active[#active + 1] = setmetatable(self, Handle) -- from here on the hook may act on it, and nothing raises
    self.sentinel.awake = true
    map:arm()
    if not self.polled then core.notice() end -- in any case: what comes meanwhile shall find the caller with its handle
    return self
  end
end

return M
