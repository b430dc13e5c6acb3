-- fmlua.lua - what fmlua does when it starts: it defines the globals fast_map and fast_map_async.
-- They load the module when they are first used, so that a script without them starts as fast as under `lua`.
-- Carried inside fmlua only; not a module to require.

local load_embedded, defaults = ...
local module = {} -- becomes the module
local lazy = {} -- its metatable until then

local function load_module()
  if getmetatable(module) ~= lazy then
    return module
  end
  setmetatable(module, nil)
  local ok, loaded = pcall(load_embedded, "fast_map")
  if not ok then
    setmetatable(module, lazy)
    error(loaded, 0)
  end
  for name, value in next, defaults do require("fast_map.options").default(name, value) end
  for key, value in next, loaded do
    module[key] = value
  end
  if rawget(_G, "fast_map_async") == lazy.async then
    rawset(_G, "fast_map_async", module.fast_map_async)
  end
  package.loaded.fast_map = module
  return setmetatable(module, getmetatable(loaded))
end

function lazy.__index(_, key)
  return load_module()[key]
end

function lazy.__newindex(_, key, value)
  load_module()[key] = value
end

function lazy.__pairs()
  return pairs(load_module())
end

-- Tail calls, so that the module blames the script's line for misuse.
function lazy.__call(_, ...)
  return load_module()(...)
end

function lazy.async(...)
  return load_module().fast_map_async(...)
end

package.preload.fmlua = nil
package.preload.fast_map = load_module
fast_map = setmetatable(module, lazy)
fast_map_async = lazy.async
