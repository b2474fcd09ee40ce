# Sourced by the benchmarks: where the module is, and a temporary directory that goes at the end.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LUA=${LUA:-lua5.4}
version=$("$LUA" -e 'io.write(_VERSION:match("%d%.%d"))')
export LUA_PATH="$root/lua/?.lua;$root/lua/?/init.lua;;"
export LUA_CPATH="${MODULES:-$root/target/lua-release}/$version/?.so;;"
work=$(mktemp -d)
cat >"$work/clean" <<'SH'
# Objects of root are immutable, those of others read-only.
chattr -R -i "$@" 2>/dev/null
chmod -R u+w "$@" 2>/dev/null
rm -rf "$@"
SH
trap 'cd /; sh "$work/clean" "$work"' EXIT
export HOME="$work/home" SYSLUA_ROOT="$work/root"
unset XDG_DATA_HOME
mkdir -p "$HOME"
cd "$work"
