-- A second `:::` on the command line of fmlua map became a line.

local FMLUA = os.getenv "FMLUA" or "./fmlua"

local function map(words)
  local pipe = assert(io.popen(("%s map %s 2>&1 </dev/null"):format(FMLUA, words)))
  local text = pipe:read "a"
  pipe:close()
  return text
end

describe("several lists of words", function()
  it("give each combination, the first changing slowest", function()
    assert.equal("a\t1\na\t2\nb\t1\nb\t2\n", map "line ::: a b ::: 1 2")
    assert.equal("1: a-1-x (3)\n2: a-2-x (3)\n3: b-1-x (3)\n4: b-2-x (3)\n",
      map [[' index .. ": " .. table.concat(words, "-") .. " (" .. #words .. ")"' ::: a b ::: 1 2 ::: x]])
    assert.equal("", map "line ::: a b ::: ")
    assert.equal("a\n", map "'words[1]' ::: a")
  end)

  it("go side by side after :::+, up to the end of the shortest", function()
    assert.equal("a\t1\nb\t2\n", map "line ::: a b :::+ 1 2 3")
    assert.equal("a\t1\tq\na\t1\tr\nb\t2\tq\nb\t2\tr\n", map "line ::: a b :::+ 1 2 3 ::: q r")
    assert.equal("a\t1\tx\tq\na\t2\ty\tq\nb\t1\tx\tq\nb\t2\ty\tq\n", map "line ::: a b ::: 1 2 :::+ x y ::: q")
  end)

  it("are taken as they stand", function()
    assert.equal("-j\t--\n", map "line ::: -j ::: --")
    assert.equal("fmlua map: ':::+' goes with the list of a ':::' before it\n", map "line :::+ a")
    assert.equal("fmlua map: '::::' is not understood: give lines of a file as the standard input\n",
      map "line ::: a :::: b")
    assert.equal("fmlua map: the lists after ':::' have too many combinations\n", map("line" .. (" ::: a b"):rep(64)))
  end)

  it("may be more than anybody waits for", function()
    assert.matches("^fmlua map: line 1 failed: ", map("--halt now,fail=1 'error()'" .. (" ::: a b"):rep(62)))
  end)

  it("are known to a job log by all their words", function()
    local name = os.tmpname()
    map("--joblog " .. name .. " line ::: a b ::: 1 2")
    assert.equal("a\t3\nb\t3\n", map("--resume --joblog " .. name .. " line ::: a b ::: 1 2 3"))
    os.remove(name)
  end)

  it("are lists of values with --json", function()
    if not pcall(require, "cjson") then return pending "no lua-cjson here" end
    assert.equal('3\n4\n', map [[--json 'line[1] + line[2].x' ::: 1 2 ::: '{"x":2}']])
  end)
end)
