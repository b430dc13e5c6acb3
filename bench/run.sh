#!/bin/sh
# run.sh - runs the benches (bench/README.md) with $FMLUA, or the fmlua in the folder above. Options: see run.lua.
here=$(cd "$(dirname "$0")" && pwd)
exec "${FMLUA:-$here/../fmlua}" "$here/run.lua" "$@"
