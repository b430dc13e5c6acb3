-- --eta and --bar of fmlua map showed neither until all lines were pulled, although one can see how far in a file they are.

local core = require "fast_map.core"
local progress = require "fast_map.progress"

local FMLUA = os.getenv "FMLUA" or "./fmlua"

local function file_of(text)
  local name = os.tmpname()
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
  return name
end

describe("the progress of fmlua map", function()
  it("tells of a regular file how far in it the lines are", function()
    local name = file_of(("abc\n"):rep(100000))
    local pipe = assert(io.popen(([[{ read line; %s -e '
      local lines = require "fast_map.core".lines(0, "\n")
      print(lines:progress())
      for _ = 1, 9999 do lines() end
      print(lines:progress())
      while lines() do end
      print(lines:progress())'; } <%s]]):format(FMLUA, name)))
    local text = pipe:read "a"
    pipe:close()
    os.remove(name)
    assert.equal("0\t399996\n39996\t399996\n399996\t399996\n", text)
  end)

  it("tells nothing of a pipe", function()
    local code = [[local lines = require "fast_map.core".lines(0, "\n") lines() print(lines:progress())]]
    local pipe = assert(io.popen(("echo a | %s -e '%s'"):format(FMLUA, code)))
    assert.equal("\n", pipe:read "a")
    pipe:close()
  end)

  it("shows a total that is a guess, until all lines are pulled", function()
    local told
    local map = { watch = function(_, f) told = f end, pids = function() return {} end }
    local lines, draw, terminal = {}, core.draw, core.terminal
    core.draw = function(text) lines[#lines + 1] = text end
    core.terminal = function() return nil end
    local good, message = pcall(function()
      progress.watch(map, function(pulled) return pulled * 10, true end, true)
      core.sleep(1.01)
      told(50, 0, 100, false, false)
      told(1200, 0, 1200, true, true)
    end)
    core.draw, core.terminal = draw, terminal
    assert(good, message)
    assert.matches("  5%%  50/~1,000  .*ETA", lines[1])
    assert.matches("100%%  1,200/1,200  ", lines[2])
  end)

  -- What it says first of a regular file with far more lines than are pulled ahead.
  local function first_line(options, lines)
    local name = file_of(lines)
    local code = "if index == 10 then fast_map.sleep(3) error(0) end"
    local pipe = assert(io.popen(("%s map -j 1 --halt now,fail=1 %s '%s' <%s 2>&1"):format(FMLUA, options, code, name)))
    local text = pipe:read "a"
    pipe:close()
    os.remove(name)
    return text:match "^[^\n]*"
  end

  it("is shown with a share and a time for a file and with --total", function()
    assert.matches("  0%%  %d/~200,000  .*ETA ", first_line("--eta", ("x\n"):rep(200000)))
    assert.matches("  0%%  %d/300,000  .*ETA ", first_line("--bar --total 300000", ("x\n"):rep(200000)))
  end)
end)
