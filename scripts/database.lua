#!/usr/bin/env fmlua
-- database.lua - an SQLite database filled and asked by many threads, each through a connection of its own.
--
--   fmlua scripts/database.lua [FILE]            without a file: one of its own, removed at the end
--
-- A connection cannot travel from the script to a task: it is a userdata of a C library. `init` opens one in each thread,
-- which is `fast_map.state` there, and `exit` closes it. Needs LuaSQL for SQLite 3 (Debian: lua-sql-sqlite3).

local fast_map = require "fast_map"
local sqlite = require "luasql.sqlite3"

local temporary = not arg[1]
local file = arg[1] or os.tmpname()

local function connect()
  local env = assert(sqlite.sqlite3())
  local db = assert(env:connect(file, 10000)) -- other threads write too: wait for them, at most 10 s
  return { env = env, db = db }
end

local function disconnect(connection)
  connection.db:close()
  connection.env:close()
end

local each_its_own = { init = connect, exit = disconnect, threads_limit = 8 }

-- The script itself makes the table, with a connection that is closed before the map begins.
local own = connect()
assert(own.db:execute "CREATE TABLE IF NOT EXISTS city (name TEXT PRIMARY KEY, people INTEGER)")
disconnect(own)

-- Tasks that write. What they insert is a piece of the input, many rows in one statement.
local function insert(first, last)
  local rows = {}
  for i = first, last do rows[#rows + 1] = ("('city %d', %d)"):format(i, i * i % 1009) end
  assert(fast_map.state.db:execute("INSERT OR REPLACE INTO city VALUES " .. table.concat(rows, ", ")))
  return #rows
end

local written = 0
local firsts, lasts = fast_map.range(1, 1901, 100), fast_map.range(100, 2000, 100)
for _, count in fast_map(insert, fast_map.zip(firsts, lasts), each_its_own) do written = written + count end
print(written .. " rows written")

-- Tasks that read: their answers come in the order of the questions.
local function count_above(people)
  local cursor = assert(fast_map.state.db:execute("SELECT count(*) FROM city WHERE people >= " .. people))
  local count = cursor:fetch()
  cursor:close()
  return people, math.tointeger(tonumber(count))
end

for _, people, count in fast_map(count_above, { 0, 250, 500, 750, 1000 }, each_its_own) do
  print(("%5d cities of %4d people or more"):format(count, people))
end

if temporary then os.remove(file) end
