rockspec_format = "3.0"
package = "fast_map"
version = "scm-1"
source = {
  url = "git+file://.", -- `luarocks make` in a clone
}
description = {
  summary = "A parallel ordered map for Lua",
  detailed = [[
Runs a Lua function over many tasks on every core, in forked processes with as many threads as waiting tasks call for,
and hands out the results in the order of the tasks, as soon as they are there.]],
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.4, < 5.5" }
-- The rock is built in a folder of its own, so that a built clone stays as it is. One that is configured cannot be built
-- elsewhere at the same time: then from a copy of the sources.
build = {
  type = "command",
  build_command = [[set -e
    test -x configure || autoreconf -i
    rm -rf build-rock
    if test -f Makefile; then make -s distdir distdir=build-rock; sources=.; else mkdir build-rock; sources=..; fi
    cd build-rock
    $sources/configure --prefix="$(PREFIX)" --with-luadir="$(LUADIR)" --with-luaexecdir="$(LIBDIR)" \
      CC="$(CC)" LUA="$(LUA)" LUA_CFLAGS="-I$(LUA_INCDIR)" LUA_LIBS="-L$(LUA_DIR)/lib"
    make]],
  install_command = "make -C build-rock install && rm -rf build-rock",
}
