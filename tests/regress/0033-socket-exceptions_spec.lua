-- LuaSocket's protect catches what try and newtry raise because all three have one table in common, an upvalue. In a
-- thread it split into two when the socket module had a metatable that led to one of them (the error arrived as a table),
-- and in a map inside a task the C module was taken for a table, because the index of modules knew only what the task had
-- asked for.

local fast_map = require "fast_map"

local found, socket = pcall(require, "socket")

local ways = {
  { procs_limit = 1, threads_limit = 1 },
  { procs_limit = 1, threads_limit = 6 },
  { procs_limit = 2, threads_limit = 6 },
}

local function caught(protect, raise)
  return (select(2, protect(raise)()))
end

-- Texts of errors that went through try and newtry, protect and the requests of socket.http.
local function check(core, http, try)
  local out = {
    caught(core.protect, function() core.try(nil, "a") end),
    caught(core.protect, function() core.newtry(function() end)(nil, "b") end),
    caught(core.protect, function() try(nil, "c") end),
    select(2, http.request "http://127.0.0.1:1/"),
    select(2, require("socket.http").request "http://127.0.0.1:1/"),
    caught(require("socket").protect, function() try(nil, "d") end),
    select(2, require("socket.ftp").get "ftp://127.0.0.1:1/x"),
  }
  for i, text in ipairs(out) do out[i] = tostring(text) end
  return table.concat(out, " ")
end

local function forms()
  local http = require "socket.http"
  local try, protect, newtry, request = socket.try, socket.protect, socket.newtry, http.request
  local both = { http, socket, try }
  return {
    captured = function() return check(socket, http, try) end,
    required = function() return check(require "socket", require "socket.http", require("socket").try) end,
    core = function() return check(require "socket.core", require "socket.http", require("socket.core").try) end,
    request_first = function() return select(2, request "http://127.0.0.1:1/") .. check(require "socket", http, try) end,
    try_first = function() return type(select(2, pcall(try, nil, "x"))) .. check(require "socket", http, socket.try) end,
    newtry_first = function() return caught(protect, function() newtry()(nil, "y") end) .. check(socket, http, try) end,
    in_a_table = function() return check(both[2], both[1], both[3]) end,
    mixed = function()
      return check(require "socket", http, try) .. check(socket, require "socket.http", require("socket").try)
    end,
  }
end

local function check_forms()
  for name, form in pairs(forms()) do
    local expected = form()
    for _, way in ipairs(ways) do
      for _, text in fast_map(form, fast_map.range(1, 6), way) do assert.are.equal(expected, text, name) end
    end
    local nested = fast_map.map(function() return fast_map.map(form, { 1, 2 }, { threads_limit = 2 }) end, { 1 })[1]
    assert.are.same({ expected, expected, n = 2 }, nested, name)
  end
end

describe("exceptions of LuaSocket in tasks", function()
  if not found then
    pending "LuaSocket is not installed"
    return
  end

  it("are one, in whatever order its parts are used", check_forms)

  it("are one although the module has a metatable that leads to them", function()
    local http = require "socket.http"
    local safe = socket.protect(function() socket.try(nil, "x") end)
    setmetatable(socket, { __index = { again = socket.try, safe = safe, http.request } })
    local ok, err = pcall(check_forms)
    setmetatable(socket, nil)
    assert.is_true(ok, tostring(err))
  end)
end)
