-- A timeout of more than 24.8 days made the worker's listener sleep until the parent rang: its milliseconds did not fit an
-- int. So it never saw which threads wait, and added none. One of more than 30 years was over at once.

local fast_map = require "fast_map"

-- True when two tasks run at the same time, which wait without saying so.
local function overlap(timeout)
  local name = os.tmpname()
  local results = fast_map.map(function(k)
    assert(io.open(name .. "." .. k, "w")):close()
    local pipe = io.popen(("i=0; while [ ! -e %s.%d ] && [ $i -lt 100 ]; do i=$((i + 1)); sleep 0.05; done; echo $i")
      :format(name, 3 - k))
    local waited = pipe:read "n"
    pipe:close()
    return waited < 100
  end, { 1, 2 }, { procs_limit = 1, timeout = timeout })
  for _, suffix in ipairs { "", ".1", ".2" } do os.remove(name .. suffix) end
  return results[1] and results[2]
end

describe("a timeout", function()
  for _, timeout in ipairs { 100, 3e6, 1e8, 1e12, 1e300 } do
    it(("of %g seconds changes nothing for tasks that wait"):format(timeout), function()
      assert.is_true(overlap(timeout))
    end)
  end
end)
