# Aliases and functions, once for each shell and stamp. What has one of their names comes back when they go.
if status is-interactive; and test "$MEMORY_aliases[1]" != STAMP
    function __syslua_keep
        for name in $argv
            builtin contains -- $name $__syslua_kept
            and continue
            set -ga __syslua_kept $name
            builtin functions -q $name
            and builtin functions -c $name __syslua_kept_$name
        end
    end
    # Takes away what one environment defined, and defines that of the others again, that of the innermost project last.
    function __syslua_undo
        set -l index $argv[1]_aliases
        set -l names $$index
        set -e $index
        for name in $names[2..-1]
            builtin functions -e $name
            if builtin functions -q __syslua_kept_$name
                builtin functions -c __syslua_kept_$name $name
                builtin functions -e __syslua_kept_$name
            end
            if set -l at (builtin contains -i -- $name $__syslua_kept)
                set -e __syslua_kept[$at]
            end
        end
        builtin functions -e $argv[1]_alias
        __syslua_layers
    end
    function __syslua_layers
        for layer in $__syslua_base $__syslua_top
            set -l call {$layer}_alias
            builtin functions -q $call
            and $call
        end
    end
    set -q MEMORY_aliases
    and __syslua_undo MEMORY
    set -g MEMORY_aliases STAMP NAMES
    function MEMORY_alias
        __syslua_keep NAMES
DEFINE    end
    if not builtin contains -- MEMORY $__syslua_LAYER
        set -ga __syslua_LAYER MEMORY
    else if test LAYER = top
        set -e __syslua_LAYER[(builtin contains -i -- MEMORY $__syslua_LAYER)]
        set -ga __syslua_LAYER MEMORY
    end
    __syslua_layers
end
