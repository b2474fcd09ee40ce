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
        __syslua_projects_ID
        test "$PWD" = "$__syslua_directory_ID"
        and return
        set -g __syslua_directory_ID $PWD
        # The projects around the directory, outermost first: each as SNAPSHOT/projects/NAME.
        set -l now
        if test -r CURRENT/projects/list
            while read -d ' ' -l name path
                set path (string trim -r -c / -- $path)
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
