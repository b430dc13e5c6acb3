-- The options trace and report: what a map leaves of itself.

local fast_map = require "fast_map"

local has_json, json = pcall(require, "cjson")

local folder

local function read_all(name)
  local file = assert(io.open(name))
  local text = file:read "a"
  file:close()
  return text
end

local function exists(name)
  local file = io.open(name)
  if file then file:close() end
  return file ~= nil
end

-- The events of a kind, or of a category.
local function events(path, kind, category)
  local list = {}
  for _, event in ipairs(json.decode(read_all(path)).traceEvents) do
    if event.ph == kind and (not category or event.cat == category) then list[#list + 1] = event end
  end
  return list
end

-- Each index once; returns index -> event.
local function by_index(tasks)
  local seen = {}
  for _, event in ipairs(tasks) do
    assert.is_nil(seen[event.args.index])
    seen[event.args.index] = event
  end
  return seen
end

describe("a trace", function()
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)
  after_each(function() os.execute("rm -r " .. folder) end)

  local function trace_of(f, tasks, options)
    local path = folder .. "/map.json"
    options = options or {}
    options.trace = path
    for _ in fast_map(f, tasks, options) do end -- luacheck: ignore 512
    return path
  end

  if not has_json then return end -- lua-cjson is not there

  it("has every task once, within the map and in its thread", function()
    local path = trace_of(function(x) if x % 3 == 0 then fast_map.sleep(0.02) end end, fast_map.range(1, 60))
    local map = events(path, "X", "map")[1]
    local tasks = events(path, "X", "task")
    local seen, ends = by_index(tasks), {}
    for k = 1, 60 do
      local event = seen[k]
      assert.equal("task " .. k, event.name)
      assert.equal("done", event.args.verdict)
      assert.equal(1, event.args.attempt)
      assert.is_true(event.ts >= 0 and event.ts + event.dur <= map.dur + 1)
      assert.is_true(k % 3 ~= 0 or event.dur >= 20000)
    end
    table.sort(tasks, function(a, b) return a.ts < b.ts end)
    for _, event in ipairs(tasks) do -- a thread does one at a time
      local thread = event.pid .. "." .. event.tid
      assert.is_true(event.ts >= (ends[thread] or 0) - 0.002)
      ends[thread] = event.ts + event.dur
    end
  end)

  it("shows waits inside of their tasks", function()
    local path = trace_of(function() fast_map.sleep(0.05) end, { 1, 2, 3 })
    local waits = events(path, "X", "wait")
    assert.equal(3, #waits)
    for _, event in ipairs(waits) do assert.is_true(event.dur >= 45000) end
    for _, event in ipairs(events(path, "X", "task")) do assert.is_true(event.args.waited_us >= 45000) end
  end)

  it("names processes and threads, and shows when they began and ended", function()
    local path = trace_of(function(x) return x end, fast_map.range(1, 10), { procs_limit = 2 })
    local names = {}
    for _, event in ipairs(events(path, "M")) do names[event.args.name or ""] = true end
    assert.is_true(names.script and names["worker 0"] and names["worker 1"] and names["thread 0"])
    assert.equal(4, #events(path, "i"))
  end)

  it("has every task of a map of short ones", function()
    local seen = by_index(events(trace_of(function(x) return x end, fast_map.range(1, 5000)), "X", "task"))
    for k = 1, 5000 do assert.is_table(seen[k]) end
  end)

  it("has each attempt, and what became of it", function()
    local path = trace_of(function(x) if x == 2 then error "no" end end, { 1, 2, 3 }, { retries = 1, on_error = "return" })
    local verdicts = {}
    for _, event in ipairs(events(path, "X", "task")) do
      if event.args.index == 2 then verdicts[event.args.attempt] = event.args.verdict end
    end
    assert.same({ "error", "error" }, verdicts)
  end)

  it("is written when the map is left, fails or is dropped", function()
    for _ in fast_map(function(x) return x end, fast_map.range(1, 1000), { trace = folder .. "/a" }) do break end -- luacheck: ignore 512
    assert.is_true(#events(folder .. "/a", "X", "map") == 1)
    pcall(fast_map.map, function() error "no" end, { 1, 2 }, { trace = folder .. "/b" })
    assert.is_true(#events(folder .. "/b", "X", "task") >= 1)
    do
      local iterator = fast_map(function(x) return x end, { 1, 2 }, { trace = folder .. "/c" })
      iterator()
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(#events(folder .. "/c", "X", "map") == 1)
    local handle = fast_map.fast_map_async(function(x) return x end, { 1, 2 }, { trace = folder .. "/d" })
    handle:join()
    assert.equal(2, #events(folder .. "/d", "X", "task"))
  end)

  it("of a second map goes into a file beside", function()
    local path = trace_of(function(x) return x end, { 1 })
    trace_of(function(x) return x end, { 1, 2 })
    assert.equal(1, #events(path, "X", "task"))
    assert.equal(2, #events(folder .. "/map-2.json", "X", "task"))
  end)

  it("changes no result, whatever its size", function()
    local function f(x) return ("x"):rep(x % 7 == 0 and 300000 or x), nil, x end
    local k = 0
    for i, text, _, x in fast_map(f, fast_map.range(1, 200), { trace = folder .. "/e" }) do
      k = k + 1
      assert.is_true(i == k and x == k and #text == (k % 7 == 0 and 300000 or k))
    end
    assert.equal(200, k)
  end)

  it("that cannot be written is an error at the caller's line, before anything is started", function()
    local ok, message = pcall(fast_map, tostring, { 1 }, { trace = folder .. "/no/such/file" })
    assert.is_false(ok)
    assert.matches("^fast_map: cannot write the trace \".*/no/such/file\" %(.*No such file", message)
  end)

  it("is left by every map of a script under fmlua --trace", function()
    local fmlua = os.getenv "FMLUA"
    if not fmlua then return end
    local script = folder .. "/s.lua"
    local file = assert(io.open(script, "w"))
    file:write "fast_map.map(tostring, { 1, 2 }) fast_map.map(tostring, { 1 })\n"
    file:close()
    assert(os.execute(("%s --trace %s/W.json --report %s/W.html %s"):format(fmlua, folder, folder, script)))
    assert.equal(2, #events(folder .. "/W.json", "X", "task"))
    assert.equal(1, #events(folder .. "/W-2.json", "X", "task"))
    assert.is_true(exists(folder .. "/W.html") and exists(folder .. "/W-2.html"))
  end)
end)

describe("a report", function()
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)
  after_each(function() os.execute("rm -r " .. folder) end)

  local function report_of(f, tasks, options)
    local path = folder .. "/map.html"
    options = options or {}
    options.report = path
    fast_map.map(f, tasks, options)
    return read_all(path), path
  end

  -- Every element that is opened is closed, in turn.
  local function assert_well_formed(html)
    local open = {}
    local void = { meta = true, ["!doctype"] = true }
    html = html:gsub("<style>.-</style>", "")
    for slash, name, rest in html:gmatch "<(/?)([%w!]+)([^>]*)>" do
      if slash == "/" then
        assert.equal(name, table.remove(open))
      elseif not void[name] and rest:sub(-1) ~= "/" then
        open[#open + 1] = name
      end
    end
    assert.equal(0, #open)
  end

  it("is a page by itself, with the verdict, the figures and the pictures", function()
    local html = report_of(function(x) fast_map.sleep(0.2) if x == 3 then error "no" end end, fast_map.range(1, 20),
      { on_error = "return" })
    assert_well_formed(html)
    assert.matches("Held back by waiting", html)
    assert.matches("<b>20</b><span>tasks</span>", html)
    assert.matches("<b>1</b><span>failed</span>", html)
    assert.matches("<title>task 7: ", html)
    assert.matches('class="bad"', html)
    assert.is_nil(html:find "https?://")
    assert.is_nil(html:find "nan" or html:find "inf[^o]")
  end)

  it("of very many tasks has no more than can be looked at", function()
    local html = report_of(function(x) return x end, fast_map.range(1, 50000))
    assert_well_formed(html)
    assert.is_true(#html < 200000)
    assert.matches("50,000 tasks in %d+ threads are too many", html)
  end)

  it("of no task at all is a page, too", function()
    assert_well_formed((report_of(tostring, {})))
  end)

  it("is drawn by a browser without complaint", function()
    if not os.execute "command -v chromium >/dev/null" then return end
    local _, path = report_of(function() fast_map.sleep(0.01) end, fast_map.range(1, 30))
    local flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
      .. "--disable-component-update --disable-sync --enable-logging=stderr --v=0"
    local command = ("timeout -k 5 60 chromium %s --user-data-dir=%s/profile --screenshot=%s/page.png file://%s 2>%s/log")
    local ok = os.execute(command:format(flags, folder, folder, path, folder) .. " >/dev/null")
    if not ok then return end -- a browser that does not start here says nothing of the page
    assert.is_nil(read_all(folder .. "/log"):find "CONSOLE")
    local file = assert(io.open(folder .. "/page.png", "rb"))
    assert.is_true(file:seek "end" > 5000)
    file:close()
  end)
end)

describe("timelines", function()
  it("cost nothing to maps without them", function()
    local iterator, _, _, map = fast_map(function(x) return x end, { 1, 2, 3 })
    for _ in iterator, nil, nil, map do end -- luacheck: ignore 542
    assert.equal(0, select(2, map:records()))
    assert.equal(0, #map:forks())
  end)
end)
