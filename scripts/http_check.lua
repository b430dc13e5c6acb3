#!/usr/bin/env fmlua
-- http_check.lua - which URLs answer, and how fast: all are asked at the same time, the answers come in their order.
--
--   fmlua scripts/http_check.lua [-t SECONDS] URL...        or, one URL a line:  http_check.lua < urls.txt
--
-- Needs LuaSocket (Debian: lua-socket).

local fast_map = require "fast_map"
local http = require "socket.http"

local usage = "usage: http_check.lua [-t SECONDS] [URL...]"

local function arguments()
  local urls, patience, i = {}, 10, 1
  while arg[i] do
    if arg[i] == "-t" then
      patience = tonumber(arg[i + 1])
      i = i + 1
    elseif arg[i]:sub(1, 1) == "-" then
      patience = nil
    else
      urls[#urls + 1] = arg[i]
    end
    if not patience or patience <= 0 then
      io.stderr:write(usage, "\n")
      os.exit(2)
    end
    i = i + 1
  end
  return urls, patience
end

local urls, patience = arguments()
local tasks = #urls > 0 and urls or io.lines() -- the lines are read as they are needed, not all at once

-- The task: runs in a thread of a worker. The module and `patience` are there as they are here.
local function check(url)
  local start = fast_map.now()
  http.TIMEOUT = patience
  local body, status = http.request(url)
  return url, body and status, body and #body or status, fast_map.now() - start
end

local asked, bad = 0, 0
for _, url, status, size, seconds in fast_map(check, tasks, { threads_limit = 1000 }) do
  asked = asked + 1
  if status then
    if status >= 400 then bad = bad + 1 end
    print(("%3d  %7.0f ms  %8d bytes  %s"):format(status, seconds * 1000, size, url))
  else
    bad = bad + 1
    print(("---  %7.0f ms  %s  %s"):format(seconds * 1000, size, url))
  end
end
io.stderr:write(("%d asked, %d in trouble\n"):format(asked, bad))
os.exit(bad == 0, true)
