-- `fmlua --progress map 'line'` said only that it cannot open a file `map`.

local FMLUA = os.getenv "FMLUA" or "./fmlua"

describe("fmlua with options before `map`", function()
  it("says that map comes first", function()
    for _, option in ipairs { "--progress", "--report /dev/null", "-l string" } do
      local pipe = assert(io.popen(("%s %s map line </dev/null 2>&1"):format(FMLUA, option)))
      local text = pipe:read "a"
      local _, _, code = pipe:close()
      assert.equal(1, code)
      assert.matches("cannot open map; if `fmlua map` is meant: `map` comes first, and then options, such as\n"
        .. "  fmlua map %-%-progress 'line %* 2'\n$", text)
    end
  end)

  it("runs a script that is called map", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir %s && printf 'print(#arg)' >%s/map"):format(folder, folder)))
    local host = FMLUA:sub(1, 1) == "/" and FMLUA or '"$OLDPWD"/' .. FMLUA
    local pipe = assert(io.popen(("cd %s && %s -W map a b 2>&1"):format(folder, host)))
    local text = pipe:read "a"
    pipe:close()
    os.execute("rm -r " .. folder)
    assert.equal("2\n", text)
  end)
end)
