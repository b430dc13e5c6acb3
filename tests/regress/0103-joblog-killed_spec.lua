-- fmlua map --joblog, when it was killed, left results that the log did not have, the last one cut off.

local FMLUA = os.getenv "FMLUA" or "./fmlua"

local function lines_of(name, pattern)
  local list = {}
  for line in io.lines(name, "L") do
    local text = line:match(pattern)
    if text then list[#list + 1] = text end
  end
  return table.concat(list, ",")
end

describe("a job log", function()
  it("has what was written before the end, and nothing was cut off", function()
    local out, log, err = os.tmpname(), os.tmpname(), os.tmpname()
    -- killed as it is about to write results for the third time
    os.execute(("seq 200000 | { strace -qq -o /dev/null -e trace=write -P %s -e inject=write:signal=KILL:when=3 %s map"
      .. " --joblog %s line >%s; } 2>%s"):format(out, FMLUA, log, out, err))
    local written, logged = lines_of(out, "^(%d+)\n"), lines_of(log, "\t0\t0\t(%d+)\n$")
    local whole = io.open(out):read "a":find "^[^\n].*\n$" ~= nil
    local message = io.open(err):read "a"
    for _, name in ipairs { out, log, err } do os.remove(name) end
    if written == "" then return pending("no strace here: " .. message) end
    assert.is_true(whole)
    assert.is_true(#written < 1200000, "it was not killed")
    assert.equal(logged, written)
  end)
end)
