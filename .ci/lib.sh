# shellcheck shell=bash
# What the scripts beside this file share: where the tree is, which Luas are installed, where cargo and the
# lint tools are, and how a step is run, timed and remembered. It is sourced, and by itself does nothing.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
test_user=syslua-test

# The oldest Rust that will do.
rust_version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml")

# The pinned lint tools: name, version, and what else `cargo install` is told.
stylua_version=2.6.0
emmylua_version=0.25.1
# From npm and PyPI: shells and grammars of shells that tests try.
nushell_version=0.115.1
sops_version=3.11.0
tree_sitter_version=0.26.1
tree_sitter_pwsh_version=0.38.1

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }

# Prints the interpreters to work with, one a line, best first: those of $LUAS, or all that are installed.
luas() {
  local lua
  for lua in ${LUAS:-lua5.4 lua5.3 luajit lua5.2 lua5.1}; do
    if have "$lua"; then echo "$lua"; fi
  done
}

# Prints the version of the language that an interpreter runs: 5.1 for luajit.
lua_version() { "$1" -e 'io.write((_VERSION:match("%d+%.%d+")))'; }

# Prints the directory of the module for a version of Lua, built with a cargo profile.
module_dir() {
  case $2 in
    dev) echo "$root/target/lua/$1" ;;
    *) echo "$root/target/lua-$2/$1" ;;
  esac
}

# Makes `cargo` work. An empty HOME hides rustup's toolchains from its proxies in PATH; the home that holds the
# proxy also holds them. Whatever the caller has set is kept.
find_cargo() {
  local own="${CARGO_HOME:-${HOME:-}/.cargo}/bin"
  # Debian's cargo may be there for `check-platforms` only, without clippy and rustfmt: rustup's goes before it.
  if [ "$(command -v cargo)" = /usr/bin/cargo ] && [ -x "$own/cargo" ]; then PATH="$own:$PATH"; fi
  if ! have cargo; then
    PATH="$PATH:$own"
    have cargo || die "cargo is not installed: sys.lua is built with Rust $rust_version or newer (rustup, or Debian's cargo)"
  fi
  cargo --version >/dev/null 2>&1 && return
  local home
  home=$(dirname "$(dirname "$(dirname "$(command -v cargo)")")")
  export RUSTUP_HOME="${RUSTUP_HOME:-$home/.rustup}" CARGO_HOME="${CARGO_HOME:-$home/.cargo}"
  cargo --version >/dev/null || die "cargo is at $(command -v cargo), but does not run"
}

# Prints the directory of a cargo and rustc, new enough, that come with the sources of the standard library; or fails.
rust_with_sources() {
  local dir sysroot version
  for dir in "$(dirname "$(command -v cargo)")" /usr/bin; do
    [ -x "$dir/cargo" ] || continue
    sysroot=$("$dir/rustc" --print sysroot 2>/dev/null) || continue
    [ -e "$sysroot/lib/rustlib/src/rust/library/std/Cargo.toml" ] || continue
    version=$("$dir/rustc" --version | cut -d ' ' -f 2)
    if printf '%s\n' "$rust_version" "$version" | sort -C -V; then
      echo "$dir"
      return
    fi
  done
  return 1
}

# Prints the directory where lint tools are kept, outside the tree, so that no run builds them again.
tools_dir() {
  if [ -n "${SYSLUA_TOOLS:-}" ]; then
    echo "$SYSLUA_TOOLS"
  elif is_root; then
    echo /var/cache/syslua-tools
  else
    echo "${XDG_CACHE_HOME:-$HOME/.cache}/syslua-tools"
  fi
}

# Prints the path of a pinned tool, or fails: `tool stylua 2.6.0`. A machine-wide copy is as good as one's own.
tool() {
  local dir
  for dir in "$(tools_dir)" /var/cache/syslua-tools; do
    if [ -x "$dir/$1-$2/bin/$1" ]; then
      echo "$dir/$1-$2/bin/$1"
      return
    fi
  done
  return 1
}

# Removes a directory that tests or the demo filled: objects of a store are read-only, and immutable for root.
remove_tree() {
  [ -d "$1" ] || return 0
  if is_root && have chattr; then chattr -R -f -i "$1" 2>/dev/null || true; fi
  chmod -R u+rwX "$1" 2>/dev/null || true
  rm -rf "$1"
}

# Runs the rest of the arguments as a step: prints its name before, its time after; remembers that it failed.
steps=()
failed_steps=0
step() {
  local name=$1 start=$SECONDS code=0
  shift
  printf '\n== %s\n' "$name"
  "$@" </dev/null || code=$?
  if [ "$code" = 0 ]; then
    steps+=("$(printf '  ok      %-34s %4ss' "$name" $((SECONDS - start)))")
  else
    steps+=("$(printf '  FAILED  %-34s %4ss' "$name" $((SECONDS - start)))")
    failed_steps=$((failed_steps + 1))
  fi
  return "$code"
}

# Prints what the steps came to.
summary() {
  printf '\n== summary (%ss)\n' "$SECONDS"
  printf '%s\n' "${steps[@]}"
}

# Makes sure that a user exists as whom root runs the tests: the one named, or syslua-test. Its real home stays empty;
# tests get one of their own. It has a shell, since an ssh server of a test runs commands by it, and no password.
create_test_user() {
  local name=${1:-$test_user}
  if id "$name" >/dev/null 2>&1; then
    case $(getent passwd "$name") in *:/bin/sh) return ;; esac
    usermod --shell /bin/sh "$name"
    return
  fi
  say "creating the user $name, as whom root runs the tests"
  useradd --system --user-group --create-home --home-dir "/var/lib/$name" --skel /dev/null \
    --shell /bin/sh "$name"
}

# Runs a command in the environment of a test: `in_test USER DIRECTORY [NAME=VALUE...] COMMAND...`. Nothing of the
# caller's environment is left but what is named here. DIRECTORY, which it makes, holds the fresh HOME and TMPDIR.
in_test() {
  local user=$1 directory=$2 switch=()
  shift 2
  mkdir -p "$directory/home" "$directory/tmp"
  if is_root && [ "$user" != root ]; then
    chown -R "$user:" "$directory"
    switch=(setpriv "--reuid=$user" "--regid=$user" --init-groups --)
  fi
  # A job in the background and `nohup` ignore signals, and programs inherit that.
  ${switch[@]+"${switch[@]}"} env -i --default-signal \
    PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin LANG=C.UTF-8 SHELL=/bin/sh \
    USER="$user" LOGNAME="$user" HOME="$directory/home" TMPDIR="$directory/tmp" \
    ${CI:+"CI=$CI"} ${SYSLUA_SEED:+"SYSLUA_SEED=$SYSLUA_SEED"} ${SYSLUA_SWEEP:+"SYSLUA_SWEEP=$SYSLUA_SWEEP"} "$@"
}
