-- Methods of a handle that were called without it, or too late, failed at lines of fast_map's own; pairs(t) given as tasks
-- was told as an unknown option.

local fast_map = require "fast_map"

local function message_of(f)
  local _, message = pcall(f)
  return (message:gsub("^%S*0130[^:]*:%d+: ", "here: "))
end

describe("a method of a handle", function()
  it("says how it is called", function()
    local handle <close> = fast_map.fast_map_async(print, {})
    for _, name in ipairs { "join", "poll", "cancel", "status", "stats", "running", "fd" } do
      local expected = ("here: %s: call it as a method, handle:%s()"):format(name, name)
      assert.equal(expected, message_of(function() handle[name]() end))
    end
  end)

  it("that is called too late says so at the caller's line", function()
    local handle = fast_map.fast_map_async(print, {})
    handle:join()
    assert.equal("here: fd: the map has ended", message_of(function() local _ = handle:fd() end))
  end)
end)

describe("what a generic for takes", function()
  it("is told to go into each, when it is given as it is", function()
    local message = "here: tasks is the bare iterator of %s(t): write fast_map.each(%s(t))"
    assert.equal(message:format("pairs", "pairs"), message_of(function() local _ = fast_map(print, pairs { a = 1 }) end))
    assert.equal(message:format("ipairs", "ipairs"), message_of(function() local _ = fast_map(print, ipairs { 1 }) end))
    assert.equal("here: options must be a table, got a userdata (FILE*): what a generic for takes is given as "
      .. "fast_map.each(...)", message_of(function() local _ = fast_map(print, {}, io.stdout) end))
  end)
end)
