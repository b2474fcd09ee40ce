# Works in sh, bash and zsh, whatever options they have, and starts no process. Names that begin with __syslua are its own.
if [ -n "${ZSH_VERSION-}" ]; then
  # In zsh an error ends a script, and `command` looks for a program.
  \emulate zsh -c '
    __syslua_export() {
      { \export "$1=$2" } always { TRY_BLOCK_ERROR=0 }
      \return 0
    }
    __syslua_unset() {
      { \unset "$1" } always { TRY_BLOCK_ERROR=0 }
      \return 0
    }
    # Entries of the parameter fpath: the variable FPATH would hide those of another zsh.
    __syslua_fpath() {
      \local -a old missing
      \local entry memory=${__syslua_memory}_fpath
      \eval "old=(\"\${${memory}[@]}\")"
      if [[ -n $__syslua_is_new ]]; then
        for entry in "${old[@]}"; do
          if [[ -z ${argv[(re)$entry]} ]]; then fpath=("${(@)fpath:#${(b)entry}}"); fi
        done
      fi
      for entry; do
        if [[ -z ${fpath[(re)$entry]} ]]; then missing+=("$entry"); fi
      done
      fpath=("${missing[@]}" "${fpath[@]}")
      if (( $# )); then \typeset -ga $memory; \eval "$memory=(\"\$@\")"; else \unset $memory; fi
    }
  '
else
  # After `command` an error of a special command, as for a read-only variable, does not end the shell.
  __syslua_export() { \command export "$1=$2" || :; }
  __syslua_unset() { \command unset "$1" || :; }
  __syslua_fpath() { :; }
fi

# Whether a text ($1) contains another one ($2). `case` would ignore the case of letters in a bash with `nocasematch`.
__syslua_has() { [ "${1%%"$2"*}" != "$1" ]; }

# Takes back what is no longer declared: the variable of the memory, the stamp, and what is declared as the memory has it:
# NAME, or NAME+N for a list whose separator has N characters.
__syslua_begin() {
  if [ -n "${ZSH_VERSION-}" ]; then \emulate -L zsh; fi
  __syslua_memory=$1
  __syslua_stamp=$2
  __syslua_declared=" $3 "
  \eval "__syslua_index=\${$1-}"
  __syslua_is_new=
  if [ "${__syslua_index%% *}" = "$2" ]; then \return 0; fi
  __syslua_is_new=1
  __syslua_rest="${__syslua_index#"${__syslua_index%% *}"}"
  while [ -n "$__syslua_rest" ]; do
    # Each turn takes a blank, or a word, from the rest: there is an end whatever somebody wrote into the memory.
    __syslua_word="${__syslua_rest%% *}"
    if [ -z "$__syslua_word" ]; then
      __syslua_rest="${__syslua_rest# }"
      \continue
    fi
    __syslua_value="${__syslua_rest#"$__syslua_word"}"
    if [ "$__syslua_value" = "$__syslua_rest" ]; then \break; fi
    __syslua_rest=$__syslua_value
    __syslua_name="${__syslua_word%+[1-9]}"
    case "$__syslua_name" in
      [0-9]*|*[!ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_]*) continue ;;
    esac
    if __syslua_has "$__syslua_declared" " $__syslua_word "; then \continue; fi
    if [ "$__syslua_name" = "$__syslua_word" ]; then
      # A memory that was cut off may name them so.
      if [ "$__syslua_name" != PATH ] && [ "$__syslua_name" != HOME ]; then __syslua_restore "$__syslua_name"; fi
    else
      __syslua_take_back "$__syslua_name" "${__syslua_word#"$__syslua_name"+}"
    fi
  done
}

# Gives a variable the value that it had before, if it had one.
__syslua_restore() {
  \eval "__syslua_is_set=\${${__syslua_memory}_$1+x}"
  if [ -n "$__syslua_is_set" ]; then
    \eval "__syslua_value=\$${__syslua_memory}_$1"
    __syslua_export "$1" "$__syslua_value"
    __syslua_unset "${__syslua_memory}_$1"
  else
    __syslua_unset "$1"
  fi
}

# Takes our entries out of a list: its name, and how many characters its separator has.
__syslua_take_back() {
  \eval "__syslua_ours=\${${__syslua_memory}_$1-}"
  __syslua_separator=
  case "$2" in
    1) __syslua_separator="${__syslua_ours%"${__syslua_ours#?}"}" ;;
    2) __syslua_separator="${__syslua_ours%"${__syslua_ours#??}"}" ;;
    3) __syslua_separator="${__syslua_ours%"${__syslua_ours#???}"}" ;;
    4) __syslua_separator="${__syslua_ours%"${__syslua_ours#????}"}" ;;
    5) __syslua_separator="${__syslua_ours%"${__syslua_ours#?????}"}" ;;
    6) __syslua_separator="${__syslua_ours%"${__syslua_ours#??????}"}" ;;
    7) __syslua_separator="${__syslua_ours%"${__syslua_ours#???????}"}" ;;
    8) __syslua_separator="${__syslua_ours%"${__syslua_ours#????????}"}" ;;
    9) __syslua_separator="${__syslua_ours%"${__syslua_ours#?????????}"}" ;;
  esac
  if [ -z "$__syslua_separator" ]; then \return 0; fi
  \eval "__syslua_value=\${$1-}"
  __syslua_split "$__syslua_separator" ''
  __syslua_value="$__syslua_before$__syslua_after"
  if [ -n "$__syslua_value" ]; then
    __syslua_export "$1" "${__syslua_value%"$__syslua_separator"}"
  else
    __syslua_unset "$1"
  fi
  __syslua_unset "${__syslua_memory}_$1"
}

# Divides the value of a list into what stands before the first entry of ours, and what else is in it besides ours and the
# new ones ($2). Each entry is followed by the separator ($1).
__syslua_split() {
  __syslua_before=
  __syslua_after=
  __syslua_is_found=
  __syslua_left="${__syslua_value:+$__syslua_value$1}"
  while [ -n "$__syslua_left" ]; do
    __syslua_entry="${__syslua_left%%"$1"*}"
    __syslua_tail="${__syslua_left#"$__syslua_entry$1"}"
    if [ "$__syslua_tail" = "$__syslua_left" ]; then \break; fi
    __syslua_left=$__syslua_tail
    if __syslua_has "$__syslua_ours" "$1$__syslua_entry$1"; then
      __syslua_is_found=1
    elif __syslua_has "$1$2" "$1$__syslua_entry$1"; then
      :
    elif [ -z "$__syslua_is_found" ]; then
      __syslua_before="$__syslua_before$__syslua_entry$1"
    else
      __syslua_after="$__syslua_after$__syslua_entry$1"
    fi
  done
}

# Sets a variable: its name and its value.
__syslua_single() {
  if [ -n "${ZSH_VERSION-}" ]; then \emulate -L zsh; fi
  \eval "__syslua_is_set=\${$1+x}"
  if [ -z "$__syslua_is_new" ]; then
    if [ -n "$__syslua_is_set" ]; then \return 0; fi
  elif [ -n "$__syslua_is_set" ] && ! __syslua_has "$__syslua_index " " $1 "; then
    \eval "__syslua_value=\$$1"
    __syslua_export "${__syslua_memory}_$1" "$__syslua_value"
  fi
  __syslua_export "$1" "$2"
}

# Puts entries before what a list has: its name, its separator, what it means while it is unset after an x, and the entries.
__syslua_list() {
  if [ -n "${ZSH_VERSION-}" ]; then \emulate -L zsh; fi
  __syslua_name=$1
  __syslua_separator=$2
  __syslua_default=$3
  \shift 3
  \eval "__syslua_value=\${$__syslua_name-}"
  __syslua_new=
  __syslua_there="$__syslua_separator$__syslua_value$__syslua_separator"
  if [ -z "$__syslua_is_new" ]; then
    for __syslua_entry; do
      if ! __syslua_has "$__syslua_there" "$__syslua_separator$__syslua_entry$__syslua_separator"; then
        __syslua_new="$__syslua_new$__syslua_entry$__syslua_separator"
      fi
    done
    if [ -z "$__syslua_new" ]; then \return 0; fi
    if [ -n "$__syslua_value" ]; then
      __syslua_value="$__syslua_value$__syslua_separator"
    elif [ -n "$__syslua_default" ]; then
      __syslua_value="${__syslua_default#x}$__syslua_separator"
    fi
    __syslua_value="$__syslua_new$__syslua_value"
  else
    # The separator, and after each entry another one.
    \eval "__syslua_ours=\${${__syslua_memory}_$__syslua_name-}"
    __syslua_added=$__syslua_separator
    for __syslua_entry; do
      __syslua_new="$__syslua_new$__syslua_entry$__syslua_separator"
      if __syslua_has "$__syslua_ours" "$__syslua_separator$__syslua_entry$__syslua_separator" ||
        ! __syslua_has "$__syslua_there" "$__syslua_separator$__syslua_entry$__syslua_separator"; then
        __syslua_added="$__syslua_added$__syslua_entry$__syslua_separator"
      fi
    done
    __syslua_split "$__syslua_separator" "$__syslua_new"
    # Where nothing of ours was, ours come first.
    if [ -z "$__syslua_is_found" ]; then
      __syslua_after=$__syslua_before
      __syslua_before=
    fi
    if [ -n "$__syslua_default" ] && [ -z "$__syslua_before$__syslua_after" ]; then
      if [ -z "$__syslua_value" ] || [ -n "$__syslua_is_found" ]; then
        __syslua_after="${__syslua_default#x}$__syslua_separator"
        __syslua_added="$__syslua_added$__syslua_after"
      fi
    fi
    __syslua_value="$__syslua_before$__syslua_new$__syslua_after"
    __syslua_export "${__syslua_memory}_$__syslua_name" "$__syslua_added"
  fi
  __syslua_export "$__syslua_name" "${__syslua_value%"$__syslua_separator"}"
}

# Remembers what was set.
__syslua_end() {
  if [ -n "$__syslua_is_new" ]; then
    __syslua_declared="${__syslua_declared# }"
    __syslua_export "$__syslua_memory" "$__syslua_stamp${__syslua_declared:+ ${__syslua_declared% }}"
  fi
  \unset __syslua_memory __syslua_stamp __syslua_declared __syslua_index __syslua_is_new __syslua_rest __syslua_word \
    __syslua_name __syslua_value __syslua_is_set __syslua_ours __syslua_separator __syslua_before __syslua_after \
    __syslua_is_found __syslua_left __syslua_entry __syslua_tail __syslua_new __syslua_there __syslua_default __syslua_added
  \unset -f __syslua_export __syslua_unset __syslua_fpath __syslua_has __syslua_begin __syslua_restore __syslua_take_back \
    __syslua_split __syslua_single __syslua_list __syslua_end
}
