-- `fmlua map sh -c "echo $1"`, as for parallel or xargs, took `sh` for code, a global that is nil: no status 0.

local FMLUA = os.getenv "FMLUA" or "./fmlua"

-- What fmlua map with these words, quoted for the shell, writes for two lines, stderr too; and its exit code.
local function map(words)
  local pipe = assert(io.popen(("printf 'a\\nb\\n' | %s map %s 2>&1"):format(FMLUA, words)))
  local text = pipe:read "a"
  local _, _, code = pipe:close()
  return text, code
end

local function hints(expected, words, expected_code)
  local text, code = map(words)
  assert.equal(expected_code or 255, code)
  assert.equal(expected, text:match "^[^\n]*")
  local _, count = text:gsub("the code is Lua, not a command%. To run a command for each line:\n  fmlua map 'io%.popen", "")
  assert.equal(1, count, text)
end

local function gives(expected, words, expected_code)
  local text, code = map(words)
  assert.equal(expected, text)
  assert.equal(expected_code or 0, code)
end

describe("a command where fmlua map wants code", function()
  it("is told from code when it is only a name", function()
    local message = "fmlua map: there is no variable '%s'; the code is Lua, not a command. To run a command for each line:"
    hints(message:format "sh", "sh -c 'echo $1'")
    hints(message:format "cat", "' cat '")
    hints(message:format "wc", "--dry-run wc -l")
  end)

  it("is told when it cannot be read as code", function()
    hints("fmlua map: code:1: syntax error near '-'", "'grep -i x'")
    hints("fmlua map: code:1: unexpected symbol near '/'", "/bin/cat")
    hints("fmlua map: code:1: unexpected symbol near '.'", "./job.sh")
  end)

  it("is told once when it fails as code", function()
    hints("fmlua map: line 1 failed: code:1: attempt to call a nil value (global 'echo')", "'echo {}'", 2)
  end)

  it("is not suspected in code", function()
    gives("", "nil")
    gives("a\nb\n", "line")
    gives("false\nfalse\n", "false")
    gives("5\n5\n", "'n = 5 return n'")
    gives("A\nB\n", "-l s=string 's.upper(line)'")
    gives("fmlua map: code:1: <name> expected near <eof>\n", "for", 255)
  end)

  it("runs as the hint says", function()
    gives("<a>\n<b>\n", [['io.popen("echo \\<" .. line .. "\\>"):read "l"']])
    gives("xa\nxb\n", [[-P 1 -j 1 'assert(os.execute("echo x" .. line)) return nil']])
  end)
end)

describe("code of fmlua map", function()
  it("does not go on with a line of its own making", function()
    local text, code = map "'.. \"x\"'"
    assert.equal("fmlua map: code:1: unexpected symbol near '..'\n", text)
    assert.equal(255, code)
  end)

  it("is missed when it is empty", function()
    gives("fmlua map: no code: what shall be done with each line? --help shows how\n", "''", 255)
  end)

  it("does not write functions", function()
    gives("fmlua map: line 1 failed: the result is a function: call it, such as `string.upper(line)`\n", "print ::: a", 1)
  end)
end)
