-- Tasks that each open one log to append to it parted each other's lines where a buffer ended.

local fast_map = require "fast_map"

-- How many lines there are, and how many that are not of one letter.
local function count(path)
  local lines, broken = 0, 0
  for line in io.lines(path) do
    lines = lines + 1
    if line ~= line:sub(1, 1):rep(#line) then broken = broken + 1 end
  end
  return lines, broken
end

describe("lines that tasks append to a file each has opened", function()
  local path
  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  for name, prepare in pairs {
    ["as it is"] = function() end,
    ["with setvbuf line"] = function(f) f:setvbuf "line" end,
    ["with setvbuf no"] = function(f) f:setvbuf "no" end,
    ["with a small buffer"] = function(f) f:setvbuf("full", 1000) end,
  } do
    it("are whole " .. name, function()
      fast_map.map(function(i)
        local letter = string.char(97 + i % 26)
        local file <close> = assert(io.open(path, "a"))
        prepare(file)
        for k = 1, 40 do assert(file:write(letter:rep(k * 37 % 1500 + 1), "\n")) end
        assert(file:write(letter:rep(i * 100), "\n"))
      end, fast_map.range(1, 200), { procs_limit = 3, threads_limit = 6 })
      assert.same({ 8200, 0 }, { count(path) })
    end)
  end

  it("leave the file's position right", function()
    local at, text = table.unpack(fast_map.map(function()
      local file <close> = assert(io.open(path, "w"))
      file:write("ab\n", ("x"):rep(10000), "\n")
      file:write "end"
      local at = file:seek()
      file:seek("set", 1)
      file:write "B"
      file:close()
      return { at, assert(io.open(path)):read "a" }
    end, { 1 })[1])
    assert.equal(10007, at)
    assert.equal("aB\n" .. ("x"):rep(10000) .. "\nend", text)
  end)
end)
