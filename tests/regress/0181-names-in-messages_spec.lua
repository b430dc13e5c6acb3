-- Messages and tracebacks of a task called library functions '?': Lua looks for their names in package.loaded, which
-- is filled by name in a thread. Arguments of io.write were counted from two.

local fast_map = require "fast_map"

local function in_task(f) return fast_map.map(f, { 1 }, { procs_limit = 1 })[1] end

local cases = {
  { "a function of a library", function() return pcall(string.rep) end },
  { "one with a stand-in", function() return pcall(setmetatable, 1) end },
  { "pairs", function() return pcall(pairs) end },
  { "next", function() return pcall(next, 1) end },
  { "rawset", function() return pcall(rawset, {}) end },
  { "getmetatable", function() return pcall(getmetatable) end },
  { "debug.setmetatable", function() return pcall(debug.setmetatable, 1, 2) end },
  { "a C closure", function() return pcall(math.random, {}) end },
  { "require", function() return pcall(require) end },
  { "package.searchpath", function() return pcall(package.searchpath, "x") end },
  { "coroutine.resume", function() return pcall(coroutine.resume, 1) end },
  { "coroutine.wrap", function() return pcall(coroutine.wrap, 1) end },
  { "coroutine.close", function() return pcall(coroutine.close, 1) end },
  { "io.popen", function() return pcall(io.popen) end },
  { "its mode", function() return pcall(io.popen, "true", "x") end },
  { "io.open", function() return pcall(io.open, "x", "x") end },
  { "io.write", function() return pcall(io.write, "", {}) end },
  { "io.write by name", function() return pcall(function() io.write("", {}) end) end },
  { "a method of files", function() return pcall(function() io.stdout:write("", {}) end) end },
  { "the same as a function", function() return pcall(io.stdout.write, io.stdout, {}) end },
  { "what is no file", function() return pcall(io.stdout.write, 1) end },
  { "os.execute", function() return pcall(os.execute, {}) end },
  { "os.date", function() return pcall(os.date, "%Ez", {}) end },
  { "print with a bad __tostring", function()
    return pcall(print, setmetatable({}, { __tostring = function() return 1 end }))
  end },
  { "an error in a coroutine", function() return pcall(coroutine.wrap(function() string.rep() end)) end },
  { "a coroutine that has ended", function()
    local f = coroutine.wrap(function() end)
    f()
    return pcall(function() f() end)
  end },
  { "a coroutine that closes with an error", function()
    return pcall(coroutine.wrap(function()
      local _ <close> = setmetatable({}, { __close = function() error "closed" end })
      error "first"
    end))
  end },
  { "a function of a Lua module", function() return pcall(xpcall, require("names of a test").wrong) end },
  { "a traceback", function()
    return nil, (string.gsub("a", "a", function() return debug.traceback("in gsub", 1) end))
  end },
  { "a traceback of a coroutine", function()
    local co = coroutine.create(function() table.sort({ 1, 2 }, function() error "not so" end) end)
    coroutine.resume(co)
    return nil, debug.traceback(co)
  end },
  { "a traceback through the script's own modules and globals", function()
    local function show() return debug.traceback("own", 1) end
    return nil, (require("names of a test").through(rawget(_G, "a_global_of_this_test"), show))
  end },
  { "a traceback after the stack overflew", function()
    local function descend() return (string.gsub("a", "a", descend)) end
    local text = select(2, xpcall(descend, debug.traceback))
    return nil, text:match "^(.-stack traceback:\n[^\n]*\n[^\n]*)"
  end },
}

-- Without the lines below the case itself, and without addresses.
local function message_of(f)
  local _, text = f()
  text = tostring(text):gsub("0x%x+", "0x0")
  return (text:gsub("\n[^\n]*in upvalue 'f'.*", ""):gsub("\n[^\n]*in function <[^>]*>\n[^\n]*message_of.*", "")
    :gsub("\n[^\n]*in local 'f'.*", ""))
end

local module = {}
function module.through(f, ...) return f(...), 1 end
function module.wrong() return string.rep() end

describe("in a task, names in messages are those of the script:", function()
  setup(function()
    package.loaded["names of a test"] = module
    rawset(_G, "a_global_of_this_test", function(f) return f(), 1 end)
  end)
  teardown(function()
    package.loaded["names of a test"] = nil
    rawset(_G, "a_global_of_this_test", nil)
  end)

  for _, case in ipairs(cases) do
    it(case[1], function()
      local expected = message_of(case[2])
      assert.equal(expected, in_task(function() return message_of(case[2]) end))
    end)
  end

  it("also in a task of a task", function()
    assert.same({ "bad argument #1 to 'string.rep' (string expected, got no value)",
      "bad argument #1 to 'names of a test.len' (string expected, got no value)" }, in_task(function()
      require("names of a test").len = string.len -- luacheck: ignore
      local own = string.len
      package.loaded.string = nil -- nor does the inner task find it there
      return in_task(function()
        return { select(2, pcall(string.rep)), select(2, pcall(own)) }
      end)
    end))
  end)
end)

describe("in a task, names in messages follow what the task does:", function()
  local function named(f) return select(2, pcall(f)):match "to '(.-)'" end

  it("to a library", function()
    assert.same({ "string.rep", "string.again", "?" }, in_task(function()
      local rep, seen = string.rep, {}
      seen[1] = named(rep)
      string.rep, string.again = nil, rep -- luacheck: ignore
      seen[2] = named(rep)
      string.again = nil -- luacheck: ignore
      seen[3] = named(rep)
      return seen
    end))
  end)

  it("to globals", function()
    assert.same({ "tonumber", "number_of", "?" }, in_task(function()
      local f, seen = tonumber, {}
      seen[1] = named(f)
      _G.tonumber, _G.number_of = nil, f -- luacheck: ignore
      seen[2] = named(f)
      _G.number_of = nil -- luacheck: ignore
      seen[3] = named(f)
      return seen
    end))
  end)

  it("to package.loaded, where it finds its own and the script's modules", function()
    assert.same({ "utf8.len", "mine.letter", true, true, "?" }, in_task(function()
      local f, seen = utf8.len, {}
      seen[1] = named(f)
      package.loaded.utf8, package.loaded.mine = nil, { letter = f }
      seen[2] = named(f)
      seen[3] = require("mine").letter == f
      seen[4] = debug.getregistry()._LOADED == package.loaded
      package.loaded.mine = nil
      seen[5] = named(f)
      return seen
    end))
  end)

  it("and the registry has no metatable but what the task gives it", function()
    assert.same({ true, "kept", "coroutine", "?" }, in_task(function()
      local registry, seen = debug.getregistry(), {}
      seen[1] = getmetatable(registry) == nil
      setmetatable(registry, { __index = function() return "kept" end })
      seen[2] = registry.any
      seen[3] = require "coroutine" == coroutine and "coroutine"
      seen[4] = named(utf8.len)
      return seen
    end))
  end)
end)
