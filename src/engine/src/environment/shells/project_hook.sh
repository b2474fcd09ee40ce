# Takes back all that this root set, once it is gone: first what its projects set.
__syslua_revert_ID() {
  \local "__syslua_left_layers=${__SYSLUA_LAYERS-} " __syslua_one=
  while [[ $__syslua_left_layers == *[!\ ]* ]]; do
    __syslua_one=${__syslua_left_layers% }
    __syslua_one=${__syslua_one##* }
    __syslua_left_layers=${__syslua_left_layers%"$__syslua_one "}
    # What the variable holds is not to become code.
    case "${__syslua_one%+[12].SHORT}" in
      "$__syslua_one"|*[!0123456789abcdef]*) ;;
      *)
        \eval FUNCTIONS
        __syslua_leave "__SYSLUA_${__syslua_one%%+*}"
        __syslua_end
        ;;
    esac
  done
  \eval FUNCTIONS
  __syslua_drop MEMORY ''
  __syslua_end
  \unset MEMORY_inside MEMORY_entered
  __syslua_named_ID='?'
  __syslua_entered_ID=' '
  __syslua_watch_ID() { \return 1; }
}
# The directory without links on the way. It starts a process only where there is one.
__syslua_look_ID() {
  __syslua_real_ID=${PWD-}
  \local "__syslua_above=${__syslua_real_ID-}"
  while [ -n "$__syslua_above" ] && [ "${__syslua_above#/}" != "$__syslua_above" ]; do
    if [ -L "$__syslua_above" ]; then
      __syslua_real_ID=$(\builtin pwd -P && \builtin echo x) || :
      __syslua_real_ID=${__syslua_real_ID%?x}
      \break
    fi
    __syslua_above=${__syslua_above%/*}
  done
}
# Whether the directory is in that of a project ($1), by this name or another one.
__syslua_is_in_ID() {
  \local "__syslua_above=${PWD-}/"
  if [ "${__syslua_above#"${1%/}/"}" != "$__syslua_above" ]; then \return 0; fi
  __syslua_above=${__syslua_real_ID-}
  while [ -n "$__syslua_above" ] && [ "${__syslua_above#/}" != "$__syslua_above" ]; do
    if [ "$__syslua_above" -ef "$1" ]; then \return 0; fi
    __syslua_above=${__syslua_above%/*}
  done
  \return 1
}
# At each prompt: enters and leaves directories with an entry file. It starts a process only when there are others around,
# or one of their files has changed.
\unset __syslua_found_ID || :
__syslua_watch_ID() { \return 1; }
# Sets the prompt, and the name of the innermost project. They may be read-only: in bash that ends a shell with `set -e`,
# unless `command` is before it.
if [[ -n ${ZSH_VERSION-} ]]; then
  \emulate zsh -c '
    __syslua_prompt_ID() {
      { PS1=$1 } always { TRY_BLOCK_ERROR=0 } 2>/dev/null
      \return 0
    }
    __syslua_called_ID() {
      {
        if [[ -n $1 ]]; then \export "SYSLUA_PROJECT=$1"; else \unset SYSLUA_PROJECT; fi
      } always { TRY_BLOCK_ERROR=0 } 2>/dev/null
      \return 0
    }
  '
else
  __syslua_called_ID() {
    if [ -n "$1" ]; then
      \command export "SYSLUA_PROJECT=$1" 2>/dev/null || :
    else
      \command unset SYSLUA_PROJECT 2>/dev/null || :
    fi
  }
  __syslua_prompt_ID() { \command printf -v PS1 %s "$1" 2>/dev/null || :; }
fi
__syslua_projects_ID() {
  \local "__syslua_above=${__syslua_real_ID-}" __syslua_found=
  # Each turn makes the path shorter.
  while [ -n "$__syslua_above" ] && [ "${__syslua_above#/}" != "$__syslua_above" ]; do
    if [ -e "$__syslua_above/syslua.lua" ] || [ -L "$__syslua_above/syslua.lua" ]; then
      __syslua_found="${__syslua_above}:$__syslua_found"
    fi
    __syslua_above=${__syslua_above%/*}
  done
  if [ -e /syslua.lua ] || [ -L /syslua.lua ]; then __syslua_found="/:$__syslua_found"; fi
  if [ "$__syslua_found" = "${__syslua_found_ID-${MEMORY_entered:+:}}" ]; then
    if ! __syslua_watch_ID; then \return 0; fi
  fi
  __syslua_above=${__syslua_found_ID+1}
  __syslua_found_ID=$__syslua_found
  __syslua_found=$(SYSLUA_ENTERED="${MEMORY_entered-}" SYSLUA_SAID="${__syslua_said_ID-}" SYSLUA_SEEN="$__syslua_above" STEP_VARIABLESSTEP_WORDS) || :
  \eval "$__syslua_found" || :
}
