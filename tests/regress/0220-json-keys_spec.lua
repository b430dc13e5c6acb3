-- fmlua map --json found marks of its own inside of strings: `{"a":12345678901234567,"b":"foo\"\u00011"}` came back as no
-- JSON. Keys that are numbers lost digits.

local FMLUA = os.getenv "FMLUA" or "./fmlua"

local function map(code, line)
  local name = os.tmpname()
  local file = assert(io.open(name, "wb"))
  file:write(line, "\n")
  file:close()
  local pipe = assert(io.popen(("%s map --json '%s' <%s 2>&1"):format(FMLUA, code, name)))
  local text = pipe:read "l"
  pipe:close()
  os.remove(name)
  return text
end

describe("a number of many digits in JSON", function()
  local has_cjson = pcall(require, "cjson")
  local function it_if(title, f)
    it(title, has_cjson and f or function() return pending "no lua-cjson here" end)
  end

  it_if("stands beside strings of whatever text", function()
    for _, text in ipairs { [[foo\"\u00011]], "number1", [[\"number1\"]], [[number1xnumber2x\"number3x1\"]], [[\u00011]] } do
      local line = ('["%s",1234567890123456,"%s"]'):format(text, text)
      assert.equal(line, map("line", line))
    end
  end)

  it_if("keeps its digits as a key", function()
    assert.equal('{"9007199254740991":{"0.1234567890123456":[1]}}',
      map("{ [-1] = nil, [\"9007199254740991\"] = { [0.1234567890123456] = { 1 } } }", "1"))
  end)
end)
