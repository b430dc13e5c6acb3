-- zip.lua - sources side by side: what source.zip opens.

local M = {}

-- Appends the values of the k-th task to self.values; false when an input has none.
local function gather(self, k)
  self.filled = 0
  for _, source in ipairs(self.sources) do
    if source.at then
      self.filled = self.filled + 1
      self.values[self.filled] = source:at(k)
    elseif source:pull(self.append, 1) == 0 then
      return false
    end
  end
  return true
end

local function advance_zip(self, push, most)
  local values, from = self.values, self.taken
  local last = self.bound and from + math.min(most, self.bound - from) or from + most
  for k = from + 1, last do
    if not gather(self, k) then return k - from - 1 end
    self.taken = k
    push(table.unpack(values, 1, self.filled))
    if self.full then return k - from end
  end
  return last - from
end

-- Closes all inputs, the last first, even when closing one raises.
local function finish_zip(self, err)
  local sources = self.sources
  local function close_from(i)
    local source = sources[i]
    if not source then return end
    local _ <close> = setmetatable({}, { __close = function() source:close(err) end })
    close_from(i + 1)
  end
  close_from(1)
end

-- How many tasks the inputs that know it allow (nil: none knows), and whether all know.
local function bounds(sources)
  local bound, all = nil, true
  for _, source in ipairs(sources) do
    if source.count then bound = math.min(bound or source.count, source.count) end
    all = all and source.count ~= nil
  end
  return bound, all
end

--- The fields of a source (see source.lua) that pulls from the sources; it closes them.
function M.open(sources)
  local values = {}
  local bound, all = bounds(sources)
  local self = {
    kind = "other", advance = advance_zip, finish = finish_zip, sources = sources, values = values,
    taken = 0, filled = 0, bound = bound, count = all and bound or nil,
  }
  function self.append(...)
    local count = select("#", ...)
    local filled = self.filled
    for i = 1, count do values[filled + i] = (select(i, ...)) end
    self.filled = filled + count
  end
  return self
end

return M
