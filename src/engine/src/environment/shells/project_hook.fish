# At each prompt: enters and leaves directories with an entry file. It starts a process only when there are others around,
# or one of their files has changed. Functions may stand for builtins whose names fish does not keep.
if status is-interactive
    set -e __syslua_found_ID
    function __syslua_watch_ID
        return 1
    end
    # Takes back all that this root set, once it is gone: first what its projects set.
    function __syslua_revert_ID
        for layer in (string split -n ' ' -- "$__SYSLUA_LAYERS")[-1..1]
            if string match -qr '^[0-9a-f]+\+[12]\.SHORT$' -- $layer
                eval FUNCTIONS
                __syslua_leave __SYSLUA_(string replace -r '\+.*' '' -- $layer)
                __syslua_end
            end
        end
        eval FUNCTIONS
        __syslua_drop MEMORY
        __syslua_end
        set -e MEMORY_inside
        set -e MEMORY_entered
        set -g __syslua_named_ID '?'
        set -g __syslua_entered_ID
        function __syslua_watch_ID
            return 1
        end
    end
    function __syslua_projects_ID
        set -l at (builtin pwd -P | string collect)
        set -l found ''
        # Each turn makes the path shorter.
        while string match -q '/*' -- "$at"
            if test -e "$at/syslua.lua"; or test -L "$at/syslua.lua"
                set found "$at:$found"
            end
            set at (string replace -r '/[^/]*$' '' -- "$at" | string collect)
        end
        if test -e /syslua.lua; or test -L /syslua.lua
            set found "/:$found"
        end
        set -l before ''
        set -l seen ''
        if set -q __syslua_found_ID
            set before "$__syslua_found_ID"
            set seen 1
        else if test -n "$MEMORY_entered"
            set before ':'
        end
        if test "$found" = "$before"; and not __syslua_watch_ID
            return
        end
        set -g __syslua_found_ID "$found"
        SYSLUA_ENTERED="$MEMORY_entered" SYSLUA_SAID="$__syslua_said_ID" SYSLUA_SEEN="$seen" STEP_VARIABLESSTEP_WORDS | builtin source
    end
end
