#!/bin/sh
# run.sh [rounds] [seed] - the long form: chaos under both hosts, every call for memory, processes, threads and descriptors
# refused once, and the random cases of `make check` with another seed.
# Environment: FMLUA, LUA (with the module in its path, else it is left out), TEST_MODULES.
cd "$(dirname "$0")/../.." || exit 1
rounds=${1:-${STRESS_ROUNDS:-2000}}
seed=${2:-${STRESS_SEED:-$(date +%s)}}
failed=0
TEST_HOST=$FMLUA
export FMLUA TEST_HOST TEST_MODULES
"$FMLUA" tests/stress/chaos.lua "$rounds" "$seed" || failed=1
"$FMLUA" tests/stress/sweep.lua || failed=1
for spec in tests/property_spec.lua tests/stress/rerun_spec.lua tests/stress/standstill_spec.lua; do
  SEED=$seed "$FMLUA" tests/busted.lua -r check "$spec" || failed=1
done
if "${LUA:-lua5.4}" -e 'require "fast_map"' 2>/dev/null; then
  TEST_HOST=${LUA:-lua5.4} "${LUA:-lua5.4}" tests/stress/chaos.lua $((rounds / 4)) $((seed + rounds)) || failed=1
fi
exit $failed
