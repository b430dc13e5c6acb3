-- progress.lua - how far a map is, shown on stderr while it runs, or told to a function of the script's.
--
-- On a terminal the bar has the last row for itself: the rows above it become the region that scrolls, so whatever the
-- script, its tasks and their commands write, in whole lines or not, never meets the bar. Each frame is one write that sets
-- the region again and puts the cursor back where it was. Elsewhere: a line now and then.

local core = require "fast_map.core"
local plain = require "fast_map.plain"
local printable = require "fast_map.printable"

local open, getenv = io.open, os.getenv -- as they are now: a script may replace them

local M = {}

local FIRST_LINE, NEXT_LINE = 1, 5 -- seconds until the first line where there is no terminal, and between two
local PATIENCE = 1                 -- seconds without a frame of its map after which another's takes the bar over
local RATE_SECONDS = 5             -- how far back the rate looks
local CPU_SECONDS = 1              -- between two looks at the workers' processor time
local TICKS = 100                  -- of which proc/PID/stat counts a second, on every Linux
local TIMES = "^.*%) %S" .. (" %S+"):rep(10) .. " (%d+) (%d+) (%d+) (%d+)" -- fields 14 to 17 of that file
local BAR_MOST, BAR_LEAST = 40, 8

---@class fast_map.Progress what a function given as `progress` gets, ten times a second and once at the end
---@field done integer tasks delivered, failed ones too
---@field failed integer of those
---@field pulled integer tasks taken from the input
---@field total? integer nil while nobody knows it
---@field estimated? boolean the total is a guess: fmlua map in a file
---@field elapsed number seconds since the map began
---@field rate number tasks a second, of late
---@field eta? number seconds until the last task is done, if it goes on like this
---@field cpu? number processor cores that the workers keep busy; nil until it is measured
---@field processes integer alive
---@field finished boolean the map has ended: this is the last call
---@field label? string

-- Figures

-- The processor time of a worker and of the commands it has run so far, in ticks.
local function ticks_of(pid)
  local file = open(("/proc/%d/stat"):format(pid))
  if not file then return nil end
  local text = file:read "a" or ""
  file:close()
  local user, system, user_of_children, system_of_children = text:match(TIMES)
  return user and user + system + user_of_children + system_of_children
end

local function measure_cpu(self, now)
  local seconds = now - self.cpu_at
  if seconds < CPU_SECONDS then return end
  local ticks, used = {}, 0
  for _, pid in ipairs(self.map:pids()) do
    ticks[pid] = ticks_of(pid)
    if ticks[pid] then used = used + math.max(0, ticks[pid] - (self.ticks[pid] or 0)) end
  end
  if next(ticks) then self.cpu = used / TICKS / seconds end
  self.ticks, self.cpu_at = ticks, now
end

-- An average in which what is long past counts little.
local function measure_rate(self, done, now)
  local elapsed = now - self.began
  local seconds = now - self.rated_at
  if seconds < 0.05 then return end
  local weight = math.max(1 - math.exp(-seconds / RATE_SECONDS), seconds / elapsed)
  self.rate = self.rate + ((done - self.rated) / seconds - self.rate) * weight
  self.rated, self.rated_at = done, now
end

local function measure(self, done, failed, pulled, exhausted, finished)
  local now = core.now()
  local total, estimated = self.total, nil
  if exhausted then
    total = pulled
  elseif type(total) == "function" then
    total, estimated = total(pulled)
  end
  measure_rate(self, done, now)
  measure_cpu(self, now)
  if finished then self.rate = done / math.max(now - self.began, 1e-9) end
  return {
    done = done, failed = failed, pulled = pulled, total = total, estimated = estimated,
    elapsed = now - self.began, rate = self.rate,
    eta = total and self.rate > 0 and math.max(0, total - done) / self.rate or nil,
    cpu = self.cpu, processes = #self.map:pids(), finished = finished, label = self.label,
  }
end

-- Words

local function grouped(n)
  local text = ("%d"):format(n)
  local head = #text % 3
  return (text:sub(1, head) .. text:sub(head + 1):gsub("%d%d%d", ",%0")):gsub("^,", "")
end

local function clock(seconds)
  local s = math.floor(seconds + 0.5)
  if s < 3600 then return ("%d:%02d"):format(s // 60, s % 60) end
  if s < 360000 then return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60) end
  return s < 1e9 and ("%d days"):format(s // 86400) or "years"
end

local function speed(rate)
  if rate >= 1e6 then return ("%.1fM/s"):format(rate / 1e6) end
  if rate >= 1e4 then return ("%.0fk/s"):format(rate / 1e3) end
  if rate >= 100 then return ("%.0f/s"):format(rate) end
  if rate >= 1 then return ("%.1f/s"):format(rate) end
  return ("%.1f/min"):format(rate * 60)
end

local function share(info)
  return info.total and info.total > 0 and math.min(1, info.done / info.total) or nil
end

-- The parts of the line, in their order; `rank`: the highest goes first when there is no room.
local function parts_of(info)
  local part, parts = share(info), {}
  local function add(rank, text, color) parts[#parts + 1] = { rank = rank, text = text, color = color } end
  if info.label then add(6, info.label) end
  if part then add(4, ("%3d%%"):format(math.floor(part * 100))) end
  local total = info.total and (info.estimated and "/~" or "/") .. grouped(info.total)
  add(0, grouped(info.done) .. (total or " done"))
  if info.failed > 0 then add(1, grouped(info.failed) .. " failed", "31") end
  if info.done > 0 then add(3, speed(info.rate)) end
  add(7, clock(info.elapsed))
  if info.eta and not info.finished then add(2, "ETA " .. clock(info.eta)) end
  if info.cpu then add(8, ("CPU %.0f%%"):format(info.cpu * 100)) end
  return parts
end

local function width_of(parts)
  local width = -2
  for _, part in ipairs(parts) do width = width + 2 + (utf8.len(part.text) or #part.text) end
  return width
end

local function drop_least(parts)
  local least = 1
  for i, part in ipairs(parts) do
    if part.rank > parts[least].rank then least = i end
  end
  table.remove(parts, least)
end

-- The line in at most `columns`, with a bar where there is room and an end to count to. `paint(text, color)`.
local function line_of(info, columns, paint)
  local parts = parts_of(info)
  while #parts > 1 and width_of(parts) > columns do drop_least(parts) end
  if width_of(parts) > columns then return parts[1].text:sub(1, columns) end
  local part, room = share(info), math.min(BAR_MOST, columns - width_of(parts) - 4)
  if part and room >= BAR_LEAST then
    local filled = math.floor(part * room)
    local text = ("="):rep(filled) .. (filled < room and ">" or "") .. (" "):rep(room - filled - 1)
    table.insert(parts, info.label and parts[1].text == info.label and 2 or 1, { text = "[" .. text .. "]", color = "32" })
  end
  local words = {}
  for i, p in ipairs(parts) do words[i] = p.color and paint(p.text, p.color) or p.text end
  return table.concat(words, "  ")
end

local function colorless(text)
  return text
end

local function colored(text, color)
  return ("\27[%sm%s\27[0m"):format(color, text)
end

--- The line as it is shown, in at most so many columns.
---@param info fast_map.Progress
---@param columns integer
---@param color? boolean
---@return string
function M.line(info, columns, color)
  return plain(line_of, info, columns, color and colored or colorless)
end

-- The terminal. One bar for all maps.

local bar = { holder = nil, drawn_at = -math.huge, columns = nil, rows = nil }

-- What leaves the terminal as it was.
local function farewell(rows)
  return ("\0277\27[r\27[%d;1H\27[2K\0278"):format(rows)
end

-- A free last row: the region first ends, and when the cursor stands there the text above moves up.
local function make_room(columns, rows)
  local resized = bar.rows ~= nil
  core.draw((resized and "\0277\27[r\0278" or "") .. "\27D\27[A" .. (resized and "\27[J" or ""), farewell(rows))
  bar.columns, bar.rows = columns, rows
end

local function draw(self, info, columns, rows)
  local now = core.now()
  if bar.holder ~= self and now - bar.drawn_at < PATIENCE then return end
  if core.left() then bar.columns, bar.rows = nil, nil end
  if columns ~= bar.columns or rows ~= bar.rows then make_room(columns, rows) end
  bar.holder, bar.drawn_at = self, now
  core.draw(("\0277\27[1;%dr\27[%d;1H%s\27[K\0278"):format(rows - 1, rows, M.line(info, columns - 1, self.color)))
end

local function erase(self)
  if bar.holder ~= self then return end
  if bar.rows then core.draw(core.left() and "" or farewell(bar.rows), nil) end
  bar.holder, bar.drawn_at, bar.columns, bar.rows = nil, -math.huge, nil, nil
end

local function show_line(self, info)
  local due = self.lines > 0 and (info.finished or info.elapsed >= self.line_at)
  if self.lines == 0 then due = info.elapsed >= FIRST_LINE end
  if not due then return end
  self.lines, self.line_at = self.lines + 1, info.elapsed + NEXT_LINE
  core.draw(line_of(info, math.huge, colorless) .. "\n")
end

local function show(self, info)
  local columns, rows = core.terminal()
  if columns == nil or self.dumb then
    show_line(self, info)
  elseif info.finished then
    erase(self)
  elseif columns and columns >= 20 and rows >= 3 then
    draw(self, info, columns, rows)
  end
end

local function label_of(what)
  local text = type(what) == "string" and printable(what, " ") or ""
  return text ~= "" and text or nil
end

--- Shows how far the map is until it ends. In a task of another map only a function is told.
---@param map userdata
---@param total? integer|fun(pulled: integer): integer?, boolean? the tasks in all; or tells them, and if it guesses
---@param what true|string|fun(info: fast_map.Progress)
function M.watch(map, total, what)
  local to_terminal = what == true or type(what) == "string"
  if to_terminal and core.depth() > 0 then return end
  local term, no_color, now = getenv "TERM" or "", getenv "NO_COLOR" or "", core.now()
  local self = {
    map = map, total = total, label = label_of(what), began = now, rate = 0, rated = 0, rated_at = now,
    cpu_at = now, ticks = {}, lines = 0, dumb = term == "" or term == "dumb", color = no_color == "",
  }
  map:watch(function(...)
    local info = measure(self, ...)
    if to_terminal then plain(show, self, info) else what(info) end
  end)
end

return M
