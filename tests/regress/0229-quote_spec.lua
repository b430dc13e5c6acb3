-- Recipes put '%s' around the names of files: a name with a quote ran as shell code.

local fast_map = require "fast_map"

local nasty = { "", " ", "it's", "'; echo no; '", "$(echo no)", "`echo no`", "a\nb", "-n", "*",
  "\\", '"', "~", "ä\xFF", "#x", "!x" }

-- What a command gets as its arguments, each in brackets.
local function arguments(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  pipe:close()
  return text
end

local function bracketed(words)
  return "[" .. table.concat(words, "][") .. "]"
end

describe("quote", function()
  it("makes words that a shell takes literally", function()
    assert.equal(bracketed(nasty), arguments("printf '[%s]' " .. fast_map.quote(table.unpack(nasty))))
    assert.equal("'wc' '-l' 'it'\\''s'", fast_map.quote("wc", "-l", "it's"))
    assert.equal("'1' '0.5'", fast_map.quote(1, 0.5))
    assert.equal("", fast_map.quote())
  end)

  it("is there in tasks", function()
    local function echo(word)
      local pipe = io.popen(fast_map.quote("printf", "[%s]", word))
      local text = pipe:read "a"
      pipe:close()
      return text
    end
    for i, text in fast_map(echo, nasty) do assert.equal("[" .. nasty[i] .. "]", text) end
  end)

  it("refuses what no command can get, at the caller's line", function()
    for _, case in ipairs {
      { "argument 2 must be a string or a number, got nil", "a", nil, "b" }, { "got a table", {} }, { "got true", true },
      { "argument 1 holds a NUL, which no command can get", "a\0b" },
    } do
      local function call() return "" .. fast_map.quote(table.unpack(case, 2, 4)) end
      if case[2] ~= "a" then call = function() return "" .. fast_map.quote(case[2]) end end
      local good, message = pcall(call)
      assert.is_false(good)
      assert.matches("^[^\n]*0229%-quote_spec.lua:%d+: quote: ", message)
      assert.truthy(message:find(case[1], 1, true), message)
    end
  end)
end)
