-- fmlua map wrote its results through a buffer that ends anywhere: lines that tasks printed meanwhile came into their midst.

local FMLUA = os.getenv "FMLUA" or "./fmlua"

-- How many lines there are, and how many have more than one letter.
local function count(options)
  local code = "local c = string.char(97 + index % 26) "
    .. "print(c:rep(90)) fast_map.sleep(.001) print(c:rep(30)) return c:rep(70)"
  local pipe = assert(io.popen(("seq 3000 | %s map %s '%s' | cat"):format(FMLUA, options, code)))
  local lines, broken = 0, 0
  for line in pipe:lines() do
    lines = lines + 1
    if line ~= line:sub(1, 1):rep(#line) then broken = broken + 1 end
  end
  pipe:close()
  return lines, broken
end

describe("fmlua map", function()
  for _, options in ipairs { "", "--joblog /dev/null", "-u" } do
    it("writes results as whole lines beside what tasks print: " .. options, function()
      local lines, broken = count(options)
      assert.equal(9000, lines)
      assert.equal(0, broken)
    end)
  end
end)
