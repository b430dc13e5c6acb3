-- screen.lua - what a terminal shows of the bytes written to it: as much of a VT100 as our own output uses.

local Screen = {}
Screen.__index = Screen

local M = {}

function M.new(columns, rows)
  local self = setmetatable({ columns = columns, rows = rows, top = 1, bottom = rows, row = 1, column = 1 }, Screen)
  self.text, self.gone = {}, {}
  for i = 1, rows do self.text[i] = "" end
  return self
end

local function feed_line(self)
  if self.row ~= self.bottom then
    self.row = math.min(self.row + 1, self.rows)
    return
  end
  local gone = table.remove(self.text, self.top)
  if self.top == 1 then self.gone[#self.gone + 1] = gone end
  table.insert(self.text, self.bottom, "")
end

local function put(self, char)
  local line = self.text[self.row]
  line = line .. (" "):rep(self.column - 1 - #line)
  self.text[self.row] = line:sub(1, self.column - 1) .. char .. line:sub(self.column + 1)
  self.column = self.column + 1
  assert(self.column <= self.columns + 1, "a line is wider than the screen")
end

local function erase_below(self)
  self.text[self.row] = self.text[self.row]:sub(1, self.column - 1)
  for i = self.row + 1, self.rows do self.text[i] = "" end
end

local controls = {
  m = function() end,
  A = function(self) self.row = math.max(self.row - 1, 1) end,
  H = function(self, row, column) self.row, self.column = row or 1, column or 1 end,
  J = erase_below,
  K = function(self, mode)
    self.text[self.row] = mode == 2 and "" or self.text[self.row]:sub(1, self.column - 1)
  end,
  r = function(self, top, bottom)
    self.top, self.bottom = top or 1, bottom or self.rows
    self.row, self.column = 1, 1
  end,
}

local escapes = {
  D = feed_line,
  ["7"] = function(self) self.saved = { self.row, self.column } end,
  ["8"] = function(self) self.row, self.column = table.unpack(self.saved) end,
}

local function control(self, bytes, from)
  local first, second, name, after = bytes:match("^%[(%d*);?(%d*)(%a)()", from)
  if name then
    assert(controls[name], "unknown control " .. name)(self, tonumber(first), tonumber(second))
    return after
  end
  local letter = bytes:sub(from, from)
  assert(escapes[letter], "unknown escape " .. letter)(self)
  return from + 1
end

--- Takes in bytes.
function Screen:write(bytes)
  local i = 1
  while i <= #bytes do
    local char = bytes:sub(i, i)
    i = i + 1
    if char == "\27" then
      i = control(self, bytes, i)
    elseif char == "\n" then
      feed_line(self)
    elseif char == "\r" then
      self.column = 1
    else
      put(self, char)
    end
  end
end

--- All lines, those that have left the screen at its top too, without the empty ones at the end.
function Screen:lines()
  local lines = table.move(self.gone, 1, #self.gone, 1, {})
  table.move(self.text, 1, self.rows, #lines + 1, lines)
  while lines[1] and lines[#lines] == "" do lines[#lines] = nil end
  return lines
end

return M
