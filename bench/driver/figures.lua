-- The collected figures: medians, spread, text tables, CSV.
local figures = {}
figures.__index = figures

function figures.new()
  return setmetatable({rows = {}, cells = {}}, figures)
end

local function cell_of(self, experiment, point, label)
  local key = experiment .. "\0" .. point .. "\0" .. label
  local cell = self.cells[key]
  if not cell then
    cell = {values = {}, runs = {}}
    self.cells[key] = cell
  end
  return cell
end

--- Keeps one run: value is what tables show, run all figures that the program gave.
function figures:add(experiment, point, label, round, value, run)
  local cell = cell_of(self, experiment, point, label)
  cell.values[round] = value
  cell.runs[round] = run
  self.rows[#self.rows + 1] = {experiment, point, label, round, value, run}
end

function figures:fail(experiment, point, label, reason)
  local cell = cell_of(self, experiment, point, label)
  cell.failure = cell.failure or reason
end

function figures:cell(experiment, point, label)
  return cell_of(self, experiment, point, label)
end

local function sorted(by_round)
  local list = {}
  for _, value in pairs(by_round) do
    list[#list + 1] = value
  end
  table.sort(list)
  return list
end

local function middle(list)
  local n = #list
  return n % 2 == 1 and list[n // 2 + 1] or n > 0 and (list[n // 2] + list[n // 2 + 1]) / 2 or nil
end

--- Median, least, greatest and number of the values, or nothing.
function figures:summary(experiment, point, label)
  local list = sorted(cell_of(self, experiment, point, label).values)
  if #list > 0 then
    return middle(list), list[1], list[#list], #list
  end
end

--- Median over the rounds of what f makes of a run's figures.
function figures:median(experiment, point, label, f)
  local values = {}
  for round, run in pairs(cell_of(self, experiment, point, label).runs) do
    values[round] = f(run)
  end
  return middle(sorted(values))
end

--- Median over the rounds of a's value divided by b's in the same round: the machine's drift cancels out.
function figures:ratio(experiment, point, a, b)
  local ratios, others = {}, cell_of(self, experiment, point, b).values
  for round, value in pairs(cell_of(self, experiment, point, a).values) do
    ratios[round] = others[round] and value / others[round]
  end
  return middle(sorted(ratios))
end

--- 1234567 -> "1.23M": three digits.
function figures.short(x)
  local unit = ""
  for _, step in ipairs {{1e9, "G"}, {1e6, "M"}, {1e4, "k", 1e3}} do
    if math.abs(x) >= step[1] then
      x, unit = x / (step[3] or step[1]), step[2]
      break
    end
  end
  local digits = math.abs(x) >= 100 and 0 or math.abs(x) >= 10 and 1 or 2
  if math.abs(x) < 1 and x ~= 0 then
    digits = math.abs(x) < 0.1 and 4 or 3
  end
  return ("%." .. digits .. "f%s"):format(x, unit)
end

--- "1.23 ±4%": median, and half of the distance between the extremes.
local function cell_text(self, experiment, point, label)
  local median, least, greatest, n = self:summary(experiment, point, label)
  if median then
    local spread = n > 1 and (" ±%.0f%%"):format((greatest - least) / 2 / math.abs(median) * 100) or ""
    return figures.short(median) .. spread
  end
  local failure = cell_of(self, experiment, point, label).failure
  return failure and (failure:match("^not ") and "-" or "failed") or "-"
end

local function width(text)
  return utf8.len(text) or #text
end

local function pad(text, n, left)
  local space = (" "):rep(n - width(text))
  return left and text .. space or space .. text
end

--- Each reason of a failure once, with who failed so and at which points.
local function reasons(self, experiment, points, labels)
  local lines, by_reason = {}, {}
  for _, label in ipairs(labels) do
    local at = {}
    for _, point in ipairs(points) do
      local failure = cell_of(self, experiment, point, label).failure
      if failure then
        at[failure] = (at[failure] and at[failure] .. ", " or "") .. ("%d"):format(point)
        if not by_reason[failure] then
          by_reason[failure] = {}
          lines[#lines + 1] = failure
        end
      end
    end
    for failure, where in pairs(at) do
      table.insert(by_reason[failure], #points > 1 and ("%s (%s)"):format(label, where) or label)
    end
  end
  for i, failure in ipairs(lines) do
    lines[i] = ("  %s: %s"):format(failure, table.concat(by_reason[failure], ", "))
  end
  return lines
end

--- Lines of a table: a row for each label, a column for each point.
function figures:table(experiment, points, labels)
  local name = experiment.name
  local lines, widths, rows = {}, {}, {{""}}
  for c, point in ipairs(points) do
    rows[1][c + 1] = #points > 1 and ("%d"):format(point) or experiment.unit
  end
  for _, label in ipairs(labels) do
    local row = {label}
    for c, point in ipairs(points) do
      row[c + 1] = cell_text(self, name, point, label)
    end
    rows[#rows + 1] = row
  end
  for _, row in ipairs(rows) do
    for c, text in ipairs(row) do
      widths[c] = math.max(widths[c] or 0, width(text))
    end
  end
  for _, row in ipairs(rows) do
    local words = {}
    for c, text in ipairs(row) do
      words[c] = pad(text, widths[c], c == 1)
    end
    lines[#lines + 1] = "  " .. table.concat(words, "   ")
  end
  local why = reasons(self, name, points, labels)
  return table.move(why, 1, #why, #lines + 1, lines)
end

local function csv_line(...)
  local words = table.pack(...)
  for i = 1, words.n do
    local word = tostring(words[i] == nil and "" or words[i])
    words[i] = word:find('[",\n]') and '"' .. word:gsub('"', '""') .. '"' or word
  end
  return table.concat(words, ",") .. "\n"
end

--- Every run's every figure.
function figures:write_runs(path)
  local file = assert(io.open(path, "w"))
  file:write(csv_line("experiment", "point", "who", "round", "figure", "number"))
  for _, row in ipairs(self.rows) do
    local experiment, point, label, round, value, run = table.unpack(row)
    file:write(csv_line(experiment, point, label, round, "value", value))
    local keys = {}
    for key in pairs(run) do
      keys[#keys + 1] = key
    end
    table.sort(keys)
    for _, key in ipairs(keys) do
      file:write(csv_line(experiment, point, label, round, key, run[key]))
    end
  end
  file:close()
end

--- Medians, spread and failures; shows is the list of {experiment, points, labels} in order.
function figures:write_summary(path, shows)
  local file = assert(io.open(path, "w"))
  file:write(csv_line("experiment", "unit", "point", "who", "median", "least", "greatest", "rounds", "failure"))
  for _, show in ipairs(shows) do
    for _, point in ipairs(show.points) do
      for _, label in ipairs(show.labels) do
        local median, least, greatest, n = self:summary(show.experiment.name, point, label)
        local failure = not median and (cell_of(self, show.experiment.name, point, label).failure or "not run") or nil
        file:write(csv_line(show.experiment.name, show.experiment.unit, point, label, median, least, greatest, n or 0,
          failure))
      end
    end
  end
  file:close()
end

return figures
