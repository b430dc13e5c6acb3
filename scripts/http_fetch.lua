#!/usr/bin/env fmlua
-- http_fetch.lua - many pages of one web server, through a few connections that stay open.
--
--   fmlua scripts/http_fetch.lua [-c CONNECTIONS] http://host[:port] < paths.txt
--
-- A new connection for each page costs more than the page. `init` opens one in each thread, all tasks of the thread use it,
-- `exit` closes it; `threads_limit` is their number. Needs LuaSocket (Debian: lua-socket).

local fast_map = require "fast_map"
local socket = require "socket"

local usage = "usage: http_fetch.lua [-c CONNECTIONS] http://host[:port] < paths"

local function arguments()
  local i, connections = 1, 8
  if arg[1] == "-c" then i, connections = 3, math.tointeger(tonumber(arg[2])) end
  local host, port = (arg[i] or ""):match "^http://([^:/]+):?(%d*)/?$"
  if not host or not connections or connections < 1 or arg[i + 1] then
    io.stderr:write(usage, "\n")
    os.exit(2)
  end
  return host, tonumber(port) or 80, connections
end

local host, port, connections = arguments()

local function connect()
  local client, why = socket.connect(host, port)
  if not client then error(("no connection to %s:%d: %s"):format(host, port, why), 0) end
  client:settimeout(10)
  return { client = client }
end

local function disconnect(connection)
  connection.client:close()
end

local function read_headers(client)
  local headers = {}
  while true do
    local name, value = (client:receive "*l" or ""):match "^([^:]+):%s*(.-)%s*$"
    if not name then return headers end -- the empty line at their end
    headers[name:lower()] = value:lower()
  end
end

local function read_chunks(client)
  local chunks = {}
  while true do
    local size = tonumber((client:receive "*l" or ""):match "^%x+" or "", 16)
    if not size then return nil end
    local chunk = size > 0 and client:receive(size) or ""
    client:receive "*l"
    if size == 0 then return table.concat(chunks) end
    chunks[#chunks + 1] = chunk
  end
end

-- Returns status, body, and whether the server ends the connection; or nil and why.
local function ask(client, path)
  client:send(("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n"):format(path, host))
  local line, why = client:receive "*l"
  if not line then return nil, why end
  local headers = read_headers(client)
  local size = tonumber(headers["content-length"])
  local chunked = headers["transfer-encoding"] == "chunked"
  local body
  if chunked then body = read_chunks(client) else body = client:receive(size or "*a") end
  return tonumber(line:match "^HTTP/%S+ (%d+)"), body or "", headers.connection == "close" or not (size or chunked)
end

-- The task. Several tasks of a thread use its connection, one after the other.
local function fetch(path)
  local connection = fast_map.state
  local status, body, last = ask(connection.client, path)
  if not status and body == "closed" then -- it was idle for too long: once more
    connection.client = connect().client
    status, body, last = ask(connection.client, path)
  end
  if last then connection.client = connect().client end
  return path, status, status and #body or body
end

local bad = 0
local options = { init = connect, exit = disconnect, threads_limit = connections }
for _, path, status, size in fast_map(fetch, io.lines(), options) do
  if not status or status >= 400 then bad = bad + 1 end
  if status then
    print(("%3d  %8d bytes  %s"):format(status, size, path))
  else
    print(("---  %s  %s"):format(size, path))
  end
end
os.exit(bad == 0, true)
