#!/usr/bin/env fmlua
-- image_batch.lua - runs a command on many images (or other files), as many at a time as there are CPUs.
--
--   fmlua scripts/image_batch.lua [-j COUNT] [-c COMMAND] FOLDER FILE...
--
-- In COMMAND, {} is a file and {out} what to make of it, a file of the same name in FOLDER. Without -c: thumbnails, by
-- ImageMagick (Debian: imagemagick). What is there already is not made again, so an interrupted run can be run again.

local fast_map = require "fast_map"

local usage = "usage: image_batch.lua [-j COUNT] [-c COMMAND] FOLDER FILE..."

local function refuse()
  io.stderr:write(usage, "\n")
  os.exit(2)
end

-- Every command keeps a core busy while its task waits for it: more at a time than cores would not be faster.
local at_once, command = fast_map.cpus(), "convert {} -resize 400x400 {out}"

local function arguments()
  local words, i = {}, 1
  while arg[i] do
    if arg[i] == "-j" then
      at_once = math.tointeger(tonumber(arg[i + 1]))
      i = i + 1
    elseif arg[i] == "-c" then
      command = arg[i + 1]
      i = i + 1
    else
      words[#words + 1] = arg[i]
    end
    if not at_once or at_once < 1 or not command then refuse() end
    i = i + 1
  end
  if #words < 2 then refuse() end
  return table.remove(words, 1), words
end

local folder, files = arguments()

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function exists(name)
  local file = io.open(name)
  if file then file:close() end
  return file ~= nil
end

-- The task. A task may run twice (when the process it was in died), or be ended half-way: so what it makes gets its name
-- only when it is complete.
local function make(file)
  local name = file:match "[^/]+$"
  local out, partial = folder .. "/" .. name, folder .. "/.part-" .. name
  if exists(out) then return out, "was there" end
  local values = { ["{}"] = quote(file), ["{out}"] = quote(partial) }
  if not os.execute((command:gsub("{%a*}", values))) then
    os.remove(partial)
    error(file .. ": the command failed", 0)
  end
  assert(os.rename(partial, out))
  return out, "made"
end

if not os.execute("mkdir -p " .. quote(folder)) then os.exit(1) end
local failed = 0
for _, out, how in fast_map(make, files, { threads_limit = at_once, on_error = "return" }) do
  if out then
    print(out, how)
  else
    failed = failed + 1
    io.stderr:write("image_batch: ", tostring(how.message), "\n")
  end
end
os.exit(failed == 0, true)
