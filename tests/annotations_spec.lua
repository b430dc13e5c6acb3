-- The LuaCATS annotations in lua/fast_map/: what an editor offers and warns about is what the code does.

local fast_map = require "fast_map"
local options = require "fast_map.options"

local files = {} -- name without ending -> text
local pipe = assert(io.popen "ls lua/fast_map/*.lua")
for path in pipe:lines() do
  local file = assert(io.open(path))
  files[path:match "([%w_]+)%.lua$"] = file:read "a"
  file:close()
end
pipe:close()

local function each_annotation(visit)
  for name, text in pairs(files) do
    for line in text:gmatch "%-%-%-([@|][^\n]*)" do visit(line, name) end
  end
end

-- The lines `---...` right above each function of the file, with its name and parameters.
local function each_function(text, visit)
  local above = {}
  for line in text:gmatch "[^\n]*" do
    local name, parameters = line:match "^function ([%w_]+[.:][%w_]+)%((.-)%)"
    if name then visit(name, parameters, table.concat(above, "\n")) end
    if line:find "^%-%-%-" then above[#above + 1] = line else above = {} end
  end
end

describe("the annotations", function()
  it("name only types that are defined", function()
    local defined = {}
    each_annotation(function(line)
      local name = line:match "^@class %(exact%) (fast_map[%w_.]*)" or line:match "^@class (fast_map[%w_.]*)"
        or line:match "^@alias (fast_map[%w_.]*)"
      if name then defined[name] = true end
    end)
    each_annotation(function(line, file)
      for name in line:gmatch "%f[%w]fast_map%.%u%w+" do
        assert.is_true(defined[name] ~= nil, name .. " in " .. file .. ".lua")
      end
    end)
  end)

  it("have all that the module has", function()
    for name in pairs(fast_map) do
      local field = files.init:find("\n---@field " .. name .. " ", 1, true)
      local method = files.init:find("\nfunction M." .. name .. "(", 1, true)
      assert.is_truthy(field or method, name)
    end
  end)

  it("describe every parameter of what users call", function()
    local called = { handle = "^methods:", init = "^M%.", range = "^M%.new$", source = "^M%.[ez]" }
    local count = 0
    for file, pattern in pairs(called) do
      each_function(files[file], function(name, parameters, above)
        if not name:find(pattern) then return end
        count = count + 1
        assert.matches("^%-%-%- %S", above:match "%-%-%- .*" or above, nil, name)
        for parameter in parameters:gmatch "[%w_.]+" do
          assert.is_truthy(above:find("---@param " .. parameter, 1, true), name .. ": " .. parameter)
        end
      end)
    end
    assert.is_true(count >= 12, count)
  end)

  it("have every option with its default, and no other", function()
    local block = files.options:match "@class %(?e?x?a?c?t?%)? ?fast_map%.Options\n(.-)\n\n"
    local told = {}
    for name, text in block:gmatch "%-%-%-@field ([%w_]+)%? ([^\n]*)" do told[name] = text end
    for _, row in ipairs(options.table) do
      local name, default = row[1], row[3]
      assert.is_string(told[name], name)
      if default ~= nil then
        local shown = type(default) == "string" and '"' .. default .. '"' or tostring(default)
        assert.is_truthy(told[name]:find("(default: " .. shown .. ")", 1, true), name .. ": " .. told[name])
      end
      for _, kind in ipairs(row[2]) do
        local type_text = told[name]:match "^fast_map%.[%w_]+"
        local where = type_text and files.options:match("@alias " .. type_text:gsub("%.", "%%.") .. "\n(.-)\n\n") or told[name]
        if type(kind) == "string" then assert.is_truthy(where:find('"' .. kind .. '"', 1, true), name .. ": " .. kind) end
      end
      told[name] = nil
    end
    assert.is_nil(next(told))
  end)
end)
