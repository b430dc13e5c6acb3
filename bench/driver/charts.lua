-- Charts of the medians: SVG by gnuplot, without a background and in colours that read on white and on black.
local charts = {}

local grey = "#868e96"
local style = { -- label -> colour, width, dash
  ["fast_map"] = {"#e8590c", 4},
  ["C"] = {grey, 2, 2},
  ["plain Lua loop"] = {grey, 2, 3},
  ["Pool.imap"] = {"#228be6", 1.8},
  ["Pool.imap by hand"] = {"#228be6", 1.8, 4},
  ["ProcessPoolExecutor"] = {"#7950f2", 1.8},
  ["ThreadPoolExecutor"] = {"#37b24d", 1.8},
  ["joblib"] = {"#d6336c", 1.8},
  ["piscina"] = {"#b8860b", 1.8},
  ["piscina by hand"] = {"#b8860b", 1.8, 4},
  ["GNU parallel"] = {"#a0522d", 1.8},
  ["xargs -P"] = {"#1098ad", 1.8},
}

local function style_of(label, index)
  return style[label] or {({"#f08c00", "#2b8a3e", "#ae3ec9"})[index % 3 + 1], 1.8, 5}
end

--- Text for gnuplot: what it takes as markup is masked.
local function text(s)
  return '"' .. s:gsub('[\\"]', "\\%0"):gsub("[_^{}@&~]", "\\\\%0") .. '"'
end

local function head(path, title, y, tall)
  return ([[
set terminal svg size 940,%d enhanced font "Helvetica,Arial,sans-serif,14" linewidth 1
set output "%s"
set title %s textcolor rgb "%s"
set ylabel %s textcolor rgb "%s"
set border 3 lc rgb "%s"
set tics nomirror textcolor rgb "%s"
set key outside right center Left reverse textcolor rgb "%s" samplen 2 spacing 1.2
set grid y lc rgb "%s" lw 0.4 dt 3
]]):format(tall, path, text(title), grey, text(y), grey, grey, grey, grey, grey)
end

local function x_axis(title)
  return ('set xlabel %s textcolor rgb "%s"\nset logscale x\nset format x "10^{%%T}"\n'):format(text(title), grey)
end

--- The label, and from which point on it failed (the table tells why).
local function name_of(bench, show, label)
  for _, point in ipairs(show.points) do
    local cell = bench.figures:cell(show.experiment.name, point, label)
    if cell.failure and not next(cell.values) and not cell.failure:match("^not run") then
      return ("%s (failed at %d)"):format(label, point)
    end
  end
  return label
end

--- One line: its data (for an entry that failed everywhere, only its name for the key), and how it is plotted.
local function line(i, block, label, name)
  local s = style_of(label, i)
  local look = ' with linespoints lc rgb "%s" lw %g dt %d pt 7 ps 0.45 title %s'
  look = look:format(s[1], s[2], s[3] or 1, text(name))
  if #block == 0 then
    return "", "NaN" .. look
  end
  return ("$D%d << EOD\n%s\nEOD\n"):format(i, table.concat(block, "\n")), "$D" .. i .. look
end

--- Lines over the points. What was not run is left out.
local function lines(bench, show, chart, path)
  local plots, data = {}, {}
  local function add(label, name, value)
    local block = {}
    for _, point in ipairs(show.points) do
      local y = value(point)
      block[#block + 1] = y and ("%.9g %.9g"):format(point, y)
    end
    if #block > 0 or name ~= label then
      data[#data + 1], plots[#plots + 1] = line(#plots + 1, block, label, name)
    end
  end
  for _, label in ipairs(show.labels) do
    add(label, name_of(bench, show, label), function(point)
      return (bench.figures:summary(show.experiment.name, point, label))
    end)
  end
  if chart.plain then
    add("plain Lua loop", "plain Lua loop (reckoned)", function(point)
      return bench.figures:median(show.experiment.name, point, "fast_map", function(run)
        return chart.plain(run, point)
      end)
    end)
  end
  if #plots == 0 or #show.points < 2 then
    return nil
  end
  return head(path, chart.title or show.experiment.title, show.experiment.unit, 460)
    .. x_axis(show.experiment.x or chart.x)
    .. ("set xrange [%g:%g]\n"):format(show.points[1] * 0.9, show.points[#show.points] * 1.1)
    .. (chart.linear and "set yrange [0:*]\n" or 'set logscale y\nset format y "%h"\n')
    .. (chart.ticks and "set format x '%h'\nset xtics (" .. chart.ticks .. ")\n" or "")
    .. (chart.extra or "") .. table.concat(data) .. "plot " .. table.concat(plots, ", \\\n  ") .. "\n"
end

--- Bars on a logarithmic axis, one for each entry, the best on top.
local function bars(bench, show, chart, path)
  local rows = {}
  for i, label in ipairs(show.labels) do
    local median = bench.figures:summary(show.experiment.name, show.points[1], label)
    if median then
      rows[#rows + 1] = {label, median, style_of(label, i)[1]}
    end
  end
  if #rows == 0 then
    return nil
  end
  local more = show.experiment.better == "more"
  table.sort(rows, function(a, b)
    if more then
      return a[2] < b[2]
    end
    return a[2] > b[2]
  end)
  local tics, data, least = {}, {}, math.huge
  for i, row in ipairs(rows) do
    least = math.min(least, row[2])
    tics[i] = ("%s %d"):format(text(row[1]), i)
    data[i] = ("%.9g %d %d %s"):format(row[2], i, tonumber(row[3]:sub(2), 16), (bench.figures.short(row[2])))
  end
  local floor = 10 ^ math.floor(math.log(least, 10) - 0.3)
  return head(path, chart.title or show.experiment.title, "", 80 + 30 * #rows)
    .. x_axis(show.experiment.unit) .. "unset key\nunset grid\nset border 1\nset rmargin 9\n"
    .. ("set xrange [%g:*]\nset yrange [0.4:%g]\n"):format(floor, #rows + 0.6)
    .. ("set ytics (%s) scale 0\n"):format(table.concat(tics, ", "))
    .. ("$D << EOD\n%s\nEOD\n"):format(table.concat(data, "\n"))
    .. ("plot $D using (%g):2:(%g):1:($2-0.35):($2+0.35):3 "):format(floor, floor)
    .. "with boxxyerror fs solid 0.9 noborder lc rgb variable, \\\n"
    .. ('  $D using 1:2:4 with labels left offset 0.6,0 textcolor rgb "%s"\n'):format(grey)
end

local sizes = "100, 300, 1000, 3000, 10000"
local more_sizes = "60, 300, 1000, 3000, 10000, 30000"
local all = {
  {"wait_compute", lines, ticks = sizes, plain = function(run, point) return run.plain + 0.5 * point end},
  {"compute", lines, ticks = sizes},
  {"task_size", lines, linear = true, ticks = "1, 3, 10, 30, 100, 300, 1000, 3000, 10000",
    extra = 'set arrow from graph 0, first 1 to graph 1, first 1 nohead lc rgb "' .. grey .. '" lw 1 dt 3\n'},
  {"sleepers", lines, ticks = more_sizes},
  {"sleepers_memory", lines, title = "Most memory while tasks wait 1 s", x = "tasks", ticks = more_sizes},
  {"payload", lines},
  {"noop", bars},
  {"startup", bars},
  {"records", bars},
}

local function plot(script)
  local pipe = io.popen("gnuplot 2>&1", "w")
  pipe:write(script)
  return pipe:close()
end

--- Draws what was measured into the folder; returns how many, or nil and why none.
function charts.draw(bench, folder)
  if not os.execute("command -v gnuplot >/dev/null 2>&1") then
    return nil, "gnuplot is missing (bench/setup.sh installs it)"
  end
  local drawn = 0
  for _, chart in ipairs(all) do
    for _, show in ipairs(bench.shows) do
      if show.experiment.name == chart[1] then
        local script = chart[2](bench, show, chart, folder .. "/" .. chart[1] .. ".svg")
        drawn = drawn + (script and plot(script) and 1 or 0)
      end
    end
  end
  return drawn
end

return charts
