-- fmlua map --json 'line' made 1.2345678901235e+15 of 1234567890123456, as lua-cjson writes numbers.

local FMLUA = os.getenv "FMLUA" or "./fmlua"

local function map(code, lines)
  local name = os.tmpname()
  local file = assert(io.open(name, "wb"))
  file:write(lines)
  file:close()
  local pipe = assert(io.popen(("%s map --json '%s' <%s 2>&1"):format(FMLUA, code, name)))
  local text = pipe:read "a"
  local _, _, code_of_exit = pipe:close()
  os.remove(name)
  return text, code_of_exit
end

local function same(lines)
  assert.equal(lines, (map("line", lines)))
end

describe("a number in a line of JSON", function()
  local has_cjson = pcall(require, "cjson")
  local function it_if(title, f)
    it(title, has_cjson and f or function() return pending "no lua-cjson here" end)
  end

  it_if("comes out with all its digits", function()
    same "1234567890123456\n-9007199254740991\n100000000000000\n0.1234567890123456\n0.30000000000000004\n"
    same "0.1\n3\n-7\n1e+300\n"
    same '{"a":[1,1234567890123456,{"b":1700000000123456}]}\n'
    assert.equal("9223372036854775807\n-9223372036854775808\n0.3333333333333333\n",
      (map("({ math.maxinteger, math.mininteger, 1 / 3 })[index]", "1\n2\n3\n")))
  end)

  it_if("is told from strings and keys that look like what stands for it inside", function()
    same '["\\u00011","\\u00012",1234567890123456,"\\u0001"]\n'
    same '[1234567890123456,{"\\u00011":2}]\n'
    same '["foo\\"\\u00011",1234567890123456,"\\u00011\\\\","\\\\\\"\\u00011\\""]\n'
  end)

  it_if("that JSON does not know is an error of its line, without a place in fast_map", function()
    local text, code = map("0 / 0", "1\n")
    assert.matches("^fmlua map: line 1 failed: the result cannot be JSON: Cannot serialise number", text)
    assert.equal(1, code)
    text = map("(function() local t = {} t.a, t.b = t, t return t end)()", "1\n")
    assert.matches("^fmlua map: line 1 failed: the result cannot be JSON: Cannot serialise, excessive nesting", text)
  end)
end)
