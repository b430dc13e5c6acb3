std = "lua54"
max_line_length = 125
cache = false
exclude_files = { "build*/**", "stage/**", "bench/node_modules/**" }

files["tests/**/*_spec.lua"] = { std = "+busted" }
files["lua/fmlua.lua"] = { globals = { "fast_map", "fast_map_async" } }
files["lua/fast_map/meta.lua"] = { globals = { "fast_map", "fast_map_async" } }
-- scripts that fmlua runs
files["scripts"] = { read_globals = { "fast_map", "fast_map_async" } }
files["bench"] = { read_globals = { "fast_map", "fast_map_async" } }
files["tests"] = { read_globals = { "fast_map", "fast_map_async" } }
files["tests/*_spec.lua"].max_line_length = 140
files["tests/stress"] = { max_line_length = 140 }
-- what a task finds as a global, it finds by its name alone
files["tests/snapshot_spec.lua"] = { std = "lua54+busted", globals = { "spec_value", "spec_table", "spec_function", "spec_big" }, ignore = { "211/_ENV" }, max_line_length = 140 }
