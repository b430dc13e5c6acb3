#!/bin/sh
# specs_lua.sh - the specs under plain Lua with the installed module. Writes TAP.
exec sh "${top_srcdir:-$(dirname "$0")/..}/tests/specs.sh" lua
