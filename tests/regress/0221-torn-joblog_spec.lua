-- A torn record of a job log got the words ` (torn)`: then it was the record of another line. A header that was torn made it
-- another file.

local FMLUA = os.getenv "FMLUA" or "./fmlua"
local HEADER = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"

-- What `fmlua map --resume` with this log gives for these words, and the log then.
local function resume(log, words)
  local name = os.tmpname()
  local file = assert(io.open(name, "wb"))
  file:write(log)
  file:close()
  local pipe = assert(io.popen(("%s map --resume --joblog %s line ::: %s 2>&1"):format(FMLUA, name, words)))
  local text = pipe:read "a"
  pipe:close()
  file = assert(io.open(name, "rb"))
  log = file:read "a"
  file:close()
  os.remove(name)
  return text, log
end

describe("a job log that was torn", function()
  it("is cut off where the last whole record ends", function()
    local whole = HEADER .. "1\t:\t1796094417.308\t     0.000\t0\t4\t0\t0\ta\n"
    local text, log = resume(whole .. "2\t:\t1796094417.318\t     0.003\t0\t2\t0\t0\tb", "a b 'b (torn)'")
    assert.equal("b\nb (torn)\n", text)
    assert.equal(whole, log:sub(1, #whole))
    local added = log:sub(#whole + 1):gsub("\t%d+%.%d+\t%d+%.%d+\t", " ")
    assert.equal("2\t: 1\t2\t0\t0\tb\n3\t: 8\t9\t0\t0\tb (torn)\n", added)
    text = resume(log, "a b 'b (torn)'")
    assert.equal("", text)
  end)

  it("may be torn in its header", function()
    local text, log = resume(HEADER:sub(1, 10), "a")
    assert.equal("a\n", text)
    assert.equal(HEADER, log:sub(1, #HEADER))
  end)

  it("is left alone when it is another file", function()
    local text, log = resume("Seqoia\n", "a")
    assert.matches("is no job log\n$", text)
    assert.equal("Seqoia\n", log)
  end)
end)
