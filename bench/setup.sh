#!/bin/sh
# setup.sh - installs what `make bench` compares fast_map with: Debian packages, and piscina from npm.
# Harmless when run again. What cannot be had is named at the end; `make bench` shows it as failed and goes on.
# piscina goes outside the tree: to $FAST_MAP_BENCH_NODE, or ~/.cache/fast_map-bench.
set -u
folder=${FAST_MAP_BENCH_NODE:-${XDG_CACHE_HOME:-$HOME/.cache}/fast_map-bench}
missing=

say() { echo "bench/setup: $*"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

wanted=
for package in python3 python3-joblib parallel gnuplot-nox lua5.4 liblua5.4-dev lua-socket lua-cjson lua-mpack \
  lua-messagepack lua-dkjson; do
  installed "$package" || wanted="$wanted $package"
done
command -v node >/dev/null 2>&1 || wanted="$wanted nodejs"
command -v npm >/dev/null 2>&1 || wanted="$wanted npm"

if [ -n "$wanted" ]; then
  say "installing$wanted"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null || say "apt-get update failed; trying on"
  for package in $wanted; do # one at a time: one that cannot be had must not keep the others away
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$package" >/dev/null ||
      missing="$missing $package"
  done
fi

if [ ! -d "$folder/node_modules/piscina" ]; then
  say "installing piscina into $folder"
  mkdir -p "$folder" && npm install --silent --no-package-lock --no-fund --no-audit --prefix "$folder" piscina@4 >/dev/null ||
    missing="$missing piscina"
fi

if [ -n "$missing" ]; then
  say "not to be had here:$missing"
else
  say "everything is there"
fi
