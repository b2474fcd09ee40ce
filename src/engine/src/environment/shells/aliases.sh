# Aliases and functions, once for each shell and stamp. What has one of their names comes back when they go.
case $- in *i*)
  if [ "${MEMORY_aliases-}" != 'STAMP' ]; then
    if [ -n "${MEMORY_aliases-}" ]; then MEMORY_unalias 2>/dev/null || :; fi
    MEMORY_aliases='STAMP'
    # Defines those of all environments again, those of the innermost project last.
    __syslua_layers() {
      __syslua_rest="${__syslua_base- } ${__syslua_top- }"
      while [ -n "$__syslua_rest" ]; do
        # Each turn takes a blank or a word.
        __syslua_layer=${__syslua_rest%% *}
        if [ -z "$__syslua_layer" ]; then
          __syslua_value=${__syslua_rest# }
        else
          __syslua_value=${__syslua_rest#"$__syslua_layer"}
        fi
        if [ "$__syslua_value" = "$__syslua_rest" ]; then \break; fi
        __syslua_rest=$__syslua_value
        case $__syslua_layer in ''|*[!ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_]*) \continue ;; esac
        if \command -v "${__syslua_layer}_alias" >/dev/null 2>&1; then "${__syslua_layer}_alias"; fi
      done
      \unset __syslua_rest __syslua_layer __syslua_value
    }
    MEMORY_alias() {
DEFINE      :
    }
    MEMORY_unalias() {
      \unset -f MEMORY_alias
UNDO      __syslua_layers
    }
    __syslua_value=${__syslua_LAYER- }
    if [ "${__syslua_value#*' MEMORY '}" = "$__syslua_value" ]; then
      __syslua_LAYER="${__syslua_value}MEMORY "
    elif [ LAYER = top ]; then
      __syslua_LAYER="${__syslua_value%%' MEMORY '*} ${__syslua_value#*' MEMORY '}MEMORY "
    fi
    \unset __syslua_value
    __syslua_layers
  fi ;;
esac
