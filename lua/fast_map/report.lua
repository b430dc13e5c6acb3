-- report.lua - a map as one page: what held it back, how busy it was over time, which thread did what. Needs nothing from
-- elsewhere: styles are inside, pictures are SVG.
--
-- Over time: the map's life is cut into columns; in each, the processor-like share of a process is how many of its threads
-- were in tasks, waiting apart. Lanes, one for each thread, are drawn while there are few enough to be looked at.

local stats = require "fast_map.stats"

local M = {}

local PIECE = 10000                      -- records looked at in one go
local WIDTH, LEFT, RIGHT = 1100, 90, 12  -- of the pictures, in SVG's units
local COLUMNS = 500                      -- in time
local HEIGHT = 110                       -- of a process' picture
local LANE, LANES_MOST = 15, 80          -- height of a thread's lane, and how many are drawn
local SLICES_MOST = 15000                -- tasks that are drawn one by one

local style = [[
:root{color-scheme:light dark;--ink:#1d2530;--soft:#5d6875;--paper:#fff;--card:#f5f7f9;--line:#d8dee5;
--work:#2a78b8;--wait:#a9cdea;--bad:#c8433a}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#9aa6b2;--paper:#14181d;--card:#1d232a;--line:#38424d;
--work:#5aa9e6;--wait:#2c4f6c;--bad:#f0736a}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
body{max-width:1160px;margin:2em auto;padding:0 1.2em}
h1{font-size:1.5em;margin:0 0 .2em}h2{font-size:1.1em;margin:1.8em 0 .4em}p{margin:.3em 0;color:var(--soft)}
.verdict{font-size:1.1em;color:var(--ink);background:var(--card);border-left:4px solid var(--work)}
.verdict{padding:.6em .9em;margin:1em 0}
.tiles{display:flex;flex-wrap:wrap;gap:.7em;margin:1em 0}
.tiles div{background:var(--card);padding:.5em .9em;border-radius:6px;min-width:6.5em}
.tiles b{display:block;font-size:1.25em;font-weight:600}.tiles span{color:var(--soft);font-size:.85em}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25em .9em;border-bottom:1px solid var(--line);text-align:right}
th{font-weight:600;color:var(--soft)}th:first-child,td:first-child{text-align:left}
svg{width:100%;height:auto;display:block}text{font:12px system-ui,sans-serif;fill:var(--soft)}
.work{fill:var(--work)}.wait{fill:var(--wait)}.bad{fill:var(--bad)}.axis{stroke:var(--line);stroke-width:1}
.key i{display:inline-block;width:.8em;height:.8em;margin:0 .35em 0 1em;border-radius:2px}
]]

-- Words and numbers

local function seconds(s)
  if s >= 100 then return ("%.0f s"):format(s) end
  if s >= 1 then return ("%.2f s"):format(s) end
  if s >= 1e-3 then return ("%.1f ms"):format(s * 1e3) end
  return ("%.0f us"):format(s * 1e6)
end

local function count(n)
  local text = ("%d"):format(n)
  local head = #text % 3
  return ((text:sub(1, head) .. text:sub(head + 1):gsub("%d%d%d", ",%0")):gsub("^,", ""))
end

-- A coordinate.
local function number(x)
  local tenths = math.floor(x * 10 + 0.5)
  return tenths % 10 == 0 and ("%d"):format(tenths // 10) or ("%d.%d"):format(tenths // 10, tenths % 10)
end

local function escape(text)
  return (text:gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

-- Gathering: one pass over the records.

local function column_of(self, t)
  return math.max(0, math.min(COLUMNS - 1, math.floor(t / self.wall * COLUMNS)))
end

-- Adds the time from..to to the columns that it crosses.
local function spread(self, columns, from, to)
  local width = self.wall / COLUMNS
  for c = column_of(self, from), column_of(self, to) do
    local covered = math.min(to, (c + 1) * width) - math.max(from, c * width)
    if covered > 0 then columns[c] = (columns[c] or 0) + covered / width end
  end
end

local function process_of(self, r)
  local process = self.processes[r.worker]
  if not process then
    process = { working = {}, waiting = {}, worker = r.worker }
    self.processes[r.worker] = process
  end
  return process
end

local function lane_of(self, r)
  local key = r.worker << 20 | r.thread
  local lane = self.lanes[key]
  if not lane then
    lane = { key = key, worker = r.worker, thread = r.thread }
    self.lanes[key] = lane
    self.lane_count = self.lane_count + 1
  end
  return lane
end

local function take(self, r)
  local process, stop = process_of(self, r), r.start + r.seconds
  local wait_at = r.wait_at or stop
  local wait_end = math.min(stop, wait_at + r.waited)
  spread(self, process.waiting, wait_at, wait_end)
  spread(self, process.working, r.start, wait_at)
  spread(self, process.working, wait_end, stop)
  local lane = lane_of(self, r)
  if self.slices < SLICES_MOST and self.lane_count <= LANES_MOST then
    self.slices = self.slices + 1
    lane[#lane + 1] = r
  end
end

local function gather(map, tally)
  local self = { wall = math.max(tally.wall, 1e-6), processes = {}, lanes = {}, lane_count = 0, slices = 0 }
  local first = 1
  repeat
    local list, total, left_out = map:records(first, PIECE)
    for _, record in ipairs(list) do take(self, record) end
    first = first + PIECE
    self.records, self.left_out = total, left_out
  until first > total
  return self
end

-- Pictures

local function x_of(self, t)
  return LEFT + (WIDTH - LEFT - RIGHT) * math.max(0, math.min(1, t / self.wall))
end

-- A round step that gives about six marks.
local function step_of(wall)
  local step = 10 ^ math.floor(math.log(wall / 6, 10))
  for _, factor in ipairs { 1, 2, 5, 10 } do
    if wall / (step * factor) <= 8 then return step * factor end
  end
  return wall
end

local function axis(self, out, y)
  local step, right = step_of(self.wall), WIDTH - RIGHT
  out:write(('<path class="axis" d="M%d %dH%d" fill="none"/>'):format(LEFT, y, right))
  for k = 0, math.floor(self.wall / step + 1e-9) do
    local x = x_of(self, k * step)
    out:write(('<path class="axis" d="M%s %dv4"/><text x="%s" y="%d" text-anchor="middle">%s</text>')
      :format(number(x), y, number(x), y + 17, k == 0 and "0" or seconds(k * step)))
  end
end

local function area(out, class, columns, under, most, bottom)
  local width = (WIDTH - LEFT - RIGHT) / COLUMNS
  local path = {}
  for c = 0, COLUMNS - 1 do
    local low, value = under[c] or 0, columns[c] or 0
    if value > 0 then
      path[#path + 1] = ("M%s %sh%sv%sh-%sz"):format(number(LEFT + c * width), number(bottom - low / most * HEIGHT),
        number(width + 0.3), number(-value / most * HEIGHT), number(width + 0.3))
    end
  end
  out:write(('<path class="%s" d="%s"/>'):format(class, table.concat(path)))
end

local function most_of(process)
  local most = 1
  for c = 0, COLUMNS - 1 do most = math.max(most, (process.working[c] or 0) + (process.waiting[c] or 0)) end
  return most
end

local function write_process(self, out, process)
  local most, bottom = most_of(process), HEIGHT + 8
  out:write(('<svg viewBox="0 0 %d %d" role="img">'):format(WIDTH, bottom + 24))
  area(out, "work", process.working, {}, most, bottom)
  area(out, "wait", process.waiting, process.working, most, bottom)
  out:write(('<text x="0" y="18">process %d</text><text x="%d" y="18" text-anchor="end">%.3g</text>')
    :format(process.worker + 1, LEFT - 6, most))
  axis(self, out, bottom)
  out:write "</svg>\n"
end

local function sorted(set, by)
  local list = {}
  for _, item in pairs(set) do list[#list + 1] = item end
  table.sort(list, function(a, b) return a[by] < b[by] end)
  return list
end

local function write_slice(self, out, r, y)
  local x, right = x_of(self, r.start), x_of(self, r.start + r.seconds)
  out:write(('<g><title>task %d: %s from %s%s</title>'):format(r.index, seconds(r.seconds), seconds(r.start),
    r.verdict == 1 and "" or ", failed"))
  out:write(('<rect class="%s" x="%s" y="%d" width="%s" height="%d"/>'):format(r.verdict == 1 and "work" or "bad",
    number(x), y, number(math.max(0.4, right - x - 0.3)), LANE - 3))
  if r.wait_at and r.waited > 0 then
    local from = x_of(self, r.wait_at)
    local to = math.min(right, x_of(self, r.wait_at + r.waited))
    local width = math.max(0, to - from - 0.3)
    out:write(('<rect class="wait" x="%s" y="%d" width="%s" height="%d"/>'):format(number(from), y + 2, number(width),
      LANE - 7))
  end
  out:write "</g>"
end

local function write_lanes(self, out)
  local lanes = sorted(self.lanes, "key")
  local height = #lanes * LANE + 8
  out:write(('<svg viewBox="0 0 %d %d" role="img">'):format(WIDTH, height + 24))
  for i, lane in ipairs(lanes) do
    local y = (i - 1) * LANE + 4
    out:write(('<text x="0" y="%d">%d: thread %d</text>'):format(y + LANE - 5, lane.worker + 1, lane.thread))
    for _, r in ipairs(lane) do write_slice(self, out, r, y) end
  end
  axis(self, out, height)
  out:write "</svg>\n"
end

-- The page

local function tile(out, value, name)
  out:write(("<div><b>%s</b><span>%s</span></div>"):format(value, name))
end

local function write_head(out, s)
  out:write('<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>fast_map report</title><style>', style,
    "</style></head><body>\n<h1>fast_map report</h1>\n<p>", os.date "%Y-%m-%d %H:%M:%S", "</p>\n")
  out:write(('<div class="verdict">Held back by %s.</div>\n<div class="tiles">'):format(escape(s.verdict)))
  tile(out, count(s.delivered), "tasks")
  tile(out, seconds(s.wall), "wall time")
  tile(out, count(math.floor(s.delivered / math.max(s.wall, 1e-9))), "tasks a second")
  tile(out, ("%.2f"):format(s.busy / math.max(s.wall, 1e-9)), "cores kept busy")
  tile(out, count(s.threads), "threads")
  for _, row in ipairs { { s.failed, "failed" }, { s.retried, "tried again" }, { s.rerun, "run again" },
    { s.deaths, "processes died" } } do
    if row[1] > 0 then tile(out, count(row[1]), row[2]) end
  end
  out:write "</div>\n"
end

local function write_tables(out, s)
  out:write("<h2>Where the time went</h2>\n<table><tr><th>process</th><th>tasks</th><th>threads</th><th>busy</th>",
    "<th>waiting</th></tr>\n")
  for i, p in ipairs(s.processes) do
    out:write(("<tr><td>%d (pid %d)</td><td>%s</td><td>%d</td>"):format(i, p.pid, count(p.tasks), p.threads))
    out:write(("<td>%s</td><td>%s</td></tr>\n"):format(seconds(p.busy), seconds(p.waiting)))
  end
  out:write(("</table>\n<p>The script itself: starting processes %s, input %s, decoding %s, loop %s, idle %s.</p>\n")
    :format(seconds(s.starting), seconds(s.input), seconds(s.decoding), seconds(s.loop), seconds(s.idle)))
  if #s.slowest == 0 then return end
  out:write "<h2>Slowest tasks</h2>\n<table><tr><th>task</th><th>took</th></tr>\n"
  for _, task in ipairs(s.slowest) do
    out:write(("<tr><td>%d</td><td>%s</td></tr>\n"):format(task.index, seconds(task.seconds)))
  end
  out:write "</table>\n"
end

local function write_pictures(self, out)
  out:write('<h2>Threads in tasks, over time</h2>\n<p class="key">Of each process; the number is the most at a time.',
    '<i style="background:var(--work)"></i>computing<i style="background:var(--wait)"></i>waiting</p>\n')
  for _, process in ipairs(sorted(self.processes, "worker")) do write_process(self, out, process) end
  if self.lane_count <= LANES_MOST and self.records <= SLICES_MOST and self.left_out == 0 then
    out:write "<h2>Thread by thread</h2>\n<p>Point at a task to see which it is.</p>\n"
    write_lanes(self, out)
  else
    out:write(("<p>%s tasks in %d threads are too many to draw one by one: trace = \"file.json\" has them all.</p>\n")
      :format(count(self.records), self.lane_count))
  end
  if self.left_out > 0 then
    out:write(("<p>%s further tasks are not in the pictures.</p>\n"):format(count(self.left_out)))
  end
end

--- Writes the report of a map that has ended.
---@param map userdata
---@param file file*
function M.write(map, file)
  local s = stats.of(map)
  write_head(file, s)
  write_pictures(gather(map, s), file)
  write_tables(file, s)
  file:write "</body></html>\n"
end

return M
