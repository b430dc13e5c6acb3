-- content.lua - what a value holds, as text: the same for equal values in every run of a script.
--
-- Addresses, the order of pairs, names of locals and lines of code play no role. A module is its name, so is a C function,
-- the globals are one word, and userdata are their type. Everything else is told with all that it leads to.
--
-- Life: content.new() -> content:of(...), any number of times.

local debug = require "debug" -- the script may have taken it away

local getinfo, getmetatable, getupvalue = debug.getinfo, debug.getmetatable, debug.getupvalue
local concat, sort = table.concat, table.sort
local dump, pack = string.dump, string.pack
local digest = require("fast_map.core").digest
local plain = require "fast_map.plain"

local M = {}

local PIECES = 4096 -- that are kept; then their digest stands for them, so that memory stays small
local DEEPEST = 20000 -- levels; more would overflow Lua's stack
local GLANCE = 100  -- pieces of a key that is an object, to put it in order with others

-- Code

local Reader = {} -- of what string.dump makes; every function returns what was read
Reader.__index = Reader

function Reader:skip(count)
  self.at = self.at + count
  assert(count >= 0 and self.at <= #self.text + 1)
end

function Reader:byte()
  self:skip(1)
  return self.text:byte(self.at - 1)
end

-- 7 bits a byte, the highest first; the last byte has its top bit set.
function Reader:size()
  local size = 0
  repeat
    local byte = self:byte()
    size = size << 7 | byte & 0x7f
  until byte >= 0x80
  return size
end

function Reader:string()
  local size = self:size()
  if size > 0 then self:skip(size - 1) end
end

local constants = { -- by their tag
  [0x00] = function() end, -- nil
  [0x01] = function() end, -- false
  [0x11] = function() end, -- true
  [0x03] = function(reader) reader:skip(8) end, -- integer
  [0x13] = function(reader) reader:skip(8) end, -- float
  [0x04] = Reader.string,
  [0x14] = Reader.string,
}

-- Reads one function of a stripped dump; appends it to `pieces` but for the lines where it begins and ends, and, when it is
-- the outermost, for the registers that its upvalues had in the function around it.
local function read_function(reader, pieces, outermost)
  reader:string() -- source
  reader:size()
  reader:size()
  local from = reader.at
  reader:skip(3) -- parameters, variadic, stack
  reader:skip(reader:size() * 4)
  for _ = 1, reader:size() do constants[reader:byte()](reader) end
  local to = reader.at
  reader:skip(reader:size() * 3) -- upvalues
  local inner = reader:size()
  pieces[#pieces + 1] = reader.text:sub(from, (outermost and to or reader.at) - 1)
  for _ = 1, inner do read_function(reader, pieces) end
  for _ = 1, 4 do assert(reader:size() == 0) end -- debug information
end

local function read_dump(text)
  local reader, pieces = setmetatable({ text = text, at = 33 }, Reader), {} -- a header of 31 bytes, number of upvalues
  read_function(reader, pieces, true)
  assert(reader.at == #text + 1)
  return concat(pieces)
end

-- A Lua function's code. Should this Lua's dump look different, lines count too.
local function code_of(f)
  local text = dump(f, true)
  local ok, code = pcall(read_dump, text)
  return ok and code or text
end

-- What goes by a name

local function note(names, value, name)
  if not names[value] or name < names[value] then names[value] = name end
end

-- Lua functions of a module are told in full, save our own: those belong to the machinery.
local function note_fields(names, module, name)
  local ours = name:find "^fast_map"
  for key, value in next, module do
    local kind = type(value)
    if type(key) == "string" and (kind == "userdata" or kind == "function" and (ours or getinfo(value, "S").what == "C"))
    then
      note(names, value, name .. "." .. key)
    end
  end
end

local function names_of_modules()
  local names = {}
  for name, module in next, package.loaded do
    local kind = type(module)
    if type(name) == "string" and kind ~= "boolean" and kind ~= "string" and kind ~= "number" then
      note(names, module, name)
      if kind == "table" then note_fields(names, module, name) end
    end
  end
  names[_G] = "_G"
  names[package.loaded] = "package.loaded"
  return names
end

-- Values

local Content = {}
Content.__index = Content

local function put(self, text)
  local count = self.count + 1
  self.pieces[count] = text
  if count == PIECES then
    self.pieces[1] = digest(concat(self.pieces, "", 1, count))
    count = 1
  end
  self.count = count
end

local put_value

-- The keys but 1 to first - 1, in an order that does not depend on that of pairs. Keys that are objects may lead back to
-- where we are, so a glance at them must do.
local function other_keys(self, t, first)
  local strings, numbers, others = {}, {}, {}
  for key in next, t do
    local kind = type(key)
    if kind == "string" then
      strings[#strings + 1] = key
    elseif kind ~= "number" then
      if not self.glance then others[#others + 1] = { key = key, text = self.parent:glance(key) } end
    elseif math.type(key) == "float" or key < 1 or key >= first then
      numbers[#numbers + 1] = key
    end
  end
  sort(strings)
  sort(numbers)
  sort(others, function(a, b) return a.text < b.text end)
  return strings, numbers, others
end

local function put_pairs(self, t, keys)
  for _, key in ipairs(keys) do
    put_value(self, key)
    put_value(self, rawget(t, key))
  end
end

local function put_table(self, t)
  put(self, "{")
  local i, value = 1, rawget(t, 1)
  while value ~= nil do
    put_value(self, value)
    i = i + 1
    value = rawget(t, i)
  end
  local strings, numbers, others = other_keys(self, t, i)
  put(self, ";")
  put_pairs(self, t, strings)
  put_pairs(self, t, numbers)
  for _, other in ipairs(others) do
    put_value(self, other.key)
    put_value(self, rawget(t, other.key))
  end
  put(self, "}")
end

local function put_function(self, f)
  local info = getinfo(f, "Su")
  if info.what == "C" then
    put(self, "c")
    return
  end
  put(self, pack("<s8", code_of(f)))
  for i = 1, info.nups do
    local name, value = getupvalue(f, i)
    if name == "_ENV" then
      put(self, "e")
    else
      put_value(self, value)
    end
  end
  put(self, ")")
end

local function put_metatable(self, value)
  local meta = getmetatable(value)
  if not meta then return end
  put(self, "m")
  if self.brief then
    put(self, self.parent:metatable(meta))
  else
    put_value(self, meta)
  end
end

-- An object is told once; where it comes again, its number is.
local function put_object(self, value, kind)
  local name, number = value ~= self.root and self.parent.names[value], self.seen[value]
  if name then
    put(self, "n" .. pack("<s8", name))
  elseif number then
    put(self, "@" .. pack("<i8", number))
  else
    self.met = self.met + 1
    self.seen[value] = self.met
    self.depth = self.depth + 1
    if self.depth > DEEPEST then
      error(("a value is nested deeper than %d levels: that is too deep for a journal"):format(DEEPEST), 0)
    end
    if kind == "table" then
      put_table(self, value)
      put_metatable(self, value)
    else
      put(self, "(")
      put_function(self, value)
    end
    self.depth = self.depth - 1
  end
end

local function put_userdata(self, value)
  local name = self.parent.names[value]
  if not name then
    local meta = getmetatable(value)
    name = type(meta) == "table" and rawget(meta, "__name")
  end
  put(self, "u" .. pack("<s8", type(name) == "string" and name or ""))
end

local writers = {
  ["nil"] = function(self) put(self, "N") end,
  boolean = function(self, value) put(self, value and "T" or "F") end,
  string = function(self, value) put(self, "s" .. pack("<s8", value)) end,
  number = function(self, value)
    local exact = math.type(value) == "integer" and "i" .. pack("<i8", value)
    put(self, exact or value ~= value and "nan" or "d" .. pack("<d", value))
  end,
  table = put_object,
  ["function"] = put_object,
  userdata = put_userdata,
  thread = function(self) put(self, "t") end,
}

function put_value(self, value)
  local kind = type(value)
  if self.glance and self.count >= GLANCE then return end
  writers[kind](self, value, kind)
end

local function writer(parent, brief)
  return { parent = parent, brief = brief, pieces = {}, count = 0, seen = {}, met = 0, depth = 0 }
end

local function text_of(self)
  return concat(self.pieces, "", 1, self.count)
end

--- The value's own text: told in full though it has a name, and so are its metatables.
---@param value any
---@return string
function Content:standalone(value)
  local w = writer(self, false)
  w.root = value
  plain(put_value, w, value)
  return text_of(w)
end

-- How the value's text begins.
function Content:glance(value)
  local w = writer(self, false)
  w.glance = true
  put_value(w, value)
  return text_of(w)
end

-- A metatable's digest: a class with all its methods is looked at once for all its objects.
function Content:metatable(meta)
  local known = self.metatables[meta]
  if not known then
    known = digest(self:standalone(meta))
    self.metatables[meta] = known
  end
  return known
end

--- A string that is equal when the values are.
---@param ... any
---@return string
function Content:of(...)
  local w = writer(self, true)
  for i = 1, select("#", ...) do plain(put_value, w, (select(i, ...))) end
  return text_of(w)
end

--- Knows the modules that are loaded at this moment.
function M.new()
  return setmetatable({ names = plain(names_of_modules), metatables = setmetatable({}, { __mode = "k" }) }, Content)
end

return M
