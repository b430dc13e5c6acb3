-- source.lua - turns what a script gives as tasks into a source that is pulled from.
--
-- Life: source.new -> source:pull (until done) -> source:close (harmless when repeated).
-- A source has, besides those two:
--   kind    "table": tasks 1..count are rawget(table, k) of `table`;
--           "range": task k is first + (k - 1) * step; "other": only pull knows
--   count   the number of tasks, nil when nobody knows it yet
--   done    true after the end, an error or close
--   full    set by push during a pull: that shall hand over no more tasks now
--   resting after a pull: the input has nothing now; the descriptor that becomes readable when it may have more
-- The first two kinds are for fast paths in C; pull works with every kind.

local each = require "fast_map.each"
local metafield = require "fast_map.metafield"
local range = require "fast_map.range"
local show = require "fast_map.show"
local zip = require "fast_map.zip"

local field, is_callable = metafield.get, metafield.is_callable
local raw_metatable = debug and debug.getmetatable or getmetatable -- sees through a __metatable field

local M = { range = range.new, each = each.each, input = each.input }

---@class fast_map.Zip
---@alias fast_map.Tasks table|userdata|fast_map.Range|fast_map.Zip|fast_map.Each|fun(): ...

---@class fast_map.Source
---@field kind "table"|"range"|"other"
---@field count? integer
---@field done boolean
---@field pull fun(self: fast_map.Source, push: fun(...), most: integer): integer
---@field close fun(self: fast_map.Source, err?: any)

-- Sources

local Source = { __name = "fast_map.source" }
local methods = {}
Source.__index = methods

-- While user code runs inside pull, `guard` is to be closed: an error there ends the source.
local Guard = {
  __close = function(guard, err)
    local self = guard.source
    if not self.pulling then return end
    self.pulling = false
    self:close(err)
  end,
}

local function make(source)
  source.done = false
  source.pulling = false
  source.guard = setmetatable({ source = source }, Guard)
  return setmetatable(source, Source)
end

--- Hands at most `most` tasks to push, each as its arguments; returns how many. 0 with self.done: there are no more.
--- 0 without self.done: a pull of this source is under way (the input's own code has called the map).
--- Errors of the input's own code pass through as they are, and end the source.
function methods:pull(push, most)
  if self.done or self.pulling then return 0 end
  local _ <close> = self.guard
  self.pulling, self.full = true, false
  local pulled = self:advance(push, most)
  self.pulling = false
  if pulled < most and not (self.resting or self.full) or self.count and self.taken == self.count then self:close() end
  return pulled
end

--- Ends the source early, and closes what the script gave to be closed (once).
function methods:close(err)
  if self.done then return end
  self.done = true
  if self.finish then self:finish(err) end
end

-- Tasks that have a number: a task's only argument is self:at(k).

local function advance_numbered(self, push, most)
  local from = self.taken
  local last = from + math.min(most, self.count - from)
  for k = from + 1, last do
    self.taken = k -- first: a task is never handed out twice, even when push raises
    push(self:at(k))
    if self.done or self.full then return k - from end -- closed meanwhile, by the input's code or by push
  end
  return last - from
end

local function numbered(source)
  source.taken = 0
  source.advance = advance_numbered
  return make(source)
end

local function raw_item(self, k)
  return rawget(self.table, k)
end

local function object_item(self, k)
  return self.object[k]
end

-- Objects that can be indexed but do not know their length: until the first nil.
local function advance_indexed(self, push, most)
  for pulled = 1, most do
    local value = self.object[self.taken + 1]
    if value == nil or self.done then return pulled - 1 end
    self.taken = self.taken + 1
    push(value)
    if self.full then return pulled end
  end
  return most
end

-- zip

local Zip = { __name = "fast_map.zip" }

local inspect -- defined below: what kind of tasks a value is

--- Several inputs side by side: task k's arguments are the k-th of each. Ends with the shortest. Each input is
--- anything that can be tasks.
---@param ... fast_map.Tasks
---@return fast_map.Zip
function M.zip(...)
  local inputs = table.pack(...)
  if inputs.n == 0 then error("zip needs at least one list of tasks", 2) end
  for i = 1, inputs.n do
    local open, message = inspect(inputs[i], "zip: argument " .. i)
    if not open then error(message, 2) end
  end
  return setmetatable(inputs, Zip)
end

local function open_zip(inputs)
  local sources = {}
  for i = 1, inputs.n do
    local open, message = inspect(inputs[i], "zip: argument " .. i) -- fails when one each(...) stands there twice
    if not open then error(message, 0) end
    sources[i] = open(inputs[i])
  end
  return make(zip.open(sources))
end

-- What a value is

local function open_range(r)
  return numbered { kind = "range", first = r.first, step = r.step, count = r.count, at = range.item }
end

local function open_iterator(iterator)
  return make(each.open_iterator(iterator))
end

local function open_input(input)
  return make(each.open_input(input))
end

local function open_each(triple)
  return make(each.open_each(triple))
end

local function open_indexed(object)
  return make { kind = "other", advance = advance_indexed, object = object, taken = 0 }
end

local function opener_of_table(count)
  return function(t) return numbered { kind = "table", table = t, count = count, at = raw_item } end
end

local function opener_of_object(count)
  return function(object) return numbered { kind = "other", object = object, count = count, at = object_item } end
end

-- The field n of table.pack, or nil.
local function packed_count(t)
  local n = rawget(t, "n")
  return math.type(n) == "integer" and n >= 0 and n or nil
end

local function no_map(t, name)
  return nil, ("%s is a map (it has the key %s, but no item 1): use fast_map.each(pairs(t)) to run over its pairs")
    :format(name, show((next(t))))
end

local function inspect_plain(t, name)
  local count = packed_count(t) or #t
  local holds_no_map = packed_count(t) or next(t) == nil or rawequal(t, arg) -- a script without arguments has no tasks
  if count == 0 and not holds_no_map then return no_map(t, name) end
  return opener_of_table(count)
end

local function inspect_length(object, name)
  local length = #object
  local count = math.type(length) and math.tointeger(length)
  if not count or count < 0 then
    return nil, ("%s must have a length that is a non-negative integer, got %s"):format(name, show(length))
  end
  return opener_of_object(count)
end

-- A table with a metatable: its length, if it says one; else its items, if it has any; else what it can do.
local function inspect_table(t, name)
  local indexed = field(t, "__index") ~= nil
  if field(t, "__len") then return inspect_length(t, name) end
  local count = packed_count(t) or rawlen(t)
  if count > 0 then return (indexed and opener_of_object or opener_of_table)(count) end
  if is_callable(t) then return open_iterator end
  if indexed and (next(t) == nil or t[1] ~= nil) then return open_indexed end
  return inspect_plain(t, name)
end

local function inspect_each(triple, name)
  if not triple.used then return open_each end
  return nil, name .. " is an each(...) that another map has used already: make a new one for each map"
end

local function inspect_zip(inputs)
  for i = 1, inputs.n do
    local open, message = inspect(inputs[i], "zip: argument " .. i)
    if not open then return nil, message end
  end
  return open_zip
end

local own = {
  [range.Range] = function() return open_range end,
  [each.Input] = function() return open_input end,
  [each.Each] = inspect_each,
  [Zip] = inspect_zip,
}

local function inspect_function(f, name)
  if f == next or f == (ipairs {}) then
    local maker = f == next and "pairs" or "ipairs"
    return nil, ("%s is the bare iterator of %s(t): write fast_map.each(%s(t))"):format(name, maker, maker)
  end
  return open_iterator
end

local hints = {
  number = ": fast_map.range(1, n) counts to n",
  thread = ": give the function that coroutine.wrap makes",
  userdata = ", which has neither __len with __index nor __call",
}

local function refuse(value, name)
  local hint = io.type(value) and ": give its lines, file:lines()" or hints[type(value)] or ""
  return nil, ("%s must be a table, fast_map.range, zip or each, or an iterator function, got %s%s")
    :format(name, show(value), hint)
end

-- Returns the function that opens a source on value, or nil and what is wrong. Uses up nothing.
function inspect(value, name)
  local kind = type(value)
  if kind == "function" then return inspect_function(value, name) end
  if kind == "table" then
    local meta = raw_metatable(value)
    if meta == nil then return inspect_plain(value, name) end
    return (own[meta] or inspect_table)(value, name)
  end
  if kind == "userdata" then
    if field(value, "__len") and field(value, "__index") then return inspect_length(value, name) end
    if is_callable(value) then return open_iterator end
  end
  return refuse(value, name)
end

--- Opens a source on what a script gave as tasks.
---@param tasks fast_map.Tasks
---@param level? integer whose line an error names, as error() counts where new is called (default 1)
---@return fast_map.Source
function M.new(tasks, level)
  local open, message = inspect(tasks, "tasks")
  if not open then error(message, (level or 1) + 1) end
  return open(tasks)
end

return M
