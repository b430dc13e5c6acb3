---@meta
-- meta.lua - the globals that fmlua defines, for lua-language-server. Nothing loads it.

---@type fast_map
fast_map = {}

fast_map_async = fast_map.fast_map_async
