-- After os.setlocale "de_DE.UTF-8", [0.1] came out of fmlua map --json as [0,1], a job log with commas could not be resumed,
-- a journal that was written without the locale held nothing for a run with it, and figures had commas.

local kit = dofile "tests/stress/kit.lua"

local folder = os.tmpname()
os.remove(folder)

-- A locale of our own, for LOCPATH: Debian's package locales has what it is made of.
local function make_locale()
  return os.execute(("mkdir %s && localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>&1"):format(folder, folder))
end

local function in_german(text)
  local output, code, gone = kit.run('assert(os.setlocale "de_DE.UTF-8") assert(tostring(0.5) == "0,5") ' .. text,
    { environment = "LOCPATH=" .. folder })
  assert.is_true(gone, "processes are left")
  assert.equal(0, code, output)
  return output
end

local function map(arguments, lines)
  kit.write(folder .. "/in", lines)
  local fmlua = "LOCPATH=" .. folder .. " LC_ALL=de_DE.UTF-8 " .. kit.fmlua
  local _, _, code = os.execute(("%s map %s <%s/in >%s/out 2>&1"):format(fmlua, arguments, folder, folder))
  local output = kit.read(folder .. "/out")
  assert.equal(0, code, output)
  return output
end

local function script(text)
  kit.write(folder .. "/f.lua", text)
  return "-f " .. folder .. "/f.lua "
end

describe("a locale with a decimal comma", function()
  if not make_locale() then
    os.execute("rm -rf " .. folder)
    return pending "no localedef, or no definitions for it: Debian's package locales"
  end

  teardown(function() os.execute("rm -rf " .. folder) end)

  it("does not touch JSON lines, whenever it is set", function()
    local lines = "[0.1]\n[0.30000000000000004]\n[12345678901.25]\n"
    assert.equal(lines, map([[--json 'assert(os.setlocale "de_DE.UTF-8") return line']], lines))
    local before = script 'local cjson = require "cjson" os.setlocale "de_DE.UTF-8" return function(v) return v end'
    assert.equal(lines, map("--json " .. before, lines))
    local after = script 'os.setlocale "de_DE.UTF-8" local cjson = require "cjson" return function(v) return v end'
    assert.equal(lines, map("--json " .. after, lines))
    local afresh = script [[
      os.setlocale "de_DE.UTF-8"
      return function(v)
        local own = require "cjson"
        assert(tostring(0.5) == "0,5")
        assert(own.decode "[0.5]"[1] == 0.5) -- as it is loaded under that locale
        return v
      end
    ]]
    assert.equal(lines, map("--json " .. afresh, lines))
  end)

  it("does not touch the job log", function()
    local log = folder .. "/log"
    local f = script 'os.setlocale "de_DE.UTF-8" return function(line) return line / 2 end'
    assert.equal("0,5\n1,0\n", map("--joblog " .. log .. " " .. f, "1\n2\n")) -- results are the script's
    local text = kit.read(log)
    assert.matches("\n1\t:\t%d+%.%d%d%d\t%d+%.%d%d%d\t1\t4\t0\t0\t1\n", text)
    assert.equal("1,5\n", map("--resume --joblog " .. log .. " " .. f, "1\n2\n3\n"))
    kit.write(log, (text:gsub("(%d)%.(%d)", "%1,%2"))) -- as it was
    assert.equal("1,5\n", map("--resume --joblog " .. log .. " " .. f, "1\n2\n3\n"))
  end)

  it("does not touch options of the command line", function()
    assert.equal("1\n", map("-j 100.0% --timeout 20.5 --halt now,fail=1 'return line'", "1\n"))
  end)

  it("does not touch trace and report", function()
    local trace, report = folder .. "/trace.json", folder .. "/report.html"
    in_german(([[
      fast_map.map(function(x) fast_map.sleep(x) return x end, { 0.01, 0.015, 0.02 }, { trace = %q, report = %q })
    ]]):format(trace, report))
    local cjson = require "cjson"
    for _, event in ipairs(cjson.decode(kit.read(trace)).traceEvents) do
      if event.name == "task" then assert.is_true(event.dur >= 1e4 and event.dur < 1e8) end
    end
    local page = kit.read(report)
    assert.matches("%d%.%d+ ms", page)
    assert.is_nil(page:match "%d,%d+ m?s")
    assert.is_nil(page:match 'd="[^"]*,')
  end)

  it("does not touch figures, messages and names", function()
    assert.equal("true\nfast_map.range(0.5, 2, 1.0)\ntrue\ntrue\ntrue\n", in_german [[
      local _, stats = fast_map.map(function(x) fast_map.sleep(0.01) return x end, { 1, 2 })
      print(not tostring(stats):find "%d,%d" and tostring(stats):find "%d%.%d" ~= nil)
      print(fast_map.range(0.5, 2))
      local _, message = pcall(fast_map, print, {}, { timeout = -0.5 })
      print(message:find("got -0.5", 1, true) ~= nil)
      _, message = pcall(fast_map.encode, { [0.5] = print })
      print(message:find("[0.5]", 1, true) ~= nil)
      local bad = { [0.5] = coroutine.create(print) }
      _, message = pcall(fast_map.map, function() return bad[0.5].x end, { 1 })
      print(tostring(message):find("[0.5]", 1, true) ~= nil)
    ]])
  end)

  it("does not touch the progress", function()
    assert.matches("%d+%.%d/s", in_german [[
      print((require "fast_map.progress".line({ done = 3, failed = 0, rate = 2.5, elapsed = 1 }, 80)))
    ]])
  end)

  it("leaves a journal's keys alone, also where it orders words otherwise", function()
    local journal = folder .. "/journal"
    local text = ([[
      local weights = { a = 0.5, B = 1.5, ["\u{e4}"] = 2 }
      local computed = 0
      local tasks = { { b = 1, C = 0.25, [0.5] = 2, [1e100] = true }, { x = { a = 1, B = { [2.5] = "z" } } }, 0.1 }
      local function f(t) return weights.a end
      local options = { journal = %q, progress = function(info) computed = math.max(computed, info.processes) end }
      local results = fast_map.map(f, tasks, options)
      print(#results, computed)
    ]]):format(journal)
    local output, code = kit.run(text)
    assert.equal(0, code, output)
    assert.matches("^3\t", output)
    local size = #kit.read(journal)
    assert.equal("true\n3\t0\n", in_german('print("a" < "B") ' .. text))
    assert.equal(size, #kit.read(journal))
  end)

  it("is the script's own for its callbacks, however they come", function()
    assert.equal("0,5\n1,0\n1,5\ndone\n", in_german [[
      local done
      fast_map_async(function(x) return x / 2 end, { 1, 2, 3 }, {
        on_result = function(_, x) print(x) end, on_done = function() print "done" done = true end })
      local plain = require "fast_map.plain"
      while not done do plain(function() for _ = 1, 1000 do end end) end
    ]])
  end)
end)
