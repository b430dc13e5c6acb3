rockspec_format = "3.0"
package = "fast_map"
version = "scm-1"
source = {
  url = "git+file://.",
}
description = {
  summary = "A parallel ordered map for Lua",
  detailed = [[
Runs a Lua function over many tasks on every core, in forked processes with as many threads as waiting tasks call for,
and hands out the results in the order of the tasks, as soon as they are there.]],
  license = "MIT",
}
supported_platforms = { "unix" }
dependencies = { "lua >= 5.4, < 5.5" }
build = {
  type = "command",
  build_command = [[(test -x configure || autoreconf -i) &&
    ./configure --prefix="$(PREFIX)" --with-luadir="$(LUADIR)" --with-luaexecdir="$(LIBDIR)" LUA_CFLAGS="-I$(LUA_INCDIR)" &&
    make]],
  install_command = "make install",
}
