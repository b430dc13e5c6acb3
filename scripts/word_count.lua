#!/usr/bin/env fmlua
-- word_count.lua - the most frequent words of files and folders, counted on all cores.
--
--   fmlua scripts/word_count.lua [-n COUNT] FILE|FOLDER...

local fast_map = require "fast_map"

local usage = "usage: word_count.lua [-n COUNT] FILE|FOLDER..."

local function arguments()
  local paths, most, i = {}, 20, 1
  while arg[i] do
    if arg[i] == "-n" then
      most = math.tointeger(tonumber(arg[i + 1]))
      i = i + 1
    else
      paths[#paths + 1] = arg[i]
    end
    i = i + 1
  end
  if #paths == 0 or not most or most < 1 then
    io.stderr:write(usage, "\n")
    os.exit(2)
  end
  return paths, most
end

-- Calls found(path) for every file in or below the paths: with LuaFileSystem when it is installed, else with find.
local function walk_with_lfs(lfs, path, found)
  local mode = lfs.symlinkattributes(path, "mode")
  if mode == "directory" then
    local names = {}
    for name in lfs.dir(path) do
      if name ~= "." and name ~= ".." then names[#names + 1] = name end
    end
    table.sort(names)
    for _, name in ipairs(names) do walk_with_lfs(lfs, path .. "/" .. name, found) end
  elseif mode == "file" or mode == nil then -- what is not there fails as a task and is reported
    found(path)
  end
end

local function walk_with_find(path, found)
  local any = false
  for name in io.popen("find " .. fast_map.quote(path) .. " -type f | LC_ALL=C sort"):lines() do
    any = true
    found(name)
  end
  if not any then found(path) end
end

-- The files as an iterator: counting begins while the folders are still being walked.
local function files(paths)
  local has_lfs, lfs = pcall(require, "lfs")
  return coroutine.wrap(function()
    for _, path in ipairs(paths) do
      if has_lfs then walk_with_lfs(lfs, path, coroutine.yield) else walk_with_find(path, coroutine.yield) end
    end
  end)
end

-- The task: runs in a worker, for one file. Returns its words with their counts; nothing for a binary file.
local function count_words(path)
  local file = assert(io.open(path, "rb"))
  local text = assert(file:read "a")
  file:close()
  if text:sub(1, 4096):find("\0", 1, true) then return nil end
  local counts = {}
  for word in text:lower():gmatch "[%a\128-\255][%a\128-\255']*" do
    counts[word] = (counts[word] or 0) + 1
  end
  return counts, #text
end

local function by_count(counts)
  local words = {}
  for word in pairs(counts) do words[#words + 1] = word end
  table.sort(words, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  return words
end

local paths, most = arguments()
local totals, all = {}, { files = 0, bytes = 0, words = 0, skipped = 0, failed = 0 }
local start = fast_map.now()

-- Files are independent and addition has no order: take the results as they come.
for _, counts, size in fast_map(count_words, files(paths), { ordered = false, on_error = "return" }) do
  if counts then
    all.files, all.bytes = all.files + 1, all.bytes + size
    for word, count in pairs(counts) do
      totals[word] = (totals[word] or 0) + count
      all.words = all.words + count
    end
  elseif size then -- index, nil, err
    all.failed = all.failed + 1
    io.stderr:write("word_count: ", tostring(size.message), "\n")
  else
    all.skipped = all.skipped + 1
  end
end

local words = by_count(totals)
for i = 1, math.min(most, #words) do print(("%9d  %s"):format(totals[words[i]], words[i])) end
io.stderr:write(
  ("%d words, %d different, in %d files (%.1f MB; skipped: %d binary, %d unreadable), %.2f s\n"):format(
    all.words, #words, all.files, all.bytes / 1e6, all.skipped, all.failed, fast_map.now() - start))
os.exit(all.failed == 0, true)
