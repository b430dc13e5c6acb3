#!/bin/sh
# setup.sh - installs what fast_map's build, tests and benches need (Debian, Ubuntu), then builds it in the source folder.
#
# Harmless when run again: what is there is left as it is. Options for ./configure may be given.
set -eu
cd "$(dirname "$0")/.."
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND

say() {
  printf 'setup: %s\n' "$*"
}

can_be_root() {
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif can_be_root; then
    sudo DEBIAN_FRONTEND=noninteractive "$@"
  else
    say "cannot become root (no sudo); run as root: $*"
    return 1
  fi
}

# Without these there is no build or no test.
needed='gcc libc6-dev make autoconf automake pkg-config liblua5.4-dev lua5.4
  lua-busted lua-check lua-socket lua-cjson lua-lpeg lua-filesystem lua-penlight lua-sql-sqlite3 lua-posix
  clang clang-format cppcheck xz-utils procps'
# Without these a part of the developers' targets does not run.
useful='valgrind locales libreadline8 spin lua-messagepack lua-lanes lua-cqueues lua-sec lua-luaossl luarocks build-essential debhelper'

is_installed() {
  dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing() {
  for package; do
    is_installed "$package" || echo "$package"
  done
}

is_known() {
  apt-cache show "$1" >/dev/null 2>&1
}

# The fuzzer's library has the compiler's version in its name, and is part of clang in some releases.
clang_library() {
  version=$(clang -dumpversion 2>/dev/null | cut -d. -f1)
  [ -n "$version" ] && echo "libclang-rt-$version-dev"
}

is_needed() {
  case " $(echo $needed) " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

# install PACKAGE...: what is needed must come; what is useful may fail.
install() {
  must= may=
  for package; do
    if is_needed "$package"; then must="$must $package"; else may="$may $package"; fi
  done
  # shellcheck disable=SC2086
  [ -z "$must" ] || as_root apt-get install -q -y --no-install-recommends $must || return 1
  # shellcheck disable=SC2086
  [ -z "$may" ] || as_root apt-get install -q -y --no-install-recommends $may || say "going on without:$may"
}

install_packages() {
  # shellcheck disable=SC2086
  absent=$(missing $needed $useful)
  if command -v clang >/dev/null; then
    for package in $(clang_library); do
      absent="$absent $(missing "$package")"
    done
  fi
  # What an earlier run could not get is not asked for again.
  wanted=
  for package in $absent; do
    [ -f config.setup ] && grep -qx "$package" config.setup && continue
    wanted="$wanted $package"
  done
  [ -n "$wanted" ] || { say 'all packages are installed'; return 0; }
  say "installing:$wanted"
  if can_be_root; then
    as_root apt-get update -q || say 'apt-get update failed; going on with the lists there are'
  fi
  known=
  for package in $wanted; do
    if is_known "$package"; then
      known="$known $package"
    elif is_needed "$package"; then
      say "this system has no package $package, which is needed"
      return 1
    else
      say "this system has no package $package; going on without"
      echo "$package" >>config.setup
    fi
  done
  # shellcheck disable=SC2086
  install $known
  # clang itself may have come just now
  for package in $(clang_library); do
    [ -n "$(missing "$package")" ] && is_known "$package" && install "$package"
  done
  return 0
}

build() {
  if [ ! -x configure ] || [ -n "$(find configure.ac Makefile.am -newer configure)" ]; then
    say 'autoreconf -i'
    autoreconf -i
  fi
  if [ $# -gt 0 ] || [ ! -f Makefile ]; then
    say "./configure $*"
    ./configure "$@"
  fi
  say make
  make -j"$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)"
}

if command -v apt-get >/dev/null; then
  install_packages
else
  say "no apt-get here; these must be there already (Debian's names): $(echo $needed)"
fi
build "$@"
say 'done: ./fmlua is ready; make check runs the tests'
