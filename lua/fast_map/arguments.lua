-- arguments.lua - the command line of fmlua map: the one table of its options, and the help made of it.

local core = require "fast_map.core"
local nearest = require "fast_map.nearest"
local printable = require "fast_map.printable"
local show = require "fast_map.show"
local words_of = require "fast_map.words"

local M = {}

-- What an option's argument may be: its name in the help, what it must be in words, and a function that reads it.
local function whole(text)
  return math.tointeger(tonumber(text))
end

local tries = {
  "N", "an integer, 0 or more",
  function(text)
    local n = whole(text)
    return n and n >= 0 and n or nil
  end,
}

-- As GNU parallel's.
local share = {
  "N", 'a positive integer, +N or -N (of the CPUs), or a percentage such as "50%"',
  function(text)
    if tonumber(text:match "^(%d+%.?%d*)%%$" or "0") > 0 then return text end
    local n = whole(text)
    if n and text:find "^[+-]" then return math.max(1, core.cpus() + n) end
    return n and n > 0 and n or nil
  end,
}

-- Of threads: as parallel's, where 0 is as many as there are lines.
local jobs = {
  "N", "0 (no limit), " .. share[2],
  function(text) return text:find "^0+$" and math.maxinteger or share[3](text) end,
}

local seconds = {
  "SECS", "a positive number of seconds",
  function(text)
    local n = tonumber(text)
    return n and n > 0 and n or nil
  end,
}

local name = { "FILE", "the name of a file", function(text) return text ~= "" and text or nil end }
local module = { "MOD", "the name of a module", name[3] }

-- As GNU parallel's: when,what=number; its old forms 1 and 2.
local halt = {
  "WHEN", "never, or now or soon and a number, such as now,fail=1",
  function(text)
    local when, what, number = text:match "^(%l+),(%l+)=(%d+)$"
    number = whole(number) or 0
    if text == "never" or text == "0" then return { when = "never", what = "fail", number = 0 } end
    if text == "1" or text == "2" then return { when = text == "1" and "soon" or "now", what = "fail", number = 1 } end
    if (when == "now" or when == "soon") and (what == "fail" or what == "success" or what == "done") and number > 0 then
      return { when = when, what = what, number = number }
    end
  end,
}

-- key, short and long form, kind of its argument (none: a flag), help, other long forms
local rows = {
  { "file", "-f", "--file", name, "a script that returns the function, instead of 'code'" },
  { "modules", "-l", nil, module, "require a module first; -l g=MOD into global g" },
  { "jobs", "-j", "--jobs", jobs, "threads, all processes together (default: one a line)" },
  { "procs", "-P", "--procs", share, "processes (default: the CPUs); 50%, +1 or -1: of the\n"
    .. "CPUs, for -j too", "max-procs" },
  { "null", "-0", "--null", nil, "input lines end with NUL" },
  { "json", nil, "--json", nil, "each line is a JSON value, each result too (lua-cjson)" },
  { "unordered", "-u", "--unordered", nil, "results as they come" },
  { "keep_order", "-k", "--keep-order", nil, "results in the order of the lines: so it is without -u" },
  { "progress", nil, "--progress", nil, "show how far it is on stderr; also --eta, --bar", "eta bar" },
  { "total", nil, "--total", tries, "so many lines will come, for --progress", "total-jobs" },
  { "timeout", nil, "--timeout", seconds, "what a line may take" },
  { "retries", nil, "--retries", tries, "further attempts for a line that fails" },
  { "halt", nil, "--halt", halt, "now,fail=1: end at the first failure; soon,fail=1: read\n"
    .. "no more lines then; also success=, done=; default: never" },
  { "joblog", nil, "--joblog", name, "write a line for each line done, as GNU parallel does" },
  { "resume", nil, "--resume", nil, "leave out lines that --joblog's FILE has as done" },
  { "dry_run", nil, "--dry-run", nil, "only show the lines that would be mapped" },
  { "help", "-h", "--help", nil, "show this help" },
}

local by_form = {} -- form -> row
local forms = {}   -- the long ones

for _, row in ipairs(rows) do
  if row[2] then by_form[row[2]] = row end
  local others = row[6] or ""
  for form in ((row[3] and row[3]:sub(3) or "") .. " " .. others):gmatch "%S+" do
    by_form["--" .. form] = row
    forms[#forms + 1] = "--" .. form
  end
end

local function help_lines(row)
  local argument = row[4] and " " .. row[4][1] or ""
  local short, long = row[2], row[3]
  local left = long and ("  %-3s %s"):format(short and short .. "," or "", long .. argument) or "  " .. short .. argument
  return ("%-22s "):format(left) .. row[5]:gsub("\n", "\n" .. (" "):rep(23))
end

--- The help, without its end of line.
---@return string
function M.help()
  local lines = {
    "usage: fmlua map [options] 'code' [arguments] [::: words]...",
    "       fmlua map [options] -f FILE [arguments] [::: words]...",
    "",
    "Runs Lua code for each line of stdin, on all cores; writes what it returns, in",
    "order. `line` is the line, `index` its number, `arg` has the arguments. Several",
    "results are parted by tabs, nil is no result, an expression needs no return.",
    "Options may stand anywhere before -- and :::; words that begin with - and are",
    "no options, code too, go after --. Words after ::: are lines; with several :::,",
    "each combination of them is one; a list after :::+ goes with the one before it.",
    "",
  }
  for _, row in ipairs(rows) do lines[#lines + 1] = help_lines(row) end
  return table.concat(lines, "\n") .. [[


Status: how many lines failed, 101 for more than 100; 255: it could not run.
Examples:
  seq 10 | fmlua map 'line * 2'
  find . -name '*.log' | fmlua map 'local n = 0
    for l in io.lines(line) do n = n + 1 end return line, n'
  fmlua map -j 50 --progress -f fetch.lua < urls]]
end

local function unknown(form)
  local meant = form:find "^%-%-." and nearest(form, forms)
  return ("unknown option '%s'%s"):format(printable(form, "?"), meant and (", did you mean '%s'?"):format(meant)
    or "; --help shows all; what is no option goes after --")
end

-- The option that a word starts with, and what of the word is its argument already.
local function split(word)
  if word:find "^%-%-" then return word:match "^([^=]+)=?", word:match "=(.*)$" end
  local rest = word:sub(3)
  return word:sub(1, 2), rest ~= "" and rest or nil
end

local function store(options, row, value)
  if row[1] ~= "modules" then
    options[row[1]] = value
  else
    table.insert(options.modules, value)
  end
end

-- Reads the option at words[i]. Returns the index of the next word, or nil and what is wrong.
local function read_option(options, words, i)
  local form, text = split(words[i])
  local row = by_form[form]
  if not row then return nil, unknown(form) end
  local kind = row[4]
  if not kind then
    if text then return nil, ("option '%s' takes no argument"):format(form) end
    store(options, row, true)
    return i + 1
  end
  if not text then
    i = i + 1
    text = words[i]
  end
  if not text then return nil, ("option '%s' needs an argument: %s"):format(form, kind[2]) end
  local value = kind[3](text)
  if value == nil then return nil, ("option '%s' must be %s, got %s"):format(form, kind[2], show(text)) end
  store(options, row, value)
  return i + 1
end

-- Options may stand anywhere before `--`, as in all programs of GNU. Returns the words that are none, up to `:::`, and the
-- index of that; or nil, what is wrong, and the first of those words.
local function read_options(options, words)
  local plain, i, ended = {}, 1, false
  while words[i] and not words_of.begins(words[i]) do
    if ended or not words[i]:find "^%-." then
      plain[#plain + 1] = words[i]
      i = i + 1
    elseif words[i] == "--" then
      ended, i = true, i + 1
    else
      local message
      i, message = read_option(options, words, i)
      if not i then return nil, message, plain[1] end
    end
  end
  return plain, i
end

--- Reads the words of the command line.
---@param words string[]
---@return table? options nil when something is wrong
---@return string? message
---@return string? code then: what had been read of it
function M.read(words)
  local options = { modules = {} }
  local plain, rest, first = read_options(options, words)
  if not plain and not options.help then return nil, rest, not options.file and first or nil end
  if options.help then return options end
  if not options.file then options.code = table.remove(plain, 1) end
  options.arguments = plain
  if not options.file and not (options.code or ""):find "%S" then
    return nil, "no code: what shall be done with each line? --help shows how"
  end
  if options.resume and not options.joblog then return nil, "option '--resume' needs --joblog FILE" end
  if not words[rest] then return options end
  local message
  options.words, message = words_of.read(words, rest)
  return options.words and options, message
end

return M
