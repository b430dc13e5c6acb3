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

-- The value with a mark, a string that begins with `sign`, in each place whose text is in texts then; the same value when
-- there is none.
local function marked(value, texts, sign)
  if type(value) == "number" then
    local text = digits(value)
    if not text then return value end
    texts[#texts + 1] = text
    return sign .. #texts
  end
  if type(value) ~= "table" then return value end
  local copy
  for key, old in next, value do
    local new = marked(old, texts, sign)
    local name = type(key) == "number" and digits(key) or key
    if not rawequal(new, old) or name ~= key then
      copy = copy or clone(value)
      rawset(copy, key, nil)
      rawset(copy, name, new)
    end
  end
  return copy or value
end

-- A word that the text holds nowhere: where it is found in another text of the same value, it is a mark.
local function sign_for(text)
  local sign, k = "number", 0
  while text:find(sign, 1, true) do
    k = k + 1
    sign = ("number%dx"):format(k)
  end
  return sign
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
  local sign, texts = sign_for(text), {}
  local new = marked(value, texts, sign) -- the value is a tree, or encode would have raised
  if rawequal(new, value) then return text end
  return (encode(new):gsub('"' .. sign .. '(%d+)"', function(number) return texts[tonumber(number)] end))
end

--- Makes a function from line to line of one from value to value.
---@param f fun(value: any, index: integer): any
---@param cjson table the module
---@return fun(line: string, index: integer, words?: string[]): string?
return function(f, cjson)
  local function encoded(...)
    local count = select("#", ...)
    if count > 1 then error(("returned %d values; with --json a result is one value: return a table"):format(count), 0) end
    local first = ...
    if first == nil then return nil end
    return write(first, cjson) .. "\n"
  end
  local function decoded(text)
    local good, value
    if is_right(cjson) then
      good, value = pcall(cjson.decode, text)
    else
      good, value = pcall(plain, cjson.decode, text)
    end
    if not good then error("the line is no JSON: " .. tostring(value), 0) end
    return value
  end
  return function(line, index, words)
    if not words or #words == 1 then return encoded(f(decoded(line), index)) end
    local values = {}
    for i, word in ipairs(words) do values[i] = decoded(word) end
    return encoded(f(values, index, words))
  end
end
