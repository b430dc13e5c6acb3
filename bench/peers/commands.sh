#!/bin/sh
# The benches' tasks as commands, one process each, through GNU parallel or xargs -P; and as lines through `fmlua map`.
# usage: commands.sh parallel|xargs|fmlua WORKLOAD ARGUMENT...
# A task that computes is one run of lua5.4; parallel keeps the order of results (-k), xargs cannot.
# fmlua: the workload noop only, in a process that runs Lua code instead of commands.
set -eu
here=$(dirname "$0")
kind=$1 workload=$2 count=$3
cpus=$(nproc)

now() { date +%s.%N; }

# run JOBS COMMAND: the command's $1 is the task's number; results are added up.
run() {
  case $kind in
    parallel) seq "$count" | parallel --will-cite -k -j "$1" "set -- {}; $2" ;;
    xargs) seq "$count" | xargs -P "$1" -n 1 sh -c "$2" sh ;;
    fmlua) seq "$count" | "$FMLUA" map line ;;
  esac | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

measure() {
  began=$(now)
  checksum=$(run "$@")
  ended=$(now)
  echo "$began $ended" | awk -v checksum="$checksum" '{ printf "seconds=%.6f checksum=%s", $2 - $1, checksum }'
}

case $workload in
  noop) measure "$cpus" 'echo $1' ;;
  wait) measure "$count" "sleep $4; echo \$1" ;;
  compute)
    n=$("$LUA" "$here/plain.lua" calibrate "$4")
    measure "$cpus" "exec $LUA $here/plain.lua task \$1 $n"
    part=$(awk -v count="$count" -v us="$4" 'BEGIN { p = int(250000 / us) + 1; print p < count ? p : count }')
    began=$(now)
    "$LUA" "$here/plain.lua" share "$part" "$n" >/dev/null
    ended=$(now)
    echo "$began $ended" | awk -v n="$n" -v count="$count" -v part="$part" \
      '{ printf " plain=%.6f iterations=%d", ($2 - $1) * count / part, n }'
    ;;
  wait_compute)
    n=$("$LUA" "$here/plain.lua" calibrate "$5")
    measure "$count" "sleep $4; exec $LUA $here/plain.lua task \$1 $n"
    echo " iterations=$n"
    ;;
  startup)
    i=0
    while [ "$i" -lt "$3" ]; do
      count=1
      measure 1 'echo $1'
      echo
      i=$((i + 1))
    done | sort | awk '{ line[NR] = $0 } END { print line[int((NR + 1) / 2)] }'
    ;;
  *)
    echo "no workload '$workload'" >&2
    exit 2
    ;;
esac
echo
