-- printable.lua - text of somebody else's making as a terminal may get it: without control characters.
--
-- There are those of ASCII, and 32 more (C1), one of which begins an escape sequence as ESC [ does: as bytes 80 to 9F, or as
-- characters of UTF-8 (C2 80 to C2 9F). In UTF-8 such bytes also are parts of other characters.

---@param text string
---@param with string|fun(control: string): string what replaces each of them
---@return string
return function(text, with)
  if not utf8.len(text) then return (text:gsub("[\0-\31\127-\159]", with)) end
  return (text:gsub("[\0-\31\127]", with):gsub("\xC2[\x80-\x9F]", with))
end
