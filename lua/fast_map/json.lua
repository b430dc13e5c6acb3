-- json.lua - a JSON value a line in and out, for fmlua map --json.
--
-- lua-cjson rounds numbers to 14 digits as it writes them: identifiers and times of 16 digits would come out as others. What
-- has more is written here.

local core = require "fast_map.core"
local plain = require "fast_map.plain"

local EXACT = 2.0 ^ 53 -- below, each whole number has a double of its own
local ROUND = 1e14     -- from here on, lua-cjson writes whole numbers with an exponent, or rounds them

-- The text of a number that lua-cjson would not write so; nil for others, and for those that are none in JSON.
local function digits(n)
  if math.type(n) == "integer" then return (n <= -ROUND or n >= ROUND) and ("%d"):format(n) or nil end
  if n ~= n or n == math.huge or n == -math.huge then return nil end
  if n % 1 == 0 and n > -EXACT and n < EXACT then return (n <= -ROUND or n >= ROUND) and ("%.0f"):format(n) or nil end
  if tonumber(("%.14g"):format(n)) == n then return nil end
  for precision = 15, 16 do
    local text = plain(string.format, "%." .. precision .. "g", n)
    if tonumber(text) == n then return text end
  end
  return plain(string.format, "%.17g", n)
end

local function clone(list)
  local copy = {}
  for key, value in next, list do copy[key] = value end
  local meta = getmetatable(list)
  return type(meta) == "table" and setmetatable(copy, meta) or copy -- some versions tell empty lists by it
end

-- The value with a mark, "\1" and a number, in each place whose text is in texts then; the same value when there is none.
local function marked(value, texts, encode)
  local kind, text = type(value), nil
  if kind == "number" then
    text = digits(value)
  elseif kind == "string" then
    text = value:byte() == 1 and encode(value) or nil -- like a mark
  elseif kind == "table" then
    local copy
    for key, old in next, value do
      local new = marked(old, texts, encode)
      if not rawequal(new, old) then
        copy = copy or clone(value)
        copy[key] = new
      end
    end
    return copy or value
  end
  if not text then return value end
  texts[#texts + 1] = text
  return "\1" .. #texts
end

-- Where the string that begins at the quote `from` ends.
local function closing_quote(text, from)
  local at = from
  repeat
    at = text:find('["\\]', at + 1)
    local is_escape = text:byte(at) == 92
    if is_escape then at = at + 1 end
  until not is_escape
  return at
end

-- Whole strings are looked at: a mark's characters may stand inside of one. Keys may look like marks, but a colon follows
-- them.
local function unmarked(text, texts)
  local parts, from, open = {}, 1, text:find('"', 1, true)
  while open do
    local close = closing_quote(text, open)
    local mark = text:sub(open, close):match '^"\\u0001(%d+)"$'
    if mark and text:byte(close + 1) ~= 58 then
      parts[#parts + 1] = text:sub(from, open - 1)
      parts[#parts + 1] = texts[tonumber(mark)]
      from = close + 1
    end
    open = text:find('"', close + 1, true)
  end
  parts[#parts + 1] = text:sub(from)
  return table.concat(parts)
end

-- Whether lua-cjson writes and reads numbers rightly now: it looks for the locale's decimal point when it is loaded, and
-- keeps to what it found.
local function is_right(cjson)
  return core.decimal_point() == "." or cjson.encode(0.5) == "0.5"
end

local function write(value, cjson)
  local encode = is_right(cjson) and cjson.encode or function(part) return plain(cjson.encode, part) end
  local good, text = pcall(encode, value)
  if not good then error("the result cannot be JSON: " .. tostring(text), 0) end
  local texts = {} -- the value is a tree, or encode would have raised
  value = marked(value, texts, encode)
  return #texts > 0 and unmarked(encode(value), texts) or text
end

--- Makes a function from line to line of one from value to value.
---@param f fun(value: any, index: integer): any
---@param cjson table the module
---@return fun(line: string, index: integer): string?
return function(f, cjson)
  local function encoded(...)
    local count = select("#", ...)
    if count > 1 then error(("returned %d values; with --json a result is one value: return a table"):format(count), 0) end
    local first = ...
    if first == nil then return nil end
    return write(first, cjson) .. "\n"
  end
  return function(line, index)
    local good, value
    if is_right(cjson) then
      good, value = pcall(cjson.decode, line)
    else
      good, value = pcall(plain, cjson.decode, line)
    end
    if not good then error("the line is no JSON: " .. tostring(value), 0) end
    return encoded(f(value, index))
  end
end
