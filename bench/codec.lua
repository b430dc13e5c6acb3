-- codec.lua: fast_map.encode and decode beside other Lua serializers, on the same values, in one run.
--
--   lua5.4 bench/codec.lua [rounds [module...]]    CSV on stdout: workload, library, encode_ns, decode_ns, bytes, note
--
-- The libraries take turns within each round, and the medians of all rounds are printed, so that the machine's moods meet
-- all of them alike. Times are nanoseconds per value (per byte where the workload says so; per message for `task`).
-- What a library gives back is compared with what it got; a difference is a note in its row.

local rounds = tonumber(arg and arg[1]) or 9

local function optional(name)
  local ok, module = pcall(require, name)
  return ok and module or nil
end

local libraries = {}

---@param name string
---@param package string the Debian package
---@param module table?
---@param encode function? value -> string
---@param decode function? string -> value
local function library(name, package, module, encode, decode)
  libraries[#libraries + 1] = {
    name = name,
    missing = not module and (package:find " " and package or "not installed: " .. package) or nil,
    encode = encode,
    decode = decode,
  }
end

local fast_map = require "fast_map"
library("fast_map", "", fast_map, fast_map.encode, fast_map.decode)
local cjson = optional "cjson"
if cjson then
  cjson = cjson.new()
  cjson.encode_sparse_array(true)
  cjson.encode_max_depth(100000)
  cjson.decode_max_depth(100000)
end
library("lua-cjson", "lua-cjson", cjson, cjson and cjson.encode, cjson and cjson.decode)
library("mpack", "lua-mpack is built for Lua 5.1 to 5.3 only")
package.path = package.path .. ";/usr/share/lua/5.3/?.lua" -- where Debian puts it; it runs in 5.4 as well
local messagepack = optional "MessagePack"
library("MessagePack", "lua-messagepack", messagepack, messagepack and messagepack.pack,
  messagepack and messagepack.unpack)
local dkjson = optional "dkjson"
library("dkjson", "lua-dkjson", dkjson, dkjson and dkjson.encode, dkjson and dkjson.decode)
for _, name in ipairs({ table.unpack(arg or {}, 2) }) do -- any other module with encode and decode
  local module = optional(name)
  library(name, name, module, module and module.encode, module and module.decode)
end

-- Values

local function integers()
  local t = {}
  for i = 1, 100000 do
    t[i] = i
  end
  return t, 100000
end

local function floats()
  local t = {}
  for i = 1, 100000 do
    t[i] = i / 7
  end
  return t, 100000
end

local function strings()
  local t = {}
  for i = 1, 20000 do
    t[i] = "string number " .. i
  end
  return t, 20000
end

-- 10,000 records, counted as eight values each
local function records()
  local t = {}
  for i = 1, 10000 do
    t[i] = { id = i, name = "user " .. i, score = i / 3, tags = { "red", "green", "blue" } }
  end
  return t, 80000
end

local function record()
  return { id = 17, name = "user 17", score = 0.25, tags = { "red", "green" } }, 1, 5000
end

local function map()
  local t = {}
  for i = 1, 20000 do
    t["key " .. i] = i
  end
  return t, 20000
end

local function megabytes()
  return ("0123456789abcdef"):rep(655360), 10485760
end

local function nested()
  local t = {}
  for _ = 1, 900 do
    t = { t }
  end
  return t, 900, 10
end

local function task()
  return 42, 1, 100000
end

local workloads = {
  { "integers", integers },
  { "floats", floats },
  { "strings", strings },
  { "records", records },
  { "map", map },
  { "record", record },
  { "task", task },
  { "nested", nested },
  { "10 MB string (a byte)", megabytes },
}

-- Measuring

local clock = os.clock

local function time(f, value, count, times)
  local from = clock()
  for _ = 1, times do
    f(value)
  end
  return (clock() - from) * 1e9 / count / times
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b and math.type(a) == math.type(b)
  end
  for k, v in pairs(a) do
    if not same(v, b[k]) then
      return false
    end
  end
  for k in pairs(b) do
    if a[k] == nil then
      return false
    end
  end
  return true
end

local function try(lib, value)
  if lib.missing then
    return nil, lib.missing
  end
  local ok, bytes = pcall(lib.encode, value)
  if not ok or type(bytes) ~= "string" then
    return nil, "encode: " .. tostring(bytes)
  end
  local done, back = pcall(lib.decode, bytes)
  if not done then
    return nil, "decode: " .. tostring(back)
  end
  return bytes, same(value, back) and "" or "differs"
end

local function row(...)
  print((table.concat({ ... }, ","):gsub("\n", " ")))
end

row("workload", "library", "encode_ns", "decode_ns", "bytes", "note")
for _, workload in ipairs(workloads) do
  local value, count, times = workload[2]()
  times = times or 1
  local runs = {}
  for i, lib in ipairs(libraries) do
    local bytes, note = try(lib, value)
    runs[i] = { lib = lib, bytes = bytes, note = note, encode = {}, decode = {} }
  end
  for _ = 1, rounds do
    for _, run in ipairs(runs) do
      if run.bytes then
        collectgarbage()
        run.encode[#run.encode + 1] = time(run.lib.encode, value, count, times)
        collectgarbage()
        run.decode[#run.decode + 1] = time(run.lib.decode, run.bytes, count, times)
      end
    end
  end
  for _, run in ipairs(runs) do
    if run.bytes then
      row(workload[1], run.lib.name, ("%.2f"):format(median(run.encode)), ("%.2f"):format(median(run.decode)),
        #run.bytes, run.note)
    else
      row(workload[1], run.lib.name, "", "", "", run.note)
    end
  end
end
