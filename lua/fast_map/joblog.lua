-- joblog.lua - the log of fmlua map, in the columns of GNU parallel's, and the lines it has as done.
--
-- Lines are known by their text, not by their number: an input that has changed since is resumed rightly.

local core = require "fast_map.core"
local plain = require "fast_map.plain"

local M = {}

local header = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"
-- Of a line that is done. GNU parallel pads numbers. Some locales have a decimal comma.
local record = "\n *%d+\t[^\t\n]*\t *[%d.,]+\t *[%d.,]+\t *%d+\t *%d+\t *0\t *0\t([^\n]*)%f[\n]"
local ENOENT = 2
local KEPT = 1000 -- entries between two looks at the file

local Joblog = {}
Joblog.__index = Joblog

-- An item that holds ends of lines (--null, :::) stays on one line, as GNU parallel writes it: such items hold no NUL.
local function on_one_line(item)
  return item:find("\n", 1, true) and item:gsub("\n", "\0") or item
end

-- What a log has: how often each line is done, and the size of its whole records; or nil and what is wrong.
local function read(name)
  local file, message, code = io.open(name, "rb")
  if not file and code == ENOENT then return { done = {}, size = 0 } end
  local text = file and file:read "a"
  if file then file:close() end
  if not text then return nil, message or name .. ": cannot read it" end
  local size = text:match "^.*\n()" -- what is behind it was torn when its writer was killed
  size = size and size - 1 or 0
  if text:sub(1, #header) ~= header:sub(1, #text) then return nil, name .. " is no job log" end
  local done = {}
  for line in text:gmatch(record) do done[line] = (done[line] or 0) + 1 end
  return { done = done, size = size }
end

--- Opens the log; with `resume`, goes on with what is there; with `only_look`, it is not written to.
---@param name string
---@param resume? boolean
---@param only_look? boolean
---@return table? joblog nil when it cannot be
---@return string? message
function M.open(name, resume, only_look)
  local old, why = { done = {}, size = 0 }, nil
  if resume then old, why = read(name) end
  if not old then return nil, why end
  if only_look then return setmetatable({ done = old.done }, Joblog) end
  local file, message = core.file(name, true)
  if not file then return nil, message end
  return setmetatable({ file = file, done = old.done, size = old.size, kept = {}, epoch = os.time() - core.now() }, Joblog)
end

--- From here on nothing refuses the run: what is not gone on with is cut off.
---@return boolean? good nil: it could not be
---@return string? message
function Joblog:begin()
  if not self.file then return true end
  local good, message = core.truncate(self.file, self.size)
  if good and self.size == 0 then good, message = self.file:write(header, "\n") end
  return good and true, message
end

--- Whether the log has a line as done; each time it has, once.
function Joblog:has(line)
  line = on_one_line(line)
  local times = self.done[line]
  if not times then return false end
  self.done[line] = times > 1 and times - 1 or nil
  return true
end

--- Notes a line that was done or failed. Returns whether there is much to be flushed.
---@param number integer
---@param line string
---@param result? string nil: none
---@param started? number as core.now() tells
---@param seconds? number
---@param failed boolean
function Joblog:note(number, line, result, started, seconds, failed)
  local kept = self.kept
  if not kept then return false end
  kept[#kept + 1] = plain(string.format, "%d\t:\t%.3f\t%.3f\t%d\t%d\t%d\t0\t%s\n", number,
    self.epoch + (started or core.now()), seconds or 0, #line, result and #result or 0, failed and 1 or 0, on_one_line(line))
  return #kept >= KEPT
end

--- Writes what was noted; to be called after the results are written.
---@return boolean? good nil: it could not be written
---@return string? message
function Joblog:flush()
  if not self.kept or not self.kept[1] then return true end
  local good, message = self.file:write(table.concat(self.kept))
  self.kept = {}
  if good then good, message = self.file:flush() end
  return good and true, message
end

return M
