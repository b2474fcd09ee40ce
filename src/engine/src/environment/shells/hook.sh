# At each prompt: reads the environment again when there is another snapshot, and enters and leaves projects. For bash and
# zsh. It starts no process. A backslash before a builtin: an alias of its name would stand for it. `[` compares, since `[[`
# ignores the case of letters in a bash with `nocasematch`.
__syslua_hook_ID() {
  \local "__syslua_code=$?" __syslua_line= __syslua_project= __syslua_path= __syslua_now= __syslua_place=
  \local "__syslua_started=${MEMORY_shell-}"
  # direnv and mise put lists back as they were before: what we had there is missing then.
  __syslua_now=${DIRENV_DIFF-}${__MISE_DIFF-}
  if [ "$__syslua_now" != "${__syslua_beside_ID-}" ]; then
    __syslua_beside_ID=$__syslua_now
    __syslua_seen_ID='?'
    __syslua_entered_ID='?'
    if [ -n "${MEMORY_entered-}" ]; then \unset __syslua_found_ID; fi
  fi
  if [[ -r FILE ]]; then IFS= \read -r __syslua_line <FILE || :; fi
  if [ "$__syslua_line" != "${__syslua_seen_ID-}" ]; then
    __syslua_seen_ID=$__syslua_line
    __syslua_directory_ID=
    if [ -n "$__syslua_line" ]; then \. FILE || :; else __syslua_revert_ID || :; fi
  fi
  if [ "${PWD-}" != "${__syslua_directory_ID-}" ]; then
    __syslua_directory_ID=${PWD-}
    __syslua_look_ID
    # The projects around the directory, outermost first: each as SNAPSHOT/projects/NAME, with a blank before and after.
    __syslua_now=' '
    if [[ -r CURRENT/projects/list ]]; then
      while IFS= \read -r __syslua_project; do
        __syslua_path=${__syslua_project#* }
        __syslua_project=${__syslua_project%% *}
        __syslua_line=" ${__syslua_project##*/} "
        # What the shell was started in is neither entered nor left.
        if [ "${__syslua_started#*"$__syslua_line"}" = "$__syslua_started" ] && __syslua_is_in_ID "$__syslua_path"; then
          __syslua_now="$__syslua_now$__syslua_project "
        fi
      done <CURRENT/projects/list
    fi
    # A shell inside a shell has the variables, and no aliases.
    if [ "$__syslua_now" != "${MEMORY_inside- }" ] || [ "$__syslua_now" != "${__syslua_entered_ID- }" ]; then
      # Innermost first. Projects inside those that are entered or left now count too.
      __syslua_named_ID=${MEMORY_inside+?}
      # With a blank at its end, so that each turn takes something away whatever the variable holds.
      __syslua_line="${MEMORY_inside-} "
      while [[ $__syslua_line == *[!\ ]* ]]; do
        __syslua_project=${__syslua_line% }
        __syslua_project=${__syslua_project##* }
        __syslua_line=${__syslua_line%"$__syslua_project "}
        if [ "${__syslua_now#"$__syslua_line$__syslua_project "}" = "$__syslua_now" ]; then
          __syslua_place=SNAPSHOTS/$__syslua_project/leave.sh
          if [[ -r $__syslua_place ]]; then \. "$__syslua_place" || :; fi
        fi
      done
      __syslua_line=$__syslua_now
      while [[ $__syslua_line == *[!\ ]* ]]; do
        __syslua_project=${__syslua_line# }
        __syslua_project=${__syslua_project%% *}
        __syslua_line=" ${__syslua_line#" $__syslua_project "}"
        __syslua_place=SNAPSHOTS/$__syslua_project/env.sh
        if [[ -r $__syslua_place ]]; then \. "$__syslua_place" || :; fi
      done
      __syslua_entered_ID=$__syslua_now
      if [ "$__syslua_now" = ' ' ]; then \unset MEMORY_inside; else \export "MEMORY_inside=$__syslua_now"; fi
    fi
  fi
  __syslua_projects_ID || :
  # The name of the innermost one, where it has changed, and the mark in the prompt. A directory's one is innermost.
  if [ -z "${MEMORY_entered-}" ]; then
    __syslua_project=${__syslua_entered_ID-}
    __syslua_project=${__syslua_project% }
    __syslua_project=${__syslua_project##*[\ /]}
    if [ -z "$__syslua_project" ] && [ -n "${__syslua_named_ID-}" ]; then
      __syslua_place=${MEMORY_shell-}
      __syslua_place=${__syslua_place% }
      __syslua_place=${__syslua_place##* }
      __syslua_called_ID "${__syslua_place#:}"
    elif [ -n "$__syslua_project" ] && [ "$__syslua_project" != "${SYSLUA_PROJECT-}" ]; then
      __syslua_called_ID "$__syslua_project"
    fi
    __syslua_named_ID=$__syslua_project
  fi
  __syslua_place=
  if [ -n "${MEMORY_entered-}${MEMORY_inside-}" ]; then __syslua_place="(${SYSLUA_PROJECT-}) "; fi
  if [ "$__syslua_place" != "${__syslua_mark_ID-}" ] || [ "${PS1-}" != "${__syslua_shown_ID-}" ]; then
    __syslua_line=${PS1-}
    # What saved a prompt, such as a virtual environment, may have brought back an earlier mark. Names have no `/`.
    __syslua_now=${__syslua_marks_ID-}
    while [ -n "$__syslua_now" ]; do
      __syslua_project=${__syslua_now%%/*}
      __syslua_now=${__syslua_now#*/}
      if [ "$__syslua_project" != "$__syslua_place" ] && [ "${__syslua_line#*"$__syslua_project"}" != "$__syslua_line" ]; then
        __syslua_line="${__syslua_line%%"$__syslua_project"*}${__syslua_line#*"$__syslua_project"}"
      fi
    done
    if [ -n "$__syslua_place" ]; then
      if [ "${__syslua_line#*"$__syslua_place"}" = "$__syslua_line" ]; then __syslua_line=$__syslua_place$__syslua_line; fi
      __syslua_now=/${__syslua_marks_ID-}
      if [ "${__syslua_now#*"/$__syslua_place/"}" = "$__syslua_now" ]; then
        __syslua_marks_ID="${__syslua_marks_ID-}$__syslua_place/"
      fi
    fi
    if [ "$__syslua_line" != "${PS1-}" ]; then __syslua_prompt_ID "$__syslua_line"; fi
    __syslua_shown_ID=${PS1-}
    __syslua_mark_ID=$__syslua_place
  fi
  __syslua_last_ID || :
  # An exit code of a prompt would end a shell with `set -e`.
  if [[ $- == *e* ]]; then \return 0; fi
  \return $__syslua_code
}
# Comes after all other hooks: what they save of the environment is not ours, and a prompt that they make gets its mark.
if [[ -n ${ZSH_VERSION-} ]]; then
  # Whatever options the shell has, such as `ksh_arrays`.
  \emulate zsh -c '
    __syslua_last_ID() {
      \local -a __syslua_hooks
      __syslua_hooks=(${precmd_functions:#__syslua_*})
      if [[ $precmd_functions[(ie)__syslua_hook_ID] -le $precmd_functions[(Ie)$__syslua_hooks[-1]] ]]; then
        precmd_functions=("${(@)precmd_functions:#__syslua_hook_ID}" __syslua_hook_ID)
      fi
    }
  '
else
  __syslua_last_ID() {
    \local IFS=' '
    \local "__syslua_text=${PROMPT_COMMAND[*]-}"
    __syslua_text=${__syslua_text##*__syslua_hook_ID}
    __syslua_text=${__syslua_text//__syslua_hook_????????/}
    __syslua_text=${__syslua_text//__syslua_mark/}
    if [[ $__syslua_text != *[!\;[:space:]]* ]] || ! (PROMPT_COMMAND=) 2>/dev/null; then \return 0; fi
    if [[ $(\declare -p PROMPT_COMMAND 2>/dev/null) == 'declare -a'* ]]; then
      \local __syslua_hook
      \local -a __syslua_hooks
      for __syslua_hook in "${PROMPT_COMMAND[@]}"; do
        if [ "$__syslua_hook" = __syslua_hook_ID ]; then \continue; fi
        __syslua_hook=${__syslua_hook/__syslua_hook_ID;/}
        __syslua_hooks+=("${__syslua_hook/__syslua_hook_ID/:}")
      done
      PROMPT_COMMAND=("${__syslua_hooks[@]}" __syslua_hook_ID)
    else
      __syslua_text=${PROMPT_COMMAND/__syslua_hook_ID;/}
      PROMPT_COMMAND=${__syslua_text/__syslua_hook_ID/:}$'\n'__syslua_hook_ID
    fi
  }
fi
case $- in *i*)
  if [[ -n ${ZSH_VERSION-} ]]; then
    \emulate zsh -c '\typeset -ga precmd_functions
      if [[ -z ${precmd_functions[(re)__syslua_hook_ID]} ]]; then precmd_functions+=(__syslua_hook_ID); fi'
  elif [[ " ${PROMPT_COMMAND[*]-} " != *__syslua_hook_ID* ]]; then
    if [[ $(\declare -p PROMPT_COMMAND 2>/dev/null) == 'declare -a'* ]]; then
      PROMPT_COMMAND+=(__syslua_hook_ID)
    else
      case ${PROMPT_COMMAND-} in
        '') PROMPT_COMMAND=__syslua_hook_ID ;;
        # A line of its own, where a semicolon would be an error, or part of a comment.
        *[\;\&[:space:]]|*\#*) PROMPT_COMMAND+=$'\n'__syslua_hook_ID ;;
        *) PROMPT_COMMAND+=\;__syslua_hook_ID ;;
      esac
    fi
  fi ;;
esac
