#!/usr/bin/env fmlua
-- log_top.lua - what is in web servers' logs: requests by status, and the paths asked for most. Large files are cut into
-- pieces, so that one of many gigabytes keeps all cores busy too, and is never in memory as a whole.
--
--   fmlua scripts/log_top.lua [-n COUNT] [-b BYTES] FILE...
--
-- Reads the common log format (Apache, nginx). -b: the size of a piece (default: 8 MB).

local fast_map = require "fast_map"

local usage = "usage: log_top.lua [-n COUNT] [-b BYTES] FILE..."

local function arguments()
  local files, numbers, i = {}, { ["-n"] = 10, ["-b"] = 8 << 20 }, 1
  while arg[i] do
    local name = arg[i]
    if numbers[name] then
      local value = math.tointeger(tonumber(arg[i + 1]))
      numbers[name] = value and value > 0 and value or nil
      i = i + 1
    else
      files[#files + 1] = name
    end
    i = i + 1
  end
  if #files == 0 or not numbers["-n"] or not numbers["-b"] then
    io.stderr:write(usage, "\n")
    os.exit(2)
  end
  return files, numbers["-n"], numbers["-b"]
end

local files, most, piece = arguments()

-- Nil and why, when it cannot be read.
local function size_of(name)
  local file <close>, why = io.open(name, "rb")
  if not file then return nil, why end
  local _, trouble = file:read(1) -- folders open, too
  if trouble then return nil, name .. ": " .. trouble end
  return file:seek "end"
end

local unreadable = 0

-- The pieces, as tasks of two arguments. An iterator may be long: it is called only as pieces are needed.
local function pieces()
  for _, name in ipairs(files) do
    local size, why = size_of(name)
    if not size then
      unreadable = unreadable + 1
      io.stderr:write("log_top: ", why, "\n")
    end
    for start = 0, (size or 0) - 1, piece do coroutine.yield(name, start) end
  end
end

local function add(counts, key, n)
  counts[key] = (counts[key] or 0) + n
end

-- The task: the lines that begin in the piece. It opens the file itself and returns little: sums, not lines.
local function count(name, start)
  local statuses, paths, others = {}, {}, 0
  local file <close> = assert(io.open(name, "rb"))
  local at = start -- where the next line begins
  if start > 0 then
    file:seek("set", start - 1)
    at = start - 1 + #file:read "L" -- after the line that began before
  end
  while at < start + piece do
    local line = file:read "l"
    if not line then break end
    at = at + #line + 1
    local path, status = line:match '"%u+ ([^ ?"]+)[^"]*" (%d%d%d) '
    if path then
      add(statuses, status, 1)
      add(paths, path, 1)
    else
      others = others + 1
    end
  end
  return statuses, paths, others
end

local function show(counts, limit)
  local keys = {}
  for key in pairs(counts) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  for i = 1, math.min(limit, #keys) do print(("%9d  %s"):format(counts[keys[i]], keys[i])) end
end

local statuses, paths, others = {}, {}, 0

-- Sums have no order: take the results as they come.
for _, some_statuses, some_paths, more in fast_map(count, coroutine.wrap(pieces), { ordered = false }) do
  for status, n in pairs(some_statuses) do add(statuses, status, n) end
  for path, n in pairs(some_paths) do add(paths, path, n) end
  others = others + more
end

show(statuses, math.huge)
print()
show(paths, most)
if others > 0 then io.stderr:write(("log_top: %d lines are not of the common log format\n"):format(others)) end
os.exit(unreadable == 0, true)
