# Names that begin with __syslua are its own. A list in fish may be one text in others: so all is compared and set as text.

# Finds the layers below and above one: its memory, and its sort. Environments lie on one another, each with a memory: those
# of roots and users, those of a config's projects (sort +1), and those of directories (+2). A new one comes above all but
# those of a higher sort; what a shell was started in (+9) stays below all that comes later.
function __syslua_stack
    set -g __syslua_lower
    set -g __syslua_upper
    set -g __syslua_own (string replace __SYSLUA_ '' -- $argv[1])$argv[2]
    set -l is_found ''
    for word in (string split -n ' ' -- "$__SYSLUA_LAYERS")
        string match -qr '^[0-9a-f]+(\+[0-9a-f.]+)?$' -- $word
        or continue
        if test __SYSLUA_(string replace -r '\+.*' '' -- $word) = $argv[1]
            set -g __syslua_own $word
            set -a __syslua_lower $__syslua_upper
            set -g __syslua_upper
            set is_found 1
        else if test -n "$is_found"; or string match -qr '^(/.*\+|\+1[^/]*/.*\+2)' -- "$argv[2]/$word"
            set -a __syslua_upper $word
        else
            set -a __syslua_lower $__syslua_upper $word
            set -g __syslua_upper
        end
    end
end

# Finds where a value is for the layer: in the memory of the next layer above that sets it, or in the variable.
function __syslua_find
    for layer in $__syslua_upper
        set -l memory __SYSLUA_(string replace -r '\+.*' '' -- $layer)
        set -l words (string split ' ' -- "$$memory")
        if builtin contains -- $argv[1] $words[2..-1]
            set -g __syslua_at {$memory}_$argv[1]
            return
        end
    end
    set -g __syslua_at $argv[1]
end

# Collects the entries of a list (its name, its separator) that layers remember as theirs.
function __syslua_share
    set -g __syslua_shared
    for layer in $argv[3..-1]
        set -l memory __SYSLUA_(string replace -r '\+.*' '' -- $layer)_$argv[1]
        set -l entries (string split -- $argv[2] "$$memory")
        set -ga __syslua_shared $entries[2..-2]
    end
end

# Sets the order of all layers.
function __syslua_order
    set -l order "$argv "
    if not set -q argv[1]
        set -e __SYSLUA_LAYERS
    else if test "$order" != "$__SYSLUA_LAYERS"
        set -gx __SYSLUA_LAYERS "$order"
    end
end

# Takes back what is no longer declared: the variable of the memory, the stamp, the sort of the layer, and what is declared as
# the memory has it: NAME, or NAME+N for a list whose separator has N characters.
function __syslua_begin
    set -g __syslua_memory $argv[1]
    set -g __syslua_stamp $argv[2]
    set -g __syslua_sort $argv[3]
    set -g __syslua_declared $argv[4..-1]
    set -g __syslua_index (string split ' ' -- "$$__syslua_memory")
    __syslua_stack $argv[1] $argv[3]
    __syslua_order $__syslua_lower $__syslua_own $__syslua_upper
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

# Leaves a project: the variable of its memory. What has another value than at entry stays.
function __syslua_leave
    set -l memory $argv[1]
    set -l kept
    set -l index (string split ' ' -- "$$memory")
    __syslua_stack $memory ''
    for word in $index[2..-1]
        string match -qr '^[A-Za-z_][A-Za-z0-9_]*$' -- $word
        or continue
        __syslua_find $word
        set -l own {$memory}_0$word
        test "$$__syslua_at" = "$$own"
        or set -a kept $word
    end
    __syslua_drop $memory $kept
end

# Takes all of a layer back: the variable of its memory, and what stays as it is.
function __syslua_drop
    set -l memory $argv[1]
    __syslua_begin $memory left '' $argv[2..-1]
    for word in $argv[2..-1]
        set -e {$memory}_0$word
        set -e {$memory}_$word
    end
    set -e $memory
    set -g __syslua_is_new ''
    __syslua_order $__syslua_lower $__syslua_upper
    builtin functions -q __syslua_undo
    and __syslua_undo $memory
end

# Gives a variable the value that it had before, if it had one.
function __syslua_restore
    set -l old {$__syslua_memory}_$argv[1]
    __syslua_find $argv[1]
    if set -q $old
        set -gx $__syslua_at "$$old"
        set -e $old
    else
        set -e $__syslua_at
    end
    set -e {$__syslua_memory}_0$argv[1]
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
    __syslua_share $name $separator $__syslua_lower $__syslua_upper
    if test -n "$$name"
        for entry in (string split -- $separator "$$name")
            if not builtin contains -- "$entry" $ours; or builtin contains -- "$entry" $__syslua_shared
                set -a rest "$entry"
            end
        end
    end
    if set -q rest[1]
        set -gx $name (string join -- $separator $rest | string collect)
    else
        set -e $name
    end
    set -e $memory
end

# Sets a variable: its name and its value. A project remembers it as well.
function __syslua_single
    __syslua_find $argv[1]
    if test -z "$__syslua_is_new"
        set -q $__syslua_at
        and return
    else if set -q $__syslua_at; and not builtin contains -- $argv[1] $__syslua_index
        set -gx {$__syslua_memory}_$argv[1] "$$__syslua_at"
    end
    set -gx $__syslua_at $argv[2]
    if test -n "$__syslua_sort"
        set -gx {$__syslua_memory}_0$argv[1] $argv[2]
    end
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
        __syslua_share $name $separator $__syslua_lower $__syslua_upper
        set -l added
        for entry in $new
            if builtin contains -- $entry $ours; or builtin contains -- $entry $__syslua_shared; or not builtin contains -- $entry $there
                set -a added $entry
            end
        end
        set -l before
        set -l after
        set -l is_found ''
        for entry in $there
            if builtin contains -- "$entry" $ours
                set is_found 1
                if builtin contains -- "$entry" $__syslua_shared; and not builtin contains -- "$entry" $new
                    set -a after "$entry"
                end
            else if builtin contains -- "$entry" $new
            else if test -n "$is_found"
                set -a after "$entry"
            else
                set -a before "$entry"
            end
        end
        if test -z "$is_found"
            # After those of the layers above.
            __syslua_share $name $separator $__syslua_upper
            set after $before
            set before
            while set -q after[1]; and builtin contains -- "$after[1]" $__syslua_shared
                set -a before "$after[1]"
                set -e after[1]
            end
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
    set -e __syslua_memory __syslua_stamp __syslua_declared __syslua_index __syslua_is_new __syslua_sort __syslua_lower \
        __syslua_upper __syslua_own __syslua_at __syslua_shared
    builtin functions -e __syslua_stack __syslua_find __syslua_share __syslua_order __syslua_begin __syslua_leave \
        __syslua_drop __syslua_restore __syslua_take_back __syslua_single __syslua_list __syslua_end
end
