# Names that begin with __syslua are its own. A list in fish may be one text in others: so all is compared and set as text.

# Takes back what is no longer declared: the variable of the memory, the stamp, and what is declared as the memory has it:
# NAME, or NAME+N for a list whose separator has N characters.
function __syslua_begin
    set -g __syslua_memory $argv[1]
    set -g __syslua_stamp $argv[2]
    set -g __syslua_declared $argv[3..-1]
    set -g __syslua_index (string split ' ' -- "$$__syslua_memory")
    set -g __syslua_is_new 1
    if test "$__syslua_index[1]" = "$__syslua_stamp"
        set -g __syslua_is_new ''
        return
    end
    set -e __syslua_index[1]
    for word in $__syslua_index
        string match -qr '^[A-Za-z_][A-Za-z0-9_]*(\+[1-9])?$' -- $word
        or continue
        builtin contains -- $word $__syslua_declared
        and continue
        set -l parts (string split + -- $word)
        if set -q parts[2]
            __syslua_take_back $parts
        else if not builtin contains -- $word PATH HOME
            __syslua_restore $word
        end
    end
end

# Gives a variable the value that it had before, if it had one.
function __syslua_restore
    set -l old {$__syslua_memory}_$argv[1]
    if set -q $old
        set -gx $argv[1] "$$old"
        set -e $old
    else
        set -e $argv[1]
    end
end

# Takes our entries out of a list: its name, and how many characters its separator has.
function __syslua_take_back
    set -l name $argv[1]
    set -l memory {$__syslua_memory}_$name
    set -l text "$$memory"
    set -l separator (string sub -l $argv[2] -- $text)
    test -n "$separator"
    or return
    set -l ours (string split -- $separator $text)
    # Before the first separator, and after the last one.
    set -e ours[1] ours[-1]
    set -l rest
    if test -n "$$name"
        for entry in (string split -- $separator "$$name")
            builtin contains -- "$entry" $ours
            or set -a rest "$entry"
        end
    end
    if set -q rest[1]
        set -gx $name (string join -- $separator $rest | string collect)
    else
        set -e $name
    end
    set -e $memory
end

# Sets a variable: its name and its value.
function __syslua_single
    if test -z "$__syslua_is_new"
        set -q $argv[1]
        and return
    else if set -q $argv[1]; and not builtin contains -- $argv[1] $__syslua_index
        set -gx {$__syslua_memory}_$argv[1] "$$argv[1]"
    end
    set -gx $argv[1] $argv[2]
end

# Puts entries before what a list has: its name, its separator, what it means while it is unset after an x, and the entries.
function __syslua_list
    set -l name $argv[1]
    set -l separator $argv[2]
    set -l default $argv[3]
    set -l new $argv[4..-1]
    set -l there
    if test -n "$$name"
        set there (string split -- $separator "$$name")
    end
    if test -z "$__syslua_is_new"
        set -l missing
        for entry in $new
            builtin contains -- $entry $there
            or set -a missing $entry
        end
        set -q missing[1]
        or return
        if not set -q there[1]; and test -n "$default"
            set there (string split -- $separator (string sub -s 2 -- $default))
        end
        set new $missing $there
    else
        set -l memory {$__syslua_memory}_$name
        set -l ours (string split -- $separator "$$memory")
        set -e ours[1] ours[-1]
        set -l added
        for entry in $new
            if builtin contains -- $entry $ours; or not builtin contains -- $entry $there
                set -a added $entry
            end
        end
        set -l before
        set -l after
        set -l is_found ''
        for entry in $there
            if builtin contains -- "$entry" $ours
                set is_found 1
            else if builtin contains -- "$entry" $new
            else if test -n "$is_found"
                set -a after "$entry"
            else
                set -a before "$entry"
            end
        end
        if test -z "$is_found"
            set after $before
            set before
        end
        if test -n "$default"; and not set -q before[1]; and not set -q after[1]
            if test -n "$is_found"; or not set -q there[1]
                set after (string split -- $separator (string sub -s 2 -- $default))
                set -a added $after
            end
        end
        set new $before $new $after
        set -gx $memory "$separator"(string join -- $separator $added '' | string collect)
    end
    set -gx $name (string join -- $separator $new | string collect)
end

# Remembers what was set.
function __syslua_end
    if test -n "$__syslua_is_new"
        set -gx $__syslua_memory "$__syslua_stamp $__syslua_declared"
    end
    set -e __syslua_memory __syslua_stamp __syslua_declared __syslua_index __syslua_is_new
    builtin functions -e __syslua_begin __syslua_restore __syslua_take_back __syslua_single __syslua_list __syslua_end
end
