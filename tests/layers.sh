#!/bin/sh
# layers.sh - checks that each file of src/ includes only files below its level, and that those between the two
# Lua ends never reach lua.h. Writes TAP.
set -u
cd "${top_srcdir:-$(dirname "$0")/..}/src" || exit 99

# From the bottom to the top: level, then its files. A file includes headers of lower levels, and of its own level only
# those of its own group: `|` parts groups that never include each other.
levels='
0 status descriptor clock image groups home plain dispositions scheduling shell outlet stack mask cpus memory terminal streams forks embed embedded editor command_line
1 buffer | usher reminder | blocking | suspend | ring | doorbell | addresses | arena | digest | written | wire | pace | tally
2 port message window link run stamp bite queue | crew | sink output | bag | journal journal_head | lines own_file | codec scalar encoder encode encode_table encode_function fault decoder decode decode_name decode_function references
3 transport record | snapshot frozen library place placeholder stand_in writer warning files offset modules module_index standard stub c_function fresh pattern globals mirror names name_index type_meta raw copy copying overlay registered import locator origin origin_thread state phase verdict interrupt running caller
4 transport_fork process seats | fatal
5 pool ledger deal retry loss audit | team member exchange lookout worker | notice
6 heed lock map feed results bells watcher figures core recorder
7 call
8 repl
9 fmlua'

# These may reach lua.h. All others move bytes that they never read.
lua_files='embed lines own_file codec scalar encoder encode encode_table encode_function fault decoder decode decode_name
  decode_function references snapshot frozen library place placeholder stand_in writer warning files offset modules module_index standard stub c_function
  fresh pattern globals mirror names name_index type_meta raw copy copying overlay registered
  import locator origin origin_thread state phase verdict interrupt running caller notice heed lock map feed results bells watcher figures core recorder call repl fmlua'

find . -name '*.[ch]' ! -name embedded.c | sort | xargs awk -v levels="$levels" -v lua_files="$lua_files" '
  function report(good, title, why) {
    printf "%s %d - %s\n", good ? "ok" : "not ok", ++count, title
    if (!good) print "# " why
  }
  function noun(file) { sub(/\.[ch]$/, "", file); return file }
  BEGIN {
    line_count = split(levels, line, "\n")
    for (i = 1; i <= line_count; i++) {
      word_count = split(line[i], word, " ")
      group = 1
      for (j = 2; j <= word_count; j++) {
        if (word[j] == "|") { group++; continue }
        level[word[j]] = word[1]; groups[word[j]] = group
      }
    }
    word_count = split(lua_files, word, " ")
    for (i = 1; i <= word_count; i++) may_lua[word[i]] = 1
  }
  FNR == 1 {
    base = FILENAME; sub(/.*\//, "", base)
    files[++file_count] = base; copies[base]++
  }
  /^ *# *include *</ {
    name = $0; sub(/^[^<]*</, "", name); sub(/>.*/, "", name)
    if (name ~ /^(lua|lauxlib|lualib)\.h$/) lua[base] = 1
  }
  /^ *# *include *"/ {
    name = $0; sub(/^[^"]*"/, "", name); sub(/".*/, "", name)
    if (name != "config.h") includes[base] = includes[base] " " name
    if (base ~ /\.c$/ && !(base in first)) first[base] = name
  }
  base ~ /\.h$/ && /Level [0-9]/ && !(base in stated) {
    name = $0; sub(/.*Level /, "", name); sub(/[^0-9].*/, "", name); stated[base] = name
  }
  function below(upper, lower) {
    if (level[lower] != level[upper]) return level[lower] + 0 < level[upper] + 0
    return groups[lower] == groups[upper]
  }
  function reaches_lua(file,   names, n, i) {
    if (file in lua) return 1
    if (file in seen) return 0
    seen[file] = 1
    n = split(includes[file], names, " ")
    for (i = 1; i <= n; i++) if (reaches_lua(names[i])) { via = names[i]; return 1 }
    return 0
  }
  END {
    for (f = 1; f <= file_count; f++) {
      file = files[f]; me = noun(file)
      report(me in level, file " has a level in tests/layers.sh", "add it to the table there")
      if (!(me in level)) continue
      report(copies[file] == 1, "no other folder has a " file, "includes name no folders")
      bad = ""
      n = split(includes[file], names, " ")
      for (i = 1; i <= n; i++)
        if (!(noun(names[i]) in level) || !below(me, noun(names[i]))) bad = bad " " names[i]
      report(bad == "", file " includes only lower levels", "it includes" bad)
      if (file ~ /\.c$/)
        report(first[file] == "config.h", file " includes config.h first", "it starts with " first[file])
      else
        report(stated[file] == level[me], file " states its level", \
               "it says " (file in stated ? stated[file] : "nothing") ", the table says " level[me])
      if (!(me in may_lua)) {
        split("", seen); via = ""
        report(!reaches_lua(file), file " does not reach lua.h", "through " via)
      }
    }
    printf "1..%d\n", count
  }'
