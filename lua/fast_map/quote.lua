-- quote.lua - words for a shell's command line, whatever they hold.

local plain = require "fast_map.plain"
local show = require "fast_map.show"

-- Between single quotes, nothing but these has a meaning.
local function quoted(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Words as the shell (sh, for os.execute and io.popen) takes them literally, with spaces between them:
---
---     os.execute(fast_map.quote("gzip", "--", file))
---
---@param ... string|number
---@return string
return function(...)
  local words = { ... }
  for i = 1, select("#", ...) do
    local word = words[i]
    if type(word) ~= "string" and type(word) ~= "number" then
      error(("quote: argument %d must be a string or a number, got %s"):format(i, show(word)), 2)
    end
    word = plain(tostring, word) -- no comma in a number
    if word:find("\0", 1, true) then error(("quote: argument %d holds a NUL, which no command can get"):format(i), 2) end
    words[i] = quoted(word)
  end
  return table.concat(words, " ")
end
