# At each prompt: reads the environment again when there is another snapshot, and enters and leaves projects. It starts no
# process.
if status is-interactive
    function __syslua_hook_ID --on-event fish_prompt
        set -l line ''
        if test -r FILE
            read line <FILE
        end
        if test "$line" != "$__syslua_seen_ID"
            set -g __syslua_seen_ID $line
            set -g __syslua_directory_ID ''
            if test -n "$line"
                builtin source FILE
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
        # The projects around the directory, outermost first: each as SNAPSHOT/projects/NAME.
        set -l now
        if test -r CURRENT/projects/list
            while read -d ' ' -l name path
                set path (string trim -r -c / -- $path)
                # What the shell was started in is neither entered nor left.
                set -l own (string split -n ' ' -- "$MEMORY_shell")
                builtin contains -- (string replace -r '.*/' '' -- $name) $own
                and continue
                if test (string sub -l (builtin math (string length -- $path) + 1) -- $PWD/) = "$path/"
                    set -a now $name
                end
            end <CURRENT/projects/list
        end
        set -l before (string split -n ' ' -- "$MEMORY_inside")
        # A shell inside a shell has the variables, and no aliases.
        test "$now" = "$before"; and test "$now" = "$__syslua_entered_ID"
        and return
        set -g __syslua_entered_ID $now
        set -q MEMORY_inside; and set -g __syslua_named_ID '?'
        for name in $before[-1..1]
            set -l place SNAPSHOTS/$name/leave.fish
            if not builtin contains -- $name $now; and test -r $place
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
