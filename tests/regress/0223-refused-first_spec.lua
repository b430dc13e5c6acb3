-- A call that was refused, for an option or a journal of another map, had emptied the trace and the report of an earlier
-- run.

local fast_map = require "fast_map"

local FMLUA = os.getenv "FMLUA" or "./fmlua"

local function content(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

describe("a call that is refused", function()
  local folder
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)
  after_each(function() os.execute("rm -r " .. folder) end)

  local function old(name)
    local file = assert(io.open(folder .. "/" .. name, "wb"))
    file:write "of an earlier run"
    file:close()
    return folder .. "/" .. name
  end

  it("leaves trace, report and journal as they are", function()
    local journal = folder .. "/journal"
    fast_map.map(function(x) return x + 1 end, { 1 }, { journal = journal })
    local held = content(journal)
    local trace, report = old "trace", old "report"
    local function another(x) return x + 2 end
    for _, case in ipairs {
      { "another function", journal = journal },
      { "go with fast_map_async", on_result = print },
      { "option 'timeout' must be", timeout = -1 },
      { "journal .* cannot be opened", journal = folder .. "/no/journal" },
      { "cannot write the report", journal = journal, resume = false, report = folder .. "/no/report" },
    } do
      case.trace, case.report = trace, case.report or report
      local expected = table.remove(case, 1)
      local good, message = pcall(fast_map.fast_map, another, { 1 }, case)
      assert.is_false(good)
      assert.matches(expected, message)
    end
    assert.equal("of an earlier run", content(trace))
    assert.equal("of an earlier run", content(report))
    assert.equal(held, content(journal))
  end)

  it("does not count as a map that writes there", function()
    local trace = old "trace"
    pcall(fast_map.fast_map, tostring, { 1 }, { trace = trace, on_result = print })
    fast_map.map(tostring, { 1 }, { trace = trace })
    assert.matches("^{.*traceEvents", content(trace))
    assert.is_nil(io.open(folder .. "/trace-2"))
  end)

  it("leaves the job log of fmlua map as it is", function()
    local log = old "log"
    os.execute(("%s map --joblog %s line <&- 2>/dev/null"):format(FMLUA, log))
    os.execute(("%s map --joblog %s line </ 2>/dev/null"):format(FMLUA, log))
    os.execute(("%s map --joblog %s 'line +' ::: a 2>/dev/null"):format(FMLUA, log))
    os.execute(("%s map --joblog %s line ::: a :::: b 2>/dev/null"):format(FMLUA, log))
    assert.equal("of an earlier run", content(log))
  end)

  it("leaves a longer trace of an earlier run nothing when the next one is written", function()
    local trace = folder .. "/long"
    local file = assert(io.open(trace, "wb"))
    file:write(("x"):rep(100000))
    file:close()
    fast_map.map(tostring, { 1 }, { trace = trace })
    assert.is_nil(content(trace):find("x", 1, true) and content(trace):find("xxx", 1, true))
  end)
end)
