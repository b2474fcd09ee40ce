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
      \local entry "memory=${__syslua_memory}_fpath"
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

# Takes the next word from the rest; fails when there is none. It ends with any content, because
# each turn takes a blank or a word away.
__syslua_next() {
  while [ -n "$__syslua_rest" ]; do
    __syslua_word="${__syslua_rest%% *}"
    if [ -z "$__syslua_word" ]; then
      __syslua_rest="${__syslua_rest# }"
    else
      __syslua_value="${__syslua_rest#"$__syslua_word"}"
      if [ "$__syslua_value" = "$__syslua_rest" ]; then __syslua_rest=; else
        __syslua_rest=$__syslua_value
        \return 0
      fi
    fi
  done
  \return 1
}

# Finds the layers below and above one: its memory, and its sort. Environments lie on one another, each with a memory: those
# of roots and users, those of a config's projects (sort +1), and those of directories (+2). A new one comes above all but
# those of a higher sort; what a shell was started in (+9) stays below all that comes later.
__syslua_stack() {
  __syslua_lower=
  __syslua_upper=
  __syslua_own="${1#__SYSLUA_}$2"
  __syslua_is_found=
  __syslua_rest="${__SYSLUA_LAYERS-}"
  while __syslua_next; do
    case "$__syslua_word" in *[!0123456789abcdef+.]*) \continue ;; esac
    if [ "__SYSLUA_${__syslua_word%%[+.]*}" = "$1" ]; then
      __syslua_own=$__syslua_word
      __syslua_lower="$__syslua_lower$__syslua_upper"
      __syslua_upper=
      __syslua_is_found=1
    elif [ -n "$__syslua_is_found" ]; then
      __syslua_upper="$__syslua_upper$__syslua_word "
    else
      case "$2/$__syslua_word" in
        /*+*|+1*/*+2*) __syslua_upper="$__syslua_upper$__syslua_word " ;;
        *)
          __syslua_lower="$__syslua_lower$__syslua_upper$__syslua_word "
          __syslua_upper=
          ;;
      esac
    fi
  done
}

# Finds where a value ($1) is for the layer: in the memory of the next layer above that sets it, or in the variable.
__syslua_find() {
  __syslua_at=$1
  __syslua_left=$__syslua_upper
  while [ -n "$__syslua_left" ]; do
    __syslua_entry="__SYSLUA_${__syslua_left%%[+. ]*}"
    __syslua_left="${__syslua_left#* }"
    \eval "__syslua_tail=\${$__syslua_entry-}"
    if __syslua_has "$__syslua_tail " " $1 "; then
      __syslua_at="${__syslua_entry}_$1"
      \return 0
    fi
  done
}

# Collects the entries of a list ($1) that layers ($2) remember as theirs.
__syslua_share() {
  __syslua_shared=
  __syslua_left=$2
  while [ -n "$__syslua_left" ]; do
    __syslua_entry="__SYSLUA_${__syslua_left%%[+. ]*}"
    __syslua_left="${__syslua_left#* }"
    \eval "__syslua_tail=\${${__syslua_entry}_$1-}"
    __syslua_shared="$__syslua_shared$__syslua_tail"
  done
}

# Takes back variables that are no longer declared. Arguments: the variable of the memory, the stamp,
# the declared names (a list with a separator of N characters is NAME+N), the sort of the layer.
__syslua_begin() {
  if [ -n "${ZSH_VERSION-}" ]; then \emulate -L zsh; fi
  __syslua_memory=$1
  __syslua_stamp=$2
  __syslua_declared=" $3 "
  __syslua_sort=$4
  \eval "__syslua_index=\${$1-}"
  __syslua_stack "$1" "$4"
  __syslua_value="$__syslua_lower$__syslua_own $__syslua_upper"
  if [ "$__syslua_value" != "${__SYSLUA_LAYERS-}" ]; then __syslua_export __SYSLUA_LAYERS "$__syslua_value"; fi
  __syslua_is_new=
  if [ "${__syslua_index%% *}" = "$2" ]; then \return 0; fi
  __syslua_is_new=1
  __syslua_rest="${__syslua_index#"${__syslua_index%% *}"}"
  while __syslua_next; do
    __syslua_name="${__syslua_word%+[1-9]}"
    case "$__syslua_name" in
      [0-9]*|*[!ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_]*) \continue ;;
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

# Leaves a project: the variable of its memory. What has another value than at entry stays.
__syslua_leave() {
  if [ -n "${ZSH_VERSION-}" ]; then \emulate -L zsh; fi
  __syslua_kept=
  \eval "__syslua_index=\${$1-}"
  __syslua_stack "$1" ''
  __syslua_rest="${__syslua_index#"${__syslua_index%% *}"}"
  while __syslua_next; do
    case "$__syslua_word" in
      [0-9]*|*[!ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_]*) \continue ;;
    esac
    __syslua_find "$__syslua_word"
    \eval "__syslua_ours=\${${1}_0$__syslua_word-}"
    \eval "__syslua_value=\${$__syslua_at-}"
    if [ "$__syslua_value" != "$__syslua_ours" ]; then __syslua_kept="$__syslua_kept$__syslua_word "; fi
  done
  __syslua_drop "$1" "$__syslua_kept"
}

# Takes all of a layer back: the variable of its memory, and what stays as it is.
__syslua_drop() {
  if [ -n "${ZSH_VERSION-}" ]; then \emulate -L zsh; fi
  __syslua_begin "$1" left "$2" ''
  __syslua_rest=$2
  while __syslua_next; do
    __syslua_unset "${1}_0$__syslua_word"
    __syslua_unset "${1}_$__syslua_word"
  done
  __syslua_unset "$1"
  __syslua_value="$__syslua_lower$__syslua_upper"
  if [ -n "$__syslua_value" ]; then __syslua_export __SYSLUA_LAYERS "$__syslua_value"; else __syslua_unset __SYSLUA_LAYERS; fi
  __syslua_is_new=1
  __syslua_fpath
  __syslua_is_new=
  \eval "__syslua_value=\${${1}_aliases-}"
  if [ -n "$__syslua_value" ]; then
    "${1}_unalias" 2>/dev/null || :
    \unset "${1}_aliases"
  fi
}

# Gives a variable the value that it had before, if it had one.
__syslua_restore() {
  __syslua_find "$1"
  \eval "__syslua_is_set=\${${__syslua_memory}_$1+x}"
  if [ -n "$__syslua_is_set" ]; then
    \eval "__syslua_value=\$${__syslua_memory}_$1"
    __syslua_export "$__syslua_at" "$__syslua_value"
    __syslua_unset "${__syslua_memory}_$1"
  else
    __syslua_unset "$__syslua_at"
  fi
  __syslua_unset "${__syslua_memory}_0$1"
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
  __syslua_share "$1" "$__syslua_lower$__syslua_upper"
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
# new ones ($2). Each entry is followed by the separator ($1). What other layers have too is not only ours.
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
      if __syslua_has "$__syslua_shared" "$1$__syslua_entry$1" && ! __syslua_has "$1$2" "$1$__syslua_entry$1"; then
        __syslua_after="$__syslua_after$__syslua_entry$1"
      fi
    elif __syslua_has "$1$2" "$1$__syslua_entry$1"; then
      :
    elif [ -z "$__syslua_is_found" ]; then
      __syslua_before="$__syslua_before$__syslua_entry$1"
    else
      __syslua_after="$__syslua_after$__syslua_entry$1"
    fi
  done
}

# Sets a variable: its name and its value. A project remembers it as well.
__syslua_single() {
  if [ -n "${ZSH_VERSION-}" ]; then \emulate -L zsh; fi
  __syslua_find "$1"
  \eval "__syslua_is_set=\${$__syslua_at+x}"
  if [ -z "$__syslua_is_new" ]; then
    if [ -n "$__syslua_is_set" ]; then \return 0; fi
  elif [ -n "$__syslua_is_set" ] && ! __syslua_has "$__syslua_index " " $1 "; then
    \eval "__syslua_value=\$$__syslua_at"
    __syslua_export "${__syslua_memory}_$1" "$__syslua_value"
  fi
  __syslua_export "$__syslua_at" "$2"
  if [ -n "$__syslua_sort" ]; then __syslua_export "${__syslua_memory}_0$1" "$2"; fi
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
    __syslua_share "$__syslua_name" "$__syslua_lower$__syslua_upper"
    __syslua_added=$__syslua_separator
    for __syslua_entry; do
      __syslua_new="$__syslua_new$__syslua_entry$__syslua_separator"
      if __syslua_has "$__syslua_ours" "$__syslua_separator$__syslua_entry$__syslua_separator" ||
        __syslua_has "$__syslua_shared" "$__syslua_separator$__syslua_entry$__syslua_separator" ||
        ! __syslua_has "$__syslua_there" "$__syslua_separator$__syslua_entry$__syslua_separator"; then
        __syslua_added="$__syslua_added$__syslua_entry$__syslua_separator"
      fi
    done
    __syslua_split "$__syslua_separator" "$__syslua_new"
    # Where nothing of ours was, ours come first, after those of the layers above.
    if [ -z "$__syslua_is_found" ]; then
      __syslua_after=$__syslua_before
      __syslua_before=
      __syslua_share "$__syslua_name" "$__syslua_upper"
      while [ -n "$__syslua_after" ]; do
        __syslua_entry="${__syslua_after%%"$__syslua_separator"*}$__syslua_separator"
        if ! __syslua_has "$__syslua_shared" "$__syslua_separator$__syslua_entry"; then \break; fi
        __syslua_before="$__syslua_before$__syslua_entry"
        __syslua_after="${__syslua_after#"$__syslua_entry"}"
      done
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
    __syslua_is_found __syslua_left __syslua_entry __syslua_tail __syslua_new __syslua_there __syslua_default __syslua_added \
    __syslua_lower __syslua_upper __syslua_own __syslua_sort __syslua_at __syslua_shared __syslua_kept
  \unset -f __syslua_export __syslua_unset __syslua_fpath __syslua_has __syslua_next __syslua_stack __syslua_find \
    __syslua_share __syslua_begin __syslua_leave __syslua_drop __syslua_restore __syslua_take_back __syslua_split \
    __syslua_single __syslua_list __syslua_end
}
