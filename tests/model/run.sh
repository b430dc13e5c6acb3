#!/bin/sh
# run.sh - checks the models with spin, then checks that they have teeth: without any one of their steps spin must find a lost
# wake-up. Writes TAP. `make model` calls it; SPIN and CC may name the programs.
set -u
cd "$(dirname "$0")" || exit 99
folder=$(pwd)
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

check() { # model flags... -> log
  model=$1
  shift
  case $model in team) ends=-E ;; *) ends= ;; esac # it has a verdict of its own
  "$spin" -a "$@" "$folder/$model.pml" >log 2>&1 &&
    "$cc" -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=2048 -o pan pan.c >>log 2>&1 && ./pan $ends -m1000000 >>log 2>&1
  grep -q '^State-vector' log || echo "spin or the compiler failed" >>log
}

whole() { grep -q 'errors: 0' log && ! grep -q 'Search not completed\|max search depth too small\|out of memory' log; }

holds() { # title model flags...
  title=$1
  shift
  check "$@"
  if whole; then good=yes; else good=no; fi
  report $good "$title"
  grep 'states, stored' log | sed 's/^ */# /'
}

is_found() { # step model flags...
  step=$1
  shift
  check "$@" "-D$step"
  if grep -q 'invalid end state\|assertion violated' log; then good=yes; else good=no; fi
  report $good "$1, $step: a step left out is found"
}

holds "between two processes no order of steps loses a wake-up or stands still" bell
for step in NO_RECHECK NO_FENCE NO_REARM NO_ROOM NO_WANT; do is_found $step bell; done

holds "tasks that wait for each other all get a thread" team
holds "also behind one that does not wait" team -DSHORT -DTASKS=3
holds "each thread comes to its end" team -DEXIT -DTASKS=2
holds "threads that are refused or leave take no task along" team -DALONE -DTASKS=2
holds "nor an end" team -DALONE -DEXIT -DTASKS=2
for step in NO_RECHECK NO_REARM NO_SHARE NO_SIGNAL NO_ASK; do is_found $step team; done
for step in NO_GROWTH NO_SECOND NO_CAPACITY NO_TELL; do is_found $step team -DTASKS=3 -DSHORT; done
is_found NO_OFFER team -DSHORT -DTASKS=3
for step in NO_COUNT NO_FAREWELL; do is_found $step team -DALONE -DTASKS=2; done
is_found NO_LAST team -DEXIT -DTASKS=2
is_found NO_EMPTY team -DALONE -DEXIT -DTASKS=2
echo "1..$count"
exit $failed
