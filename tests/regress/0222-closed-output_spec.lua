-- With the standard output closed, files of ours got its descriptor: `fmlua map --joblog log line >&-` wrote the results
-- into the log, and a script's prints went into its trace. Commands inherited them.

local HOST = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "./fmlua"
local FMLUA = os.getenv "FMLUA" or "./fmlua"

local base

local function content(name)
  local file = assert(io.open(base .. name, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function script(code)
  local file = assert(io.open(base .. ".lua", "wb"))
  file:write('local fast_map, base = require "fast_map", arg[1]\n', code)
  file:close()
  return ("%s %s.lua %s"):format(HOST, base, base)
end

describe("with the standard output closed", function()
  before_each(function() base = os.tmpname() end)
  after_each(function() os.execute("rm -f " .. base .. "*") end)

  it("results of fmlua map go nowhere", function()
    local _, _, code = os.execute(("%s map --joblog %s.log 'line .. line' ::: ab >&- 2>%s.err"):format(FMLUA, base, base))
    assert.equal(255, code)
    assert.equal("fmlua map: cannot write the results: Bad file descriptor\n", content ".err")
    assert.is_nil(content ".log":find("abab", 1, true))
  end)

  it("what scripts, tasks and commands print is in no file and no message of ours", function()
    local command = script [[
      local options = { trace = base .. ".json", report = base .. ".html", journal = base .. ".journal", output = "line" }
      local count = 0
      local function shout(x)
        io.stdout:write "printed by a task\n"
        io.stdout:flush()
        local pipe = io.popen "echo from a command; echo 'printed by a command' >&1"
        local text = pipe:read "l"
        pipe:close()
        return text .. x
      end
      for i, text in fast_map(shout, { 1, 2, 3 }, options) do
        io.stdout:write "printed by the script\n"
        io.stdout:flush()
        assert(text == "from a command" .. i)
        count = count + 1
      end
      local handle = fast_map.fast_map_async(shout, { 1, 2 }, { on_result = function() count = count + 1 end })
      assert(handle:fd() > 2)
      handle:join()
      io.stderr:write(count, "\n")]]
    for _, how in ipairs { ">&-", "<&- >&-" } do
      os.execute(("%s %s 2>%s.err"):format(command, how, base))
      assert.equal("5\n", content ".err")
      for _, name in ipairs { ".json", ".html", ".journal" } do
        local text = content(name)
        assert.is_true(#text > 100)
        assert.is_nil(text:find("printed by", 1, true), name)
      end
      os.remove(base .. ".journal")
    end
  end)

  it("commands inherit none of our files", function()
    local command = script [[
      local options = { trace = base .. ".json", report = base .. ".html", journal = base .. ".journal" }
      local function list()
        local pipe = io.popen "ls -l /proc/self/fd"
        local text = pipe:read "a"
        pipe:close()
        return text
      end
      for _, text in fast_map(list, { 1 }, options) do io.stdout:write(text, list()) end]]
    assert(os.execute(command .. " >" .. base .. ".out"))
    local out = content ".out"
    assert.truthy(out:find("/proc/", 1, true), out)
    for _, name in ipairs { ".json", ".html", ".journal" } do assert.is_nil(out:find(base .. name, 1, true), out) end
  end)
end)
