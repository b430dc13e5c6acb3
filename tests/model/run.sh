#!/bin/sh
# run.sh - checks bell.pml with spin, then checks that the model has teeth: without any one of its steps spin must find
# a lost wake-up. Writes TAP. `make model` calls it; SPIN and CC may name the programs.
set -u
cd "$(dirname "$0")" || exit 99
model=$(pwd)/bell.pml
spin=${SPIN:-spin}
cc=${CC:-cc}
count=0 failed=0

if ! command -v "$spin" >/dev/null 2>&1; then
  echo "1..0 # SKIP spin is missing (Debian package: spin)"
  exit 0
fi
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 99

report() { # good title
  count=$((count + 1))
  if [ "$1" = yes ]; then
    echo "ok $count - $2"
  else
    failed=1
    echo "not ok $count - $2"
    sed 's/^/# /' log
  fi
}

check() { # flags... -> log
  "$spin" -a "$@" "$model" >log 2>&1 && "$cc" -O2 -w -DSAFETY -DMEMLIM=2048 -o pan pan.c >>log 2>&1 &&
    ./pan -m1000000 >>log 2>&1
  grep -q '^State-vector' log || echo "spin or the compiler failed" >>log
}

whole() { grep -q 'errors: 0' log && ! grep -q 'Search not completed\|max search depth too small\|out of memory' log; }

check
if whole; then good=yes; else good=no; fi
report $good "no order of steps loses a wake-up or stands still"
grep 'states, stored' log | sed 's/^ */# /'

for step in NO_RECHECK NO_FENCE NO_REARM NO_ROOM NO_WANT; do
  check "-D$step"
  if grep -q 'invalid end state' log; then good=yes; else good=no; fi
  report $good "$step: a step left out is found"
done
echo "1..$count"
exit $failed
