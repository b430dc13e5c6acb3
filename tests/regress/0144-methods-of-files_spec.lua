-- What a task knows of the methods of files, or of io.output(), comes from Lua's registry. A result could not lead there: it
-- was an error, which said that the script had replaced the object since.

local fast_map = require "fast_map"

describe("a result that leads to the methods of files", function()
  local meta = getmetatable(io.stdout)

  local function in_task(f)
    return fast_map.map(f, { 1 }, { procs_limit = 1 })[1]
  end

  after_each(function()
    meta.__index.shout, meta.class = nil, nil
    io.output(io.stdout)
  end)

  it("is the script's own function", function()
    function meta.__index.shout() return "shout" end
    assert.equal(meta.__index.shout, in_task(function() return getmetatable(io.stdout).__index.shout end))
  end)

  it("has the script's own class", function()
    meta.class = {}
    local object = in_task(function() return setmetatable({ 1 }, getmetatable(io.stdout).class) end)
    assert.equal(meta.class, getmetatable(object))
    assert.equal(1, object[1])
  end)

  it("may be the file that io.output is", function()
    local file <close> = assert(io.tmpfile())
    io.output(file)
    assert.equal(file, in_task(function() return io.output() end))
    io.output(io.stdout)
  end)
end)
