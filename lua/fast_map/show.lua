-- show.lua - a value as an error message shows it: short, on one line, its type plain to see.

local plain = require "fast_map.plain"
local printable = require "fast_map.printable"

local longest = 60 -- characters of a string; more would bury the message

local escapes = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r" }

local function escape(control)
  return escapes[control] or control:gsub(".", function(char) return ("\\%03d"):format(char:byte()) end)
end

-- Its beginning, which ends with a whole character of UTF-8.
local function shortened(text)
  for size = longest, longest - 3, -1 do
    local head = text:sub(1, size)
    if utf8.len(head) then return head end
  end
  return text:sub(1, longest)
end

local function quote(text)
  local cut = #text > longest
  local body = (cut and shortened(text) or text):gsub('["\\]', "\\%0")
  return '"' .. printable(body, escape) .. (cut and '"...' or '"')
end

---@param value any
---@return string
return function(value)
  local type_name = type(value)
  if type_name == "string" then return quote(value) end
  if type_name == "nil" or type_name == "boolean" then return tostring(value) end
  if type_name == "number" then
    return value ~= value and "nan" or plain(tostring, value) -- else "-nan" on some machines
  end
  if type_name == "thread" then return "a coroutine" end
  local meta = getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and ("a %s (%s)"):format(type_name, name) or "a " .. type_name
end
