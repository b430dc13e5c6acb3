-- range.lua - evenly spaced numbers that can be read as a table and take no memory each.

local plain = require "fast_map.plain"
local show = require "fast_map.show"

local M = {}

---@class fast_map.Range
---@field first number
---@field last number as it was given
---@field step number
---@field count integer
---@field [integer] number the numbers
---@operator len: integer
local Range = { __name = "fast_map.range" }

--- The k-th number, for 1 <= k <= count. Integers may wrap on the way, never in the result.
function M.item(r, k)
  return r.first + (k - 1) * r.step
end

function Range.__index(r, k)
  local i = math.type(k) and math.tointeger(k)
  if i and i >= 1 and i <= r.count then return M.item(r, i) end
end

function Range.__len(r)
  return r.count
end

function Range.__tostring(r)
  return plain(string.format, "fast_map.range(%s, %s, %s)", r.first, r.last, r.step)
end

function Range.__newindex()
  error("a range cannot be changed", 2)
end

-- How many steps fit between two integers, unsigned, without overflow: (b - a) // step, at most the largest integer.
local function steps_between(a, b, step)
  local up = step > 0
  if up and a > b or not up and a < b then return nil end
  local gap = up and b - a or a - b -- unsigned: may wrap
  local stride = up and step or -step -- unsigned too: -mininteger is 2^63
  if stride < 0 then return math.ult(gap, stride) and 0 or 1 end
  if gap >= 0 then return gap // stride end
  local half = (gap >> 1) // stride << 1
  local rest = gap - half * stride
  local steps = math.ult(rest, stride) and half or half + 1
  return steps < 0 and math.maxinteger or steps
end

local function integer_count(a, b, step)
  if math.type(b) == "float" then -- as the numeric for does: cut to the integers
    if step > 0 and b >= 0x1p63 then
      b = math.maxinteger
    elseif step < 0 and b < -0x1p63 then
      b = math.mininteger
    elseif b >= 0x1p63 or b < -0x1p63 then
      return 0
    else
      b = math.tointeger(step > 0 and math.floor(b) or math.ceil(b))
    end
  end
  local steps = steps_between(a, b, step)
  if not steps then return 0 end
  return steps == math.maxinteger and steps or steps + 1
end

local function float_count(a, b, step)
  local steps = (b - a) / step
  steps = steps + steps * 0x3p-52 -- range(0, 0.3, 0.1) has four numbers, though 0.3 / 0.1 < 3
  if steps < 0 then return 0 end
  return steps >= 0x1p63 and math.maxinteger or math.tointeger(math.floor(steps)) + 1
end

local function check_number(name, value, may_be_infinite)
  if not math.type(value) then
    error(("range: %s must be a number, got %s"):format(name, show(value)), 3)
  end
  if value ~= value or not may_be_infinite and (value == math.huge or value == -math.huge) then
    error(("range: %s must be a finite number, got %s"):format(name, show(value)), 3)
  end
end

--- The numbers a, a + step, … up to b, as tasks; takes no memory per number. It counts as the numeric `for` does
--- (integers stay integers, math.huge as last means without end) and can be read as a table: #r, r[i].
---@param a number
---@param b number
---@param step? number default 1; may be negative
---@return fast_map.Range
function M.new(a, b, step)
  if step == nil then step = 1 end
  check_number("the first number", a)
  check_number("the last number", b, true)
  check_number("the step", step)
  if step == 0 then error("range: the step must not be 0", 2) end
  local whole = math.type(a) == "integer" and math.type(step) == "integer"
  local count = (whole and integer_count or float_count)(a, b, step)
  if not whole then a, step = a + 0.0, step + 0.0 end
  return setmetatable({ first = a, last = b, step = step, count = count }, Range)
end

M.Range = Range -- the metatable

return M
