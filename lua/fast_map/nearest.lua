-- nearest.lua - the name that the writer of a misspelt one may have meant.

-- The edit distance of a and b, a swap of neighbours counted as one.
local function distance(a, b)
  local before, last = nil, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, last = last, row
  end
  return last[#b]
end

-- The only name that begins with `wanted`.
local function begun(wanted, names)
  local found
  for _, name in ipairs(names) do
    if name:sub(1, #wanted) == wanted then
      if found then return nil end
      found = name
    end
  end
  return found
end

-- Dashes in front of an option are nobody's mistake.
local function letters(name)
  return name:match "^%-*(.*)$"
end

---@param wanted string
---@param names string[]
---@return string? name nil when none is near: more than a third of the letters would be wrong
return function(wanted, names)
  wanted = wanted:sub(1, 40)
  local whole = begun(wanted, names)
  if whole then return whole end
  wanted = letters(wanted)
  local best, least = nil, math.max(1, #wanted // 3) + 1
  for _, name in ipairs(names) do
    local d = distance(wanted, letters(name))
    if d < least then best, least = name, d end
  end
  return best
end
