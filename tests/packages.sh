#!/bin/sh
# packages.sh [prefix] [rock] [deb] - makes what users install, from the sources as they are given away, puts it below a
# scratch folder, and runs a script with it from somewhere else. Needs a configured tree, luarocks, and debhelper.
#
# prefix: `make install`; rock: `luarocks make`; deb: `dpkg-buildpackage`. Without a name: all of them.
set -eu
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 99' HUP INT TERM

fail() {
  printf 'packages: %s\n' "$*" >&2
  exit 1
}

# unpack NAME: the distribution in $scratch/NAME.
unpack() {
  make -s distdir distdir="$1" >/dev/null && mv "$1" "$scratch/$1"
}

# works FOLDER HOST...: a map in another folder, with the module that is below FOLDER, and with none but it.
works() {
  below=$1
  shift
  cat >"$scratch/user.lua" <<'LUA'
local fast_map = require "fast_map"
local below = ...
if below ~= "fmlua" then
  for path, name in pairs { [package.path] = "fast_map", [package.cpath] = "fast_map.core" } do
    local file = assert(package.searchpath(name, path))
    assert(file:sub(1, #below) == below, file .. " is not below " .. below)
  end
end
local squares = fast_map.map(function(x) return x * x end, fast_map.range(1, 1000))
assert(squares.n == 1000 and squares[1000] == 1000000)
print(fast_map._VERSION)
LUA
  (cd / && "$@" "$scratch/user.lua" "$below") || fail "$* does not work with what is below $below"
}

# The lines that configure prints for a folder where Lua does not look are what a user would paste.
test_prefix() {
  unpack prefix-source
  cd "$scratch/prefix-source"
  ./configure --prefix="$scratch/prefix" >configure.out && make -s -j2 && make -s install
  grep '^ *export LUA_C\{0,1\}PATH=' configure.out >paths || fail 'configure does not tell where the module will be'
  (. ./paths && works "$scratch/prefix" lua5.4)
  (unset LUA_PATH LUA_CPATH && works fmlua "$scratch/prefix/bin/fmlua")
  make -s uninstall
  left=$(find "$scratch/prefix" ! -type d)
  [ -z "$left" ] || fail "make uninstall leaves $left"
}

# In a tree that is configured already, which stays as it is, and in a bare one.
test_rock() {
  unpack rock-source
  cd "$scratch/rock-source"
  rm configure
  luarocks --lua-version 5.4 make --tree="$scratch/bare" >rock.log 2>&1 || { cat rock.log; fail 'luarocks make'; }
  ./configure --prefix=/nowhere >/dev/null
  luarocks --lua-version 5.4 make --tree="$scratch/rock" >rock.log 2>&1 || { cat rock.log; fail 'luarocks make again'; }
  grep -q '^prefix = /nowhere$' Makefile || fail 'luarocks make has configured the tree anew'
  for tree in bare rock; do
    (eval "$(luarocks --lua-version 5.4 path --tree="$scratch/$tree")" && works "$scratch/$tree" lua5.4)
    (unset LUA_PATH LUA_CPATH && works fmlua "$scratch/$tree/bin/fmlua")
  done
}

test_deb() {
  unpack deb-source
  cd "$scratch/deb-source"
  mine=$(sed -n 's/^AC_INIT(\[fast_map\], \[\(.*\)\])$/\1/p' configure.ac)
  [ "$mine" = "$(dpkg-parsechangelog -S Version)" ] || fail "debian/changelog is not about version $mine"
  DEB_BUILD_OPTIONS="nocheck parallel=2" dpkg-buildpackage -us -uc -b >deb.log 2>&1 || { tail -n 40 deb.log; fail 'dpkg-buildpackage'; }
  for package in lua-fast-map fmlua; do
    dpkg -x "$scratch/$package"_*.deb "$scratch/$package" || fail "no package $package"
  done
  module=$scratch/lua-fast-map/usr
  (LUA_PATH="$module/share/lua/5.4/?.lua;$module/share/lua/5.4/?/init.lua" &&
    LUA_CPATH=$(echo "$module"/lib/*/lua/5.4)/?.so && export LUA_PATH LUA_CPATH && works "$module" lua5.4)
  (unset LUA_PATH LUA_CPATH && works fmlua "$scratch/fmlua/usr/bin/fmlua")
  [ -f "$scratch/fmlua/usr/share/man/man1/fmlua.1.gz" ] || fail 'fmlua has no manual page'
  if command -v lintian >/dev/null; then
    lintian --fail-on error "$scratch"/*.changes || fail lintian
  fi
}

[ -f Makefile ] || fail 'configure the tree first: scripts/setup.sh'
[ $# -gt 0 ] || set -- prefix rock deb
for package; do
  ("test_$package")
  echo "packages: $package works"
done
