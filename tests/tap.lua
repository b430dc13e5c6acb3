-- tap.lua - an output handler for busted: one TAP line a test, at once, to the file named by TAP_FILE.
-- What tests and their processes print stays apart from it on stdout.

return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()
  local file = assert(io.open(assert(os.getenv "TAP_FILE", "TAP_FILE names no file"), "a"))
  local count = 0

  local function write(...)
    file:write(...)
    file:write "\n"
    file:flush()
  end

  local function comment(text)
    for line in tostring(text):gmatch "[^\n]+" do
      write("# ", line)
    end
  end

  local function report(word, element)
    count = count + 1
    local title = handler.getFullName(element):gsub("[\n#]", " ")
    write(word, " ", count, " - ", title)
  end

  local function explain(list)
    local last = list[#list]
    if not last then
      return
    end
    comment(type(last.message) == "string" and last.message or require("pl.pretty").write(last.message))
    comment(last.trace and last.trace.traceback or "")
  end

  local function test_end(element, _, status)
    if status == "success" then
      report("ok", element)
    elseif status == "pending" then
      local last = handler.pendings[#handler.pendings]
      report("ok", element)
      comment("pending: " .. tostring(last and last.message))
    else
      report("not ok", element)
      explain(status == "failure" and handler.failures or handler.errors)
    end
    return nil, true
  end

  -- Errors outside of a test: a file that does not load, a setup that fails.
  local function other_error(element)
    if element.descriptor ~= "it" then
      report("not ok", element)
      explain(handler.errors)
    end
    return nil, true
  end

  local function suite_end()
    write("1..", count)
    return nil, true
  end

  busted.subscribe({ "test", "end" }, test_end)
  busted.subscribe({ "error" }, other_error)
  busted.subscribe({ "suite", "end" }, suite_end)
  return handler
end
