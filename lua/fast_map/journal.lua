-- journal.lua - which results of earlier runs a map may use: opens, refuses, begins. The file is the C half's
-- (src/journal/recorder.c), equality is content.lua's.

local content = require "fast_map.content"
local core = require "fast_map.core"
local debug = require "debug"
local show = require "fast_map.show"

local M = {}

local troubles = {
  busy = "is in use by another map, of this or of another process",
  foreign = "is some other file: no journal of this version of fast_map",
  special = "is not a regular file",
}

-- A map of this process that was dropped, not closed, keeps its journal until it is collected.
local function open_file(path)
  local journal, code, words = core.journal(path)
  if code == "busy" then
    collectgarbage()
    journal, code, words = core.journal(path)
  end
  return journal, journal == nil and (troubles[code] or "cannot be opened: " .. words)
end

-- Where the function stands, for people.
local function place_of(f)
  local meta = debug.getmetatable(f)
  local called = type(f) ~= "function" and type(meta) == "table" and meta.__call or f
  if type(called) ~= "function" then return "?" end
  local info = debug.getinfo(called, "S")
  return info.what == "C" and "a C function" or ("%s:%d"):format(info.short_src, info.linedefined)
end

-- What forbids to use what the journal holds, or nil.
local function objection(journal, identity, resume)
  local recorded, place = journal:identity()
  local count = journal:count()
  if resume ~= true or not recorded or count == 0 or recorded == identity then return nil end
  return ("holds %d result%s of another function (%s), or of this one with other upvalues: give resume = \"force\""
    .. " to use them all the same, resume = false to throw them away"):format(count, count == 1 and "" or "s", place)
end

-- Returns true, or nil and what is wrong.
local function begin(journal, options, f)
  local contents = content.new()
  local identity = core.digest(contents:standalone(f))
  local wrong = objection(journal, identity, options.resume)
  if wrong then return nil, wrong end
  if options.resume == false then
    local ok, words = journal:restart()
    if not ok then return nil, "cannot be emptied: " .. words end
  end
  local function key(...) return contents:of(...) end
  local ok, words = journal:begin(identity, place_of(f), key, options.seed)
  return ok, ok or "cannot be written: " .. words
end

--- Opens the journal that the options name, for a map of f. What is wrong with it raises.
---@param name string of the function that the script called
---@param options fast_map.Options
---@param f function
---@param level integer whose line an error names, as error() counts where open is called
---@return userdata journal
function M.open(name, options, f, level)
  local journal, wrong = open_file(options.journal)
  if journal then
    local ok
    ok, wrong = begin(journal, options, f)
    if ok then return journal end
    journal:close()
  end
  return error(("%s: the journal %s %s"):format(name, show(options.journal), wrong), level + 1)
end

return M
