-- each.lua - iterators as tasks: a generic `for`'s, a function that is called again and again, one that never waits.
--
-- open_X return the fields of a source; see source.lua.

local metafield = require "fast_map.metafield"
local show = require "fast_map.show"

local M = {}

---@class fast_map.Each

-- Hands over one item; false at the end, or when the source was closed meanwhile by the iterator's code.
local function forward(self, push, first, ...)
  if first == nil or self.done then return false end
  self.control = first
  push(first, ...)
  return true
end

local function advance_each(self, push, most)
  local iterator, state = self.iterator, self.state
  for pulled = 1, most do
    if not forward(self, push, iterator(state, self.control)) then return pulled - 1 end
    if self.full then return pulled end
  end
  return most
end

local function finish_each(self, err)
  local closing = self.closing
  self.closing, self.iterator, self.state, self.control = nil, nil, nil, nil
  if closing then metafield.get(closing, "__close")(closing, err) end
end

-- A function that is called again and again

local function advance_iterator(self, push, most)
  local iterator = self.iterator
  for pulled = 1, most do
    if not forward(self, push, iterator()) then return pulled - 1 end
    if self.full then return pulled end
  end
  return most
end

function M.open_iterator(iterator)
  return { kind = "other", advance = advance_iterator, finish = finish_each, iterator = iterator }
end

-- An iterator that never waits

M.Input = { __name = "fast_map.input" }

--- An iterator as tasks that returns false when it has nothing now, and is asked again when its descriptor is readable.
---@param iterator fun(): ...
---@param fd fun(): integer
function M.input(iterator, fd)
  return setmetatable({ iterator = iterator, fd = fd }, M.Input)
end

local function forward_ready(self, push, first, ...)
  if first ~= false then return forward(self, push, first, ...) end
  self.resting = self.fd()
  return false
end

local function advance_input(self, push, most)
  local iterator = self.iterator
  self.resting = nil
  for pulled = 1, most do
    if not forward_ready(self, push, iterator()) then return pulled - 1 end
    if self.full then return pulled end
  end
  return most
end

function M.open_input(input)
  return {
    kind = "other", advance = advance_input, finish = finish_each, iterator = input.iterator, fd = input.fd,
  }
end

-- A generic `for`

M.Each = { __name = "fast_map.each" }

--- A generic `for`'s values as tasks: `each(pairs(t))`, `each(io.lines(name))`. All that the iterator returns is a
--- task's arguments. Serves one map; the closing value is closed when that map's input ends.
---@param iterator fun(state: any, control: any): ...
---@param state? any
---@param control? any
---@param closing? any
---@return fast_map.Each
function M.each(iterator, state, control, closing)
  if not metafield.is_callable(iterator) then
    error(("each: the iterator must be a function, such as pairs(t) returns, got %s"):format(show(iterator)), 2)
  end
  if closing and not metafield.get(closing, "__close") then
    error(("each: the closing value has no __close metamethod, got %s"):format(show(closing)), 2)
  end
  return setmetatable({ iterator = iterator, state = state, control = control, closing = closing, used = false }, M.Each)
end

function M.open_each(each)
  each.used = true
  return {
    kind = "other", advance = advance_each, finish = finish_each,
    iterator = each.iterator, state = each.state, control = each.control, closing = each.closing or nil,
  }
end

return M
