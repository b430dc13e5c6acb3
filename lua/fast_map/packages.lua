-- packages.lua - where a module that is not found can be had.

local M = {}

-- Lua modules as they are required, and the packages of Debian that have them for Lua 5.4.
local debian = {
  argparse = "lua-argparse", cjson = "lua-cjson", cqueues = "lua-cqueues", dkjson = "lua-dkjson", http = "lua-http",
  inifile = "lua-inifile", lfs = "lua-filesystem", lpeg = "lua-lpeg", ltn12 = "lua-socket",
  lxp = "lua-expat", MessagePack = "lua-messagepack", mime = "lua-socket", openssl = "lua-luaossl", pl = "lua-penlight",
  posix = "lua-posix", re = "lua-lpeg", redis = "lua-redis", rex_pcre2 = "lua-rex-pcre2", socket = "lua-socket",
  ssl = "lua-sec", term = "lua-term", yaml = "lua-yaml", zip = "lua-zip", zlib = "lua-zlib",
}

local whole = {
  ["luasql.mysql"] = "lua-sql-mysql", ["luasql.postgres"] = "lua-sql-postgres", ["luasql.sqlite3"] = "lua-sql-sqlite3",
  ["cjson.safe"] = "lua-cjson", ["ssl.https"] = "lua-sec",
}

--- What to do about a module that is not found; nil when nobody knows.
---@param module string
---@return string?
function M.hint(module)
  local package_name = whole[module] or debian[module:match "^[^.]*"]
  return package_name and ("Debian: apt install %s"):format(package_name) or nil
end

--- The message of `require` about a module that is not found, with what to do about it; others as they are.
---@param message string
---@return string
function M.explain(message)
  local module = message:match "module '([^\n']+)' not found:\n\t"
  local hint = module and M.hint(module)
  return hint and not message:find(hint, 1, true) and message .. "\n\t" .. hint or message
end

return M
