#!/bin/sh
# specs.sh fmlua|lua - runs every spec below tests/ under one host, each file in a process of its own, and writes TAP.
#
# Environment: FMLUA, the host that was built; for `lua`: LUA, and STAGE, where `make install DESTDIR=$STAGE` went,
# with LUADIR and LUAEXECDIR below it. SPECS: only these files. The specs find the command that runs a script as they
# are run themselves in TEST_HOST, and fmlua in FMLUA; the working directory is the top of the sources.
set -u
host=$1
limit=${SPEC_SECONDS:-300}
cd "${top_srcdir:-$(dirname "$0")/..}" || exit 99
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT
trap 'exit 99' HUP INT TERM

case $host in
fmlua)
  TEST_HOST=$FMLUA
  ;;
lua)
  TEST_HOST=$LUA
  LUA_PATH="$STAGE$LUADIR/?.lua;$STAGE$LUADIR/?/init.lua;;"
  LUA_CPATH="$STAGE$LUAEXECDIR/?.so;;"
  export LUA_PATH LUA_CPATH
  ;;
*)
  echo "usage: specs.sh fmlua|lua" >&2
  exit 99
  ;;
esac
TAP_FILE=$scratch/tap
export FMLUA TEST_HOST TAP_FILE

# One spec file: TAP lines to $TAP_FILE, all that is printed to $scratch/out.
run_spec() {
  : >"$TAP_FILE"
  if command -v timeout >/dev/null; then
    timeout -k 10 "$limit" "$TEST_HOST" tests/busted.lua -r check -o tests/tap.lua "$1"
  else
    "$TEST_HOST" tests/busted.lua -r check -o tests/tap.lua "$1"
  fi >"$scratch/out" 2>&1 </dev/null
}

count=0
for spec in ${SPECS:-$(find tests -name '*_spec.lua' | sort)}; do
  # The host's own tests run fmlua as a child: once is enough.
  [ "$host" = lua ] && case $spec in tests/host_spec.lua | tests/map_command_spec.lua) continue ;; esac
  run_spec "$spec"
  status=$?
  awk -v count=$count -v spec="$spec" -v status=$status -v limit="$limit" '
    /^(not )?ok / {
      word = $1 == "ok" ? "ok" : "not ok"
      if (word != "ok") failed = 1
      sub(/^(not )?ok [0-9]+ - /, ""); print word " " ++count " - " spec ": " $0; next
    }
    /^1\.\./ { ended = 1; next }
    { print }
    END {
      if (status == 124 || status == 137) why = "did not end within " limit " s"
      else if (!ended) why = "ended early (status " status ")"
      else if (status != 0 && !failed) why = "ended with status " status
      if (why != "") print "not ok " ++count " - " spec ": " why
    }' "$TAP_FILE" >"$scratch/lines"
  cat "$scratch/lines"
  count=$((count + $(grep -cE '^(not )?ok ' "$scratch/lines")))
  grep -q '^not ok' "$scratch/lines" && sed 's/^/# | /' "$scratch/out"
done
echo "1..$count"
