# The mark of the project before the prompt, also before one that is made at each prompt.
__syslua_mark_name="($SYSLUA_PROJECT) "
\emulate zsh -c '
  __syslua_mark() {
    if [[ $PS1 != *"$__syslua_mark_name"* ]]; then PS1=$__syslua_mark_name$PS1; fi
  }
  \typeset -ga precmd_functions
  precmd_functions+=(__syslua_mark)
'
__syslua_mark
