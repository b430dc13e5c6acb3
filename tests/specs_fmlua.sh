#!/bin/sh
# specs_fmlua.sh - the specs under fmlua. Writes TAP.
exec sh "${top_srcdir:-$(dirname "$0")/..}/tests/specs.sh" fmlua
