std = "lua54"
max_line_length = 125
cache = false
exclude_files = { "build*/**", "stage/**", "bench/node_modules/**" }

files["tests/**/*_spec.lua"] = { std = "+busted" }
files["lua/fmlua.lua"] = { globals = { "fast_map", "fast_map_async" } }
-- scripts that fmlua runs
files["scripts"] = { read_globals = { "fast_map", "fast_map_async" } }
files["bench"] = { read_globals = { "fast_map", "fast_map_async" } }
files["tests"] = { read_globals = { "fast_map", "fast_map_async" } }
