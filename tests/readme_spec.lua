-- README.md is true: its programs run, and print what stands below them.
--
-- A ```lua block is a whole program. The ```text block right after it is its output, in which numbers of the form "0.5 s" are
-- times: these may be late. A block after the comment `<!-- part of a program -->` is only compiled.

local host = os.getenv "TEST_HOST" or os.getenv "FMLUA" or "lua5.4"

local function read_all(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local readme = read_all "README.md"

-- The blocks as { language, text, line = of the fence, part = compiled only, output = text of the block that follows }
local function blocks()
  local list, block, before = {}, nil, ""
  local number = 0
  for line in readme:gmatch "([^\n]*)\n" do
    number = number + 1
    local fence = line:match "^```(%a*)$"
    if fence and not block then
      block = { language = fence, line = number, text = {}, before = before }
    elseif fence then
      block.text = table.concat(block.text)
      block.part = block.before == "<!-- part of a program -->"
      if block.language == "text" and block.before == "```" then list[#list].output = block.text end
      list[#list + 1], block, before = block, nil, "```"
    elseif block then
      table.insert(block.text, line .. "\n")
    elseif line ~= "" then
      before = line
    end
  end
  return list
end

-- In a folder of its own: some programs write files.
local function run(text)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  local file = assert(io.open(folder .. "/program.lua", "wb"))
  file:write(text)
  file:close()
  local command = ("cd %s && timeout -k 5 60 %s program.lua >out 2>err </dev/null"):format(folder, host)
  local _, _, code = os.execute(command)
  local out, err = read_all(folder .. "/out"), read_all(folder .. "/err")
  os.execute("rm -r " .. folder)
  return code, out, err
end

local time_form = "(%d+%.%d+) s%f[%W]"

-- The output with each time that is late, but not too late, as it is expected.
local function on_time(output, expected)
  local times = expected:gmatch(time_form)
  return (output:gsub(time_form, function(time)
    local due = times()
    local late = due and tonumber(time) - tonumber(due)
    return late and late >= 0 and late < 5 and due .. " s" or nil
  end))
end

describe("README.md", function()
  local programs = 0

  for _, block in ipairs(blocks()) do
    if block.language == "lua" and block.part then
      it(("has code in line %d that is Lua"):format(block.line), function()
        assert(load(block.text, "=README.md"))
      end)
    elseif block.language == "lua" then
      programs = programs + 1
      it(("has a program in line %d that does what it says"):format(block.line), function()
        local code, out, err = run(block.text)
        assert.equal(0, code, out .. err)
        assert.equal("", err)
        if block.output then assert.equal(block.output, on_time(out, block.output)) end
      end)
    end
  end

  it("has programs", function()
    assert.is_true(programs >= 5)
  end)

  it("names files that are there", function()
    for name in readme:gmatch "scripts/[%w_]+%.%l+" do assert(io.open(name), name):close() end
    for name in readme:gmatch "%]%(([%w_/.]+)%)" do assert(io.open(name), name):close() end
  end)

  it("tells of every option and its default, and of no other", function()
    local section = readme:match "\n## Options\n(.-)\n## "
    local told = {}
    for name, default in section:gmatch "\n| `([%w_]+)` |([^|]*)|" do told[name] = default end
    for _, row in ipairs(require("fast_map.options").table) do
      local name, default = row[1], row[3]
      local text = type(default) == "string" and '"' .. default .. '"' or tostring(default)
      local shown = told[name] and told[name]:gsub("[ `]", "")
      assert.is_string(shown, name .. " has no row")
      if default ~= nil then assert.equal(text, shown, name) end
      told[name] = nil
    end
    assert.is_nil(next(told))
  end)
end)
