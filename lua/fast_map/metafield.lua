-- metafield.lua - what a value's metatable has under a name.

local raw_metatable = debug and debug.getmetatable or getmetatable -- sees through a __metatable field

local M = {}

function M.get(value, name)
  local meta = raw_metatable(value)
  return type(meta) == "table" and rawget(meta, name) or nil
end

function M.is_callable(value)
  return type(value) == "function" or M.get(value, "__call") ~= nil
end

return M
