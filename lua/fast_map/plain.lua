-- plain.lua - text for machines: numbers without a locale's decimal comma, strings in the order of their bytes.
--
-- os.setlocale changes what string.format, tostring, tonumber, `..` and the order of strings make of the same values. What
-- fast_map writes, or reads again, goes through here.

local core = require "fast_map.core"

--- Calls f as if the script had set no locale. It must neither yield nor call what is the script's.
---@type fun(f: function, ...: any): ...
return core.plain
