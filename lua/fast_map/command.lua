-- command.lua - fmlua map: lines of stdin in, results out, in order, on all cores.
--
-- The task makes the text of its result, so that this process only reads, orders and writes. Results are written when no
-- other is ready: at once when they come slowly, many in one write when they do not.

local arguments = require "fast_map.arguments"
local core = require "fast_map.core"
local failure = require "fast_map.failure"
local fast_map = require "fast_map"
local joblog = require "fast_map.joblog"
local packages = require "fast_map.packages"
local progress = require "fast_map.progress"
local source = require "fast_map.source"

local PAUSE = 0.002 -- seconds without a result after which what is there is written
local BATCH = 1 << 16 -- bytes of results after which they are
local NOT_RUN, INTERRUPTED, BROKEN_PIPE, FAILURES_MOST = 255, 130, 141, 101 -- exit codes
local EPIPE = 32

local function complain(...)
  io.stderr:write("fmlua map: ", ...)
  io.stderr:write "\n"
end

local Stop = {} -- an error that ends the run with an exit code and was told already

local function stop(code, ...)
  if ... then complain(...) end
  error(setmetatable({ code = code }, Stop), 0)
end

-- A message about a module that is not found: what to do about it, in place of where it was looked for.
local function shortened(text)
  local head, module = text:match "^(.-module '([^\n']*)' not found):"
  local hint = module and packages.hint(module)
  return head and head .. (hint and " (" .. hint .. ")" or "") or text
end

-- What is done with a line

-- What is not written as it is, for nobody can read it.
local no_text = {
  table = "return strings and numbers, or use --json",
  ["function"] = "call it, such as `string.upper(line)`",
}

-- The text of a result that is not one string or number.
local function join(count, ...)
  local words, any = { ... }, false
  for i = 1, count do
    local value = words[i]
    any = any or value ~= nil
    local advice = no_text[type(value)]
    if advice and not (getmetatable(value) or {}).__tostring then
      error(("the result is a %s: %s"):format(type(value), advice), 0)
    end
    words[i] = value == nil and "" or tostring(value)
  end
  return any and table.concat(words, "\t", 1, count) .. "\n" or nil
end

local function text_of(...)
  local first = ...
  local kind = type(first)
  if (kind == "string" or kind == "number") and select("#", ...) == 1 then return first .. "\n" end
  return join(select("#", ...), ...)
end

local function plain(f)
  return function(line, index, words) return text_of(f(line, index, words)) end
end

local function json(f)
  local found, cjson = pcall(require, "cjson")
  if not found then
    stop(NOT_RUN, "--json needs the Lua module cjson (", packages.hint "cjson", ")")
  end
  return require "fast_map.json"(f, cjson)
end

-- Also tells when it began and how long it took, for the log.
local function timed(f)
  local now = core.now
  return function(line, index, words)
    local began = now()
    local text = f(line, index, words)
    return text, began, now() - began
  end
end

local function shown(line, index)
  return index .. "\t" .. line .. "\n"
end

-- Code may be the command that parallel or xargs would be given. Then it begins with a path or with a name that Lua does not
-- know; alone, such a name would be valid code, whose result is nil.
local COMMAND_HINT = [[the code is Lua, not a command. To run a command for each line:
  fmlua map 'io.popen("COMMAND " .. fast_map.quote(line)):read "l"'
  fmlua map 'assert(os.execute("COMMAND " .. fast_map.quote(line))) return nil']]

local parameters = { line = true, index = true, words = true }

local function is_unknown(word)
  if parameters[word] or not load("local " .. word) then return false end -- the latter: Lua's own words
  local good, value = pcall(load("return " .. word))
  return not good or value == nil
end

local function like_command(code)
  local word = code:match "^%s*([%a_][%w_]*)"
  if not word then return code:find "^%s*[.~]*/" ~= nil end
  return is_unknown(word)
end

-- What is wrong with code that is nothing but a command's name; nil for other code.
local function bare_command(code)
  local name = like_command(code) and code:match "^%s*([%w_]+)%s*$"
  return name and ("there is no variable '%s'; %s"):format(name, COMMAND_HINT)
end

local function compile(code)
  local start = "local line, index, words = ...; "
  local hint = like_command(code) and "\n" .. COMMAND_HINT or ""
  local misuse = bare_command(code)
  if misuse then stop(NOT_RUN, misuse) end
  local f = load(start .. "return " .. code, "=code")
  if f then return f end
  local message
  f, message = load(start .. code, "=code")
  return f or stop(NOT_RUN, message, hint)
end

local function load_script(name)
  local chunk, message = loadfile(name)
  if not chunk then stop(NOT_RUN, message) end
  local f = chunk(table.unpack(arg))
  local meta = getmetatable(f)
  if type(f) == "function" or type(meta) == "table" and meta.__call then return f end
  stop(NOT_RUN, ("%s must return a function, such as `return function(line, index) ... end`; it returned %s")
    :format(name, require "fast_map.show"(f)))
end

local function require_all(modules)
  for _, word in ipairs(modules) do
    local global, module = word:match "^([^=]+)=(.+)$"
    local good, result = pcall(require, module or word)
    if not good then stop(NOT_RUN, shortened(tostring(result))) end
    _G[global or word] = result
  end
end

local function function_of(options)
  require_all(options.modules)
  local f = options.file and load_script(options.file) or compile(options.code)
  if options.dry_run then return shown end
  f = options.json and json(f) or plain(f)
  return options.joblog and timed(f) or f
end

-- The input

-- The lines after `:::`, and how many of them the map gets.
local function given_lines(words, run)
  local k = 0
  return function()
    k = k + 1
    if k <= words.count then return words:at(k) end
  end, nil, function() return words.count - run.skipped end
end

-- Those of the standard input. How many they are, what was read of a regular file allows to guess.
local function read_lines(options, run)
  local lines = core.lines(0, options.null and "\0" or "\n")
  local function total(pulled)
    if options.total then return math.max(pulled, options.total - run.skipped) end
    local read, size = lines:progress()
    if read and read > 0 then return math.max(pulled, math.floor(pulled * (size / read) + 0.5)), true end
  end
  return lines, function() return lines:fd() end, total
end

-- What the lines come from, and a function that tells of how many the map is to get, for progress.
-- run: {halted: no more lines are wanted; skipped: lines that the log has; log; held: what the log needs of lines in hand;
-- code, if no file}
local function input_of(options, run)
  local lines, fd, total = (options.words and given_lines or read_lines)(options.words or options, run)
  local number, held, index = 0, run.held, 0
  local function next_line()
    local line, words = lines()
    if not line or run.halted then return line and nil end
    number = number + 1
    if run.log and run.log:has(line) then
      run.skipped = run.skipped + 1
      return next_line()
    end
    if run.log then
      index = index + 1
      held[index] = { number = number, line = line }
    end
    if words then return line, number, words end
    return line, number -- each value more is sent with each line
  end
  return source.input(next_line, fd), total
end

-- The output

local function check(good, message, code)
  if good then return end
  if code == EPIPE then stop(BROKEN_PIPE) end
  stop(NOT_RUN, "cannot write the results: ", message)
end

-- Results are kept until they are written in one piece: no line that a task prints comes into the midst of one. With a log,
-- that is right before what the log says of them: who is killed in between leaves those that the log has.
local function write(run, text)
  run.texts[#run.texts + 1] = text
  run.size = run.size + #text
end

local function flush(run)
  local text = table.concat(run.texts)
  run.texts, run.size = {}, 0
  check(core.put(text))
  if not run.log then return end
  local good, message = run.log:flush()
  if not good then stop(NOT_RUN, "cannot write the job log: ", message) end
end

-- `line 7 failed: …`, without the traceback. The first time, also what may be the reason.
local function report(run, number, err)
  local brief = failure.new { index = number, kind = err.kind, message = err.message } -- and no traceback
  local text = tostring(brief):gsub("^task ", "line ")
  complain(shortened(text))
  if run.failed == 1 and run.code and text:find("a nil value (global '", 1, true) and like_command(run.code) then
    complain(COMMAND_HINT)
  end
end

local function has_come(halt, run)
  if not halt or halt.when == "never" then return false end
  local done = { fail = run.failed, success = run.done - run.failed, done = run.done }
  return done[halt.what] >= halt.number
end

-- One result. Returns whether to go on.
local function take(run, index, text, err, seconds)
  local held, failed = run.held[index], text == nil and failure.is(err)
  run.done = run.done + 1
  if text then write(run, text) end
  if failed then
    run.failed = run.failed + 1
    report(run, held and held.number or index, err)
  end
  if held then
    run.held[index] = nil
    local much = run.log:note(held.number, held.line, text, not failed and err or nil, seconds, failed)
    if much then flush(run) end
  end
  if run.size > BATCH then flush(run) end
  if not run.halted and run.halt and has_come(run.halt, run) then
    run.halted = true
    return run.halt.when ~= "now"
  end
  return true
end

-- Until the end. A step gives false when no result came within its time.
local function deliver(run, map)
  local waits, pending = { 0, PAUSE, math.huge }, 1
  local function handle(index, ...)
    if index == nil then
      local with_error, err = ...
      if with_error then error(err, 0) end
      return false
    end
    if index == false then
      pending = pending + 1
      if pending == #waits then flush(run) end
      local pulled, delivered = map:figures()
      return not (run.halted and pulled == delivered) -- else a stream would be waited for
    end
    pending = 1
    return take(run, index, ...)
  end
  while handle(map:step(waits[pending])) do end
  flush(run)
end

local function map_options(options)
  return {
    threads_limit = options.jobs, procs_limit = options.procs, ordered = not options.unordered, on_error = "return",
    timeout = options.timeout, retries = options.retries, total = options.words and options.words.count or nil,
  }
end

local function check_log(good, message)
  return good or stop(NOT_RUN, "cannot use the job log: ", message)
end

local function run_all(run, options)
  local f = function_of(options)
  local input, total = input_of(options, run)
  run.log = options.joblog and check_log(joblog.open(options.joblog, options.resume, options.dry_run))
  local _, _, _, closing = fast_map(f, input, map_options(options))
  local map <close> = closing
  if run.log then check_log(run.log:begin()) end
  if options.progress then progress.watch(map, total, true) end
  deliver(run, map)
  return math.min(run.failed, FAILURES_MOST)
end

local function exit_code_of(run, err)
  if getmetatable(err) == Stop then return err.code end
  pcall(flush, run)
  local text = tostring(err)
  if type(err) == "string" and text:find "interrupted!$" then return INTERRUPTED end
  complain((text:gsub("^fast_map/command%.lua:%d+: ", "")))
  return NOT_RUN
end

--- Runs `fmlua map` with these words; ends the process when the exit code is not 0.
---@param ... string
return function(...)
  local options, message, code = arguments.read { ... }
  if not options then
    complain(code and bare_command(code) or message) -- the command's own options came behind it
    os.exit(NOT_RUN, true)
  end
  if options.help then
    io.stdout:write(arguments.help(), "\n")
    return
  end
  rawset(_G, "arg", table.move(options.arguments, 1, #options.arguments, 1, { [0] = options.file or "map" }))
  local run = {
    done = 0, failed = 0, held = {}, texts = {}, size = 0, skipped = 0, halt = options.halt, halted = false,
    code = options.code,
  }
  local good, result = pcall(run_all, run, options)
  local status = good and result or exit_code_of(run, result)
  if status ~= 0 then os.exit(status, true) end
end
