# The mark of the project before the prompt, also before one that is made at each prompt.
__syslua_mark_name="($SYSLUA_PROJECT) "
__syslua_mark() {
  \local "__syslua_code=$?"
  if [[ ${PS1-} != *"$__syslua_mark_name"* ]]; then
    \command printf -v PS1 %s "$__syslua_mark_name${PS1-}" 2>/dev/null || :
  fi
  \return $__syslua_code
}
__syslua_mark
if [[ $(\declare -p PROMPT_COMMAND 2>/dev/null) == 'declare -a'* ]]; then
  PROMPT_COMMAND+=(__syslua_mark)
else
  PROMPT_COMMAND=${PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}__syslua_mark
fi
