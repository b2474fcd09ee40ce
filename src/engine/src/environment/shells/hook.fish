# At each prompt: reads the environment again when there is another snapshot, and enters and leaves projects. It starts no
# process.
if status is-interactive
    # Defined anew at the first prompt: then it comes after all other hooks, and what they save of the environment is not ours.
    function __syslua_hook_ID --on-event fish_prompt
        function __syslua_hook_ID --on-event fish_prompt
            __syslua_at_prompt_ID
        end
        __syslua_at_prompt_ID
    end
    function __syslua_at_prompt_ID
        # direnv and mise put lists back as they were before: what we had there is missing then.
        if test "$DIRENV_DIFF$__MISE_DIFF" != "$__syslua_beside_ID"
            set -g __syslua_beside_ID "$DIRENV_DIFF$__MISE_DIFF"
            set -g __syslua_seen_ID '?'
            set -g __syslua_entered_ID '?'
            if set -q MEMORY_entered
                set -e __syslua_found_ID
            end
        end
        set -l line ''
        if test -r FILE
            read line <FILE
        end
        if test "$line" != "$__syslua_seen_ID"
            set -g __syslua_seen_ID $line
            set -g __syslua_directory_ID ''
            if test -n "$line"
                builtin source FILE
            else
                __syslua_revert_ID
            end
        end
        __syslua_inside_ID
        __syslua_projects_ID
        # The name of the innermost one, where it has changed, and the mark in the prompt. A directory's one is innermost.
        if not set -q MEMORY_entered
            set -l name (string replace -r '.*/' '' -- $__syslua_entered_ID[-1])
            if test -z "$name"; and test -n "$__syslua_named_ID"
                set -l own (string split -n ' ' -- "$MEMORY_shell")[-1]
                if test -n "$own"
                    set -gx SYSLUA_PROJECT (string replace -r '^:' '' -- $own)
                else
                    set -e SYSLUA_PROJECT
                end
            else if test -n "$name"; and test "$name" != "$SYSLUA_PROJECT"
                set -gx SYSLUA_PROJECT $name
            end
            set -g __syslua_named_ID $name
        end
        if begin; set -q MEMORY_entered; or set -q MEMORY_inside; end; and not builtin functions -q __syslua_prompt_ID
            # A shell that was started in a project has its mark.
            if builtin functions -q fish_prompt; and not builtin functions -q __syslua_prompt
                builtin functions -c fish_prompt __syslua_prompt_ID
                function fish_prompt
                    if set -q MEMORY_entered; or set -q MEMORY_inside
                        builtin echo -n "($SYSLUA_PROJECT) "
                    end
                    __syslua_prompt_ID
                end
            end
        end
    end
    function __syslua_inside_ID
        test "$PWD" = "$__syslua_directory_ID"
        and return
        set -g __syslua_directory_ID $PWD
        set -l real (builtin pwd -P | string collect)
        # The projects around the directory, outermost first: each as SNAPSHOT/projects/NAME.
        set -l now
        if test -r CURRENT/projects/list
            while read -d ' ' -l name path
                set path (string trim -r -c / -- $path)
                # What the shell was started in is neither entered nor left.
                set -l own (string split -n ' ' -- "$MEMORY_shell")
                builtin contains -- (string replace -r '.*/' '' -- $name) $own
                and continue
                for here in $PWD $real
                    # A path may have links on its way.
                    if test $here = $real
                        set path (builtin realpath -- "$path/" 2>/dev/null | string collect; or builtin echo -- $path)
                    end
                    if test (string sub -l (builtin math (string length -- $path) + 1) -- $here/) = "$path/"
                        set -a now $name
                        break
                    end
                end
            end <CURRENT/projects/list
        end
        set -l before (string split -n ' ' -- "$MEMORY_inside")
        # A shell inside a shell has the variables, and no aliases.
        test "$now" = "$before"; and test "$now" = "$__syslua_entered_ID"
        and return
        set -g __syslua_entered_ID $now
        set -q MEMORY_inside; and set -g __syslua_named_ID '?'
        # What they have in common stays; what lies in one that is entered or left now is left, innermost first.
        set -l kept 0
        for name in $before
            set -l next (builtin math $kept + 1)
            test "$now[$next]" = $name
            or break
            set kept $next
        end
        for name in $before[-1..1]
            test (count $before) -gt $kept
            or break
            set -e before[-1]
            set -l place SNAPSHOTS/$name/leave.fish
            if test -r $place
                builtin source $place
            end
        end
        for name in $now
            set -l place SNAPSHOTS/$name/env.fish
            if test -r $place
                builtin source $place
            end
        end
        if set -q now[1]
            set -gx MEMORY_inside " $now "
        else
            set -e MEMORY_inside
        end
    end
end
