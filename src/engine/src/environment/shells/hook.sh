# At each prompt: reads the environment again when there is another snapshot, and enters and leaves projects. For bash and
# zsh. It starts no process. A backslash before a builtin: an alias of its name would stand for it. `[` compares, since `[[`
# ignores the case of letters in a bash with `nocasematch`.
__syslua_hook_ID() {
  \local "__syslua_code=$?" __syslua_line= __syslua_name= __syslua_path= __syslua_now= __syslua_place=
  \local "__syslua_own=${MEMORY_shell-}"
  if [[ -r FILE ]]; then IFS= \read -r __syslua_line <FILE || :; fi
  if [ "$__syslua_line" != "${__syslua_seen_ID-}" ]; then
    __syslua_seen_ID=$__syslua_line
    __syslua_directory_ID=
    if [ -n "$__syslua_line" ]; then \. FILE || :; fi
  fi
  if [ "${PWD-}" != "${__syslua_directory_ID-}" ]; then
    __syslua_directory_ID=${PWD-}
    # The projects around the directory, outermost first: each as SNAPSHOT/projects/NAME, with a blank before and after.
    __syslua_now=' '
    if [[ -r CURRENT/projects/list ]]; then
      while IFS=' ' \read -r __syslua_name __syslua_path; do
        __syslua_place=${PWD-}/
        __syslua_line=" ${__syslua_name##*/} "
        # What the shell was started in is neither entered nor left.
        if [ "${__syslua_place#"${__syslua_path%/}/"}" != "$__syslua_place" ] &&
          [ "${__syslua_own#*"$__syslua_line"}" = "$__syslua_own" ]; then
          __syslua_now="$__syslua_now$__syslua_name "
        fi
      done <CURRENT/projects/list
    fi
    # A shell inside a shell has the variables, and no aliases.
    if [ "$__syslua_now" != "${MEMORY_inside- }" ] || [ "$__syslua_now" != "${__syslua_entered_ID- }" ]; then
      # Innermost first.
      __syslua_named_ID=${MEMORY_inside+?}
      # With a blank at its end, so that each turn takes something away whatever the variable holds.
      __syslua_line="${MEMORY_inside-} "
      while [[ $__syslua_line == *[!\ ]* ]]; do
        __syslua_name=${__syslua_line% }
        __syslua_name=${__syslua_name##* }
        __syslua_line=${__syslua_line%"$__syslua_name "}
        if [ "${__syslua_now#*" $__syslua_name "}" = "$__syslua_now" ]; then
          __syslua_place=SNAPSHOTS/$__syslua_name/leave.sh
          if [[ -r $__syslua_place ]]; then \. "$__syslua_place" || :; fi
        fi
      done
      __syslua_line=$__syslua_now
      while [[ $__syslua_line == *[!\ ]* ]]; do
        __syslua_name=${__syslua_line# }
        __syslua_name=${__syslua_name%% *}
        __syslua_line=" ${__syslua_line#" $__syslua_name "}"
        __syslua_place=SNAPSHOTS/$__syslua_name/env.sh
        if [[ -r $__syslua_place ]]; then \. "$__syslua_place" || :; fi
      done
      __syslua_entered_ID=$__syslua_now
      if [ "$__syslua_now" = ' ' ]; then \unset MEMORY_inside; else \export "MEMORY_inside=$__syslua_now"; fi
    fi
  fi
  __syslua_projects_ID || :
  # The name of the innermost one, where it has changed, and the mark in the prompt. A directory's one is innermost.
  if [ -z "${MEMORY_entered-}" ]; then
    __syslua_name=${__syslua_entered_ID-}
    __syslua_name=${__syslua_name% }
    __syslua_name=${__syslua_name##*[\ /]}
    if [ -z "$__syslua_name" ] && [ -n "${__syslua_named_ID-}" ]; then
      __syslua_place=${MEMORY_shell-}
      __syslua_place=${__syslua_place% }
      __syslua_place=${__syslua_place##* }
      __syslua_called_ID "${__syslua_place#:}"
    elif [ -n "$__syslua_name" ] && [ "$__syslua_name" != "${SYSLUA_PROJECT-}" ]; then
      __syslua_called_ID "$__syslua_name"
    fi
    __syslua_named_ID=$__syslua_name
  fi
  __syslua_place=
  if [ -n "${MEMORY_entered-}${MEMORY_inside-}" ]; then __syslua_place="(${SYSLUA_PROJECT-}) "; fi
  if [ "$__syslua_place" != "${__syslua_mark_ID-}" ]; then
    __syslua_line=${PS1-}
    __syslua_line=${__syslua_line#"${__syslua_mark_ID-}"}
    # A shell that was started in a project has its mark.
    if [ -z "$__syslua_place" ] || [ "${__syslua_line#"$__syslua_place"}" = "$__syslua_line" ]; then
      __syslua_prompt_ID "$__syslua_place$__syslua_line"
      __syslua_mark_ID=$__syslua_place
    fi
  fi
  # An exit code of a prompt would end a shell with `set -e`.
  if [[ $- == *e* ]]; then \return 0; fi
  \return $__syslua_code
}
case $- in *i*)
  if [[ -n ${ZSH_VERSION-} ]]; then
    # Whatever options the shell has, such as `ksh_arrays`.
    \emulate zsh -c '\typeset -ga precmd_functions
      if [[ -z ${precmd_functions[(re)__syslua_hook_ID]} ]]; then precmd_functions=(__syslua_hook_ID $precmd_functions); fi'
  elif [[ " ${PROMPT_COMMAND[*]-} " != *__syslua_hook_ID* ]]; then
    if [[ $(\declare -p PROMPT_COMMAND 2>/dev/null) == 'declare -a'* ]]; then
      PROMPT_COMMAND=(__syslua_hook_ID "${PROMPT_COMMAND[@]}")
    else
      PROMPT_COMMAND="__syslua_hook_ID${PROMPT_COMMAND:+;$PROMPT_COMMAND}"
    fi
  fi ;;
esac
