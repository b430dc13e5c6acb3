-- failure.lua - the error object that tells which task failed, how, and where.

local M = {}

---@alias fast_map.Kind "error"|"timeout"|"crash"|"memory"|"transfer"|"init"

---@class fast_map.Error
---@field index? integer the task; absent when the whole map failed
---@field kind fast_map.Kind
---@field message any the original error value
---@field traceback? string of the thread that ran the task
---@field attempt? integer counted from 1
---@field pid? integer the process that ran the task
---@operator concat(any): string
local Failure = { __name = "fast_map.error" }

local phrases = {
  error = "failed",
  timeout = "timed out",
  crash = "crashed",
  memory = "ran out of memory",
  transfer = "could not be transferred",
  init = "failed",
  cancelled = "was cancelled",
}

-- Messages that say no more than the phrase does; one that names a line keeps the line.
local redundant = { timeout = "timed out", memory = "not enough memory", cancelled = "cancelled" }

local function text_of(message)
  local kind = type(message)
  if kind == "string" then return message end
  if kind == "table" or kind == "userdata" then
    local meta = getmetatable(message)
    if type(meta) ~= "table" or not (meta.__tostring or meta.__name) then
      return ("(error object is a %s value)"):format(kind)
    end
  end
  local ok, text = pcall(tostring, message)
  return ok and text or ("(error object is a %s value)"):format(kind)
end

local function first_line(e)
  local subject = e.kind == "init" and "init " or e.index and ("task %s "):format(e.index) or "the map "
  local phrase = phrases[e.kind] or ("failed (%s)"):format(tostring(e.kind))
  if e.message == nil and e.kind ~= "error" and e.kind ~= "init" then return subject .. phrase end
  local message, known = text_of(e.message), redundant[e.kind]
  if known and message == known then return subject .. phrase end
  local place = known and message:match("^([^\n]*:%d+): " .. known .. "$")
  if place then return subject .. phrase .. " at " .. place end
  return subject .. phrase .. ": " .. require("fast_map.packages").explain(message)
end

local function origin(e)
  if not e.pid then return e.attempt and "\n  in attempt " .. e.attempt or "" end
  return ("\n  in worker %s"):format(e.pid) .. (e.attempt and ", attempt " .. e.attempt or "")
end

function Failure.__tostring(e)
  local text = first_line(e) .. origin(e)
  local traceback = e.traceback
  if type(traceback) ~= "string" or traceback:find "^[%s]*$" or traceback:find "^stack traceback:%s*$" then return text end
  local from = traceback:find("stack traceback:", 1, true) -- what stands before it is the message again
  return text .. ":\n" .. traceback:sub(from or 1)
end

-- Scripts write "error: " .. err, as they can with error strings.
function Failure.__concat(a, b)
  return tostring(a) .. tostring(b)
end

--- Makes `fields` an error object.
---@param fields table
---@return fast_map.Error
function M.new(fields)
  return setmetatable(fields, Failure)
end

--- Tells whether `value` is an error object of fast_map.
---@param value any
---@return boolean
function M.is(value)
  return type(value) == "table" and getmetatable(value) == Failure
end

return M
