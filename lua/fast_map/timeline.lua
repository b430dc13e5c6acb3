-- timeline.lua - the files that a map leaves of itself: a trace (trace.lua) and a report (report.lua).
--
-- They are opened at the call, so that a path that cannot be written is an error there; emptied once nothing can refuse the
-- call any more, so that a refused one leaves those of an earlier run; and written when the map has ended, however it did.

local core = require "fast_map.core"
local plain = require "fast_map.plain"
local show = require "fast_map.show"

local M = {}

local used = {} -- path -> how many maps of this script have written there

-- The second map of a script that names the same file writes beside it: trace-2.json.
local function numbered(path)
  local n = (used[path] or 0) + 1
  if n == 1 then return path end
  local stem, ending = path:match "^(.*[^/])(%.[^./]*)$"
  return ("%s-%d%s"):format(stem or path, n, ending or "")
end

local function open(name, option, path, level)
  local file, why = core.file(numbered(path))
  if not file then error(("%s: cannot write the %s %s (%s)"):format(name, option, show(path), why), level + 1) end
  return file
end

---@class fast_map.Timeline the open files
---@field trace? file*
---@field report? file*

--- Opens what the options ask for; nil: nothing.
---@param name string of the function that the script called, for messages
---@param options fast_map.Options
---@param level integer whose line an error names
---@return fast_map.Timeline?
function M.open(name, options, level)
  if core.depth() > 0 then return nil end -- thousands of maps in tasks would write the same file
  level = level + 1
  return {
    trace = options.trace and open(name, "trace", options.trace, level),
    report = options.report and open(name, "report", options.report, level),
  }
end

local function begin(file, path)
  core.truncate(file, 0)
  used[path] = (used[path] or 0) + 1
end

local function write(map, file, writer, option)
  plain(writer, map, file)
  if not file:close() then io.stderr:write("fast_map: the ", option, " could not be written whole\n") end
end

--- The map is open: empties the files, and writes them when it has ended.
---@param map userdata
---@param files fast_map.Timeline
---@param options fast_map.Options those that the files were opened with
function M.keep(map, files, options)
  if files.trace then begin(files.trace, options.trace) end
  if files.report then begin(files.report, options.report) end
  local trace = files.trace and require "fast_map.trace"
  local report = files.report and require "fast_map.report"
  map:at_end(function(ended)
    if trace then write(ended, files.trace, trace.write, "trace") end
    if report then write(ended, files.report, report.write, "report") end
  end)
end

return M
