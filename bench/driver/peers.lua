-- The programs that take part, by the names used in tables, charts and CSV files.
local peers = {}

--- label -> the words that start it
function peers.programs(p)
  local here = p.folder .. "/peers/"
  local python = {p.python, here .. "python.py"}
  local function words(list, ...)
    local all = table.move(list, 1, #list, 1, {})
    return table.move({...}, 1, select("#", ...), #all + 1, all)
  end
  return {
    ["fast_map"] = {p.fmlua, here .. "fast_map.lua"},
    ["fast_map limit"] = {p.fmlua, here .. "fast_map.lua", "limit=" .. p.cpus},
    ["together"] = {p.physical, "together", p.lua, here .. "plain.lua"},
    ["plain Lua loop"] = {p.lua, here .. "plain.lua"},
    ["C"] = {p.physical},
    ["Pool.imap"] = words(python, "imap"),
    ["Pool.imap by hand"] = words(python, "grouped"),
    ["ProcessPoolExecutor"] = words(python, "executor"),
    ["ThreadPoolExecutor"] = words(python, "threads"),
    ["joblib"] = words(python, "joblib"),
    ["piscina"] = {"node", here .. "node.js", "single"},
    ["piscina by hand"] = {"node", here .. "node.js", "grouped"},
    ["GNU parallel"] = {"env", "LUA=" .. p.lua, here .. "commands.sh", "parallel"},
    ["fmlua map"] = {"env", "FMLUA=" .. p.fmlua, here .. "commands.sh", "fmlua"},
    ["xargs -P"] = {"env", "LUA=" .. p.lua, here .. "commands.sh", "xargs"},
  }
end

--- Tasks that a peer gets at most where tasks are short: about a second's worth of what it can hand over.
peers.most = {
  ["fast_map"] = 2000000,
  ["plain Lua loop"] = 5000000,
  ["C"] = 20000000,
  ["Pool.imap"] = 30000,
  ["Pool.imap by hand"] = 1000000,
  ["ProcessPoolExecutor"] = 5000,
  ["ThreadPoolExecutor"] = 20000,
  ["joblib"] = 30000,
  ["piscina"] = 20000,
  ["piscina by hand"] = 1000000,
  ["GNU parallel"] = 100,
  ["xargs -P"] = 500,
}

--- Peers that start a process for each task: shorter tasks make no sense there.
peers.commands = {["GNU parallel"] = true, ["xargs -P"] = true}

return peers
