#!/usr/bin/env fmlua
-- image_batch.lua - runs a command on many images (or other files), as many at a time as there are CPUs.
--
--   fmlua scripts/image_batch.lua [-j COUNT] [-c COMMAND] FOLDER FILE...
--
-- In COMMAND, {} is a file and {out} what to make of it, a file of the same name in FOLDER; of files in several folders
-- (2025/1.jpg 2026/1.jpg), in folders of the same names there. Without -c: thumbnails, by ImageMagick (Debian: imagemagick).
-- What is there already is not made again, so an interrupted run can be run again.

local fast_map = require "fast_map"
local quote = fast_map.quote

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

-- The names on the way to a file: `a/./b/../c.jpg` is a, c.jpg.
local function names_of(file)
  local names = { file:sub(1, 1) == "/" and "/" or nil }
  for name in file:gmatch "[^/]+" do
    if name == ".." and names[1] and names[#names] ~= ".." then
      table.remove(names)
    elseif name ~= "." then
      names[#names + 1] = name
    end
  end
  return names
end

-- How many folders all files have in common.
local function shared_by(paths)
  local shared = #paths[1] - 1
  for _, names in ipairs(paths) do
    local same = 0
    while same < math.min(shared, #names - 1) and names[same + 1] == paths[1][same + 1] do same = same + 1 end
    shared = same
  end
  return shared
end

-- What is made of which file: no two may become one.
local function plan()
  local paths, tasks, maker = {}, {}, {}
  for i, file in ipairs(files) do paths[i] = names_of(file) end
  local shared = shared_by(paths)
  for i, file in ipairs(files) do
    local out = folder .. "/" .. table.concat(paths[i], "/", shared + 1):gsub("^/+", ""):gsub("%.%./", "")
    if maker[out] then
      io.stderr:write(("image_batch: %s and %s would both become %s\n"):format(maker[out], file, out))
      os.exit(2)
    end
    maker[out] = file
    tasks[i] = { file = file, out = out }
  end
  return tasks
end

local function exists(name)
  local file = io.open(name)
  if file then file:close() end
  return file ~= nil
end

-- The task. A task may run twice (when the process it was in died), or be ended half-way: so what it makes gets its name
-- only when it is complete.
local function make(task)
  local out, into, name = task.out, task.out:match "^(.*/)([^/]*)$"
  local partial = into .. ".part-" .. name
  if exists(out) then return out, "was there" end
  assert(os.execute(quote("mkdir", "-p", "--", into)))
  local values = { ["{}"] = quote(task.file), ["{out}"] = quote(partial) } -- whatever is in their names
  if not os.execute((command:gsub("{%a*}", values))) then
    os.remove(partial)
    error(task.file .. ": the command failed", 0)
  end
  assert(os.rename(partial, out))
  return out, "made"
end

local failed = 0
for _, out, how in fast_map(make, plan(), { threads_limit = at_once, on_error = "return" }) do
  if out then
    print(out, how)
  else
    failed = failed + 1
    io.stderr:write("image_batch: ", tostring(how.message), "\n")
  end
end
os.exit(failed == 0, true)
