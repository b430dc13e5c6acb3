-- C1 control characters, such as 9B, which begins an escape sequence like ESC [, reached the terminal in labels of the bar
-- and in messages about options.

local fast_map = require "fast_map"
local printable = require "fast_map.printable"
local progress = require "fast_map.progress"
local show = require "fast_map.show"

local FMLUA = os.getenv "FMLUA" or "./fmlua"

-- Whether a terminal would obey something in there.
local function has_controls(text)
  return printable(text, "") ~= text
end

describe("a control character", function()
  it("is told from parts of other characters", function()
    assert.equal("a?b?c?d", printable("a\27b\127c\0d", "?"))
    assert.equal("ä?€", printable("ä\u{9b}€", "?"))
    assert.equal("à\u{a0}", printable("à\u{a0}", "?")) -- C3 A0, C2 A0
    assert.equal("\u{251b}", printable("\u{251b}", "?")) -- E2 94 9B: its last byte is no control character there
    assert.equal("a?31m\xE4", printable("a\x9B31m\xE4", "?")) -- no UTF-8
  end)

  it("is not in what messages show of values and option names", function()
    for _, text in ipairs { "a\x9B31m", "a\u{9b}31m", "a\27[31m", ("x"):rep(59) .. "\u{9b}", ("ä"):rep(40) } do
      assert.is_false(has_controls(show(text)), show(text))
      local _, message = pcall(fast_map.map, tostring, {}, { [text] = 1 })
      assert.is_false(has_controls(message))
      _, message = pcall(fast_map.map, tostring, {}, { trace = text .. "\0" })
      assert.is_false(has_controls(message))
    end
    assert.equal('"\\194\\15531m"', show "\u{9b}31m")
    assert.equal('"' .. ("ä"):rep(30) .. '"...', show(("ä"):rep(40)))
    assert.equal('"x' .. ("ä"):rep(29) .. '"...', show("x" .. ("ä"):rep(40)))
  end)

  it("is not in the label of the bar", function()
    local told
    local map = { watch = function(_, f) told = f end, pids = function() return {} end }
    local draw, terminal = require "fast_map.core".draw, require "fast_map.core".terminal
    local core, texts = require "fast_map.core", {}
    core.draw = function(text) texts[#texts + 1] = text end
    core.terminal = function() return nil end
    local good, message = pcall(function()
      progress.watch(map, 5, "label\x9B31m")
      progress.watch(map, 5, "label\u{9b}31m")
      core.sleep(1.01)
      told(1, 0, 1, false, false)
    end)
    core.draw, core.terminal = draw, terminal
    assert(good, message)
    assert.matches("label 31m", texts[1])
  end)

  it("is not in what fmlua map says of its words", function()
    for _, word in ipairs { "$'--tim\\x9b31mout'", "$'--tim\\u009b31mout'", "-j $'\\x9b31m'", "line -$'\\x9b'" } do
      local pipe = assert(io.popen(("LC_ALL=C.UTF-8 bash -c %s 2>&1")
        :format(fast_map.quote(("%s map %s"):format(FMLUA, word)))))
      local text = pipe:read "l"
      pipe:close()
      assert.matches("option", text)
      assert.is_false(has_controls(text), text)
    end
  end)
end)
