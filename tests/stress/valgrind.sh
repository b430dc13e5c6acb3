#!/bin/sh
# valgrind.sh program... - these C tests, and tour.lua under both hosts, under valgrind: no error, nothing lost, in the parent and
# in its forks. Environment: VALGRIND; FMLUA; LUA with the module in its path (else it is left out).
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
failed=0
UNDER_VALGRIND=1
export UNDER_VALGRIND
scratch=$(mktemp) || exit 1
trap 'rm -f "$scratch"' EXIT

# What the tests themselves say is left to `make check`: a few expect times that valgrind does not keep.
checked() {
  ${VALGRIND:-valgrind} -q --leak-check=full --error-exitcode=99 --trace-children=no \
    --errors-for-leak-kinds=definite --show-leak-kinds=definite "$@" >"$scratch" 2>&1 </dev/null
  status=$?
  if [ $status -lt 99 ] && ! grep -q '^==[0-9]*==' "$scratch" && grep -qE '^(1\.\.[0-9]+|right)$' "$scratch"; then
    echo "clean: $*"
  else
    echo "FAILED: $*"
    grep -v '^ok' "$scratch" | head -n 60
    failed=1
  fi
}

for program in "$@"; do checked "$program"; done
checked "$FMLUA" "$top/tests/stress/tour.lua"
if "${LUA:-lua5.4}" -e 'require "fast_map"' 2>/dev/null; then checked "${LUA:-lua5.4}" "$top/tests/stress/tour.lua"; fi
exit $failed
