-- words.lua - what follows `:::` on the command line of fmlua map, as its lines.
--
-- One `:::` gives a line for each word. With more of them, each combination of their words is a line, the words parted by
-- tabs, the first list changing slowest; a list after `:::+` goes side by side with the list before it. So GNU parallel
-- has it.

local M = {}

local files = { ["::::"] = true, ["::::+"] = true }

---@class fast_map.Words
---@field count integer
---@field at fun(self: fast_map.Words, k: integer): string, string[] the k-th line, from 1, and its words
local Words = {}
Words.__index = Words

-- The position in each group of lists, for the k-th combination.
local function positions(groups, k)
  local place, rest = {}, k - 1
  for g = #groups, 1, -1 do
    place[g] = rest % groups[g].size + 1
    rest = rest // groups[g].size
  end
  return place
end

function Words:at(k)
  local place, words = positions(self.groups, k), {}
  for g, group in ipairs(self.groups) do
    for _, list in ipairs(group) do words[#words + 1] = list[place[g]] end
  end
  return table.concat(words, "\t"), words
end

-- How many combinations there are, or nil: too many to be counted.
local function count_of(groups)
  local count = 1
  for _, group in ipairs(groups) do
    group.size = #group[1]
    for _, list in ipairs(group) do group.size = math.min(group.size, #list) end
    if group.size > 0 and count > math.maxinteger // group.size then return nil end
    count = count * group.size
  end
  return count
end

--- Whether a word begins such a list.
function M.begins(word)
  return word == ":::" or word == ":::+" or files[word] ~= nil
end

--- Reads the lists that begin at words[i].
---@param words string[]
---@param i integer
---@return fast_map.Words? nil when something is wrong
---@return string? message
function M.read(words, i)
  local groups, list = {}, nil
  for k = i, #words do
    local word = words[k]
    if files[word] then return nil, ("'%s' is not understood: give lines of a file as the standard input"):format(word) end
    if word == ":::" then
      list = {}
      groups[#groups + 1] = { list }
    elseif word == ":::+" then
      if not list then return nil, "':::+' goes with the list of a ':::' before it" end
      list = {}
      table.insert(groups[#groups], list)
    else
      list[#list + 1] = word
    end
  end
  local count = count_of(groups)
  if not count then return nil, "the lists after ':::' have too many combinations" end
  return setmetatable({ groups = groups, count = count }, Words)
end

return M
