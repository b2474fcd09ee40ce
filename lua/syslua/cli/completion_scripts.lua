--- Writes what shells complete as their scripts. It does not know what there is to complete.

local completion_scripts = {}

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function get_names(list)
  local names = {}
  for index, item in ipairs(list) do
    names[index] = item.name
  end
  return table.concat(names, " ")
end

-- The call that gives the values of a place, in bash and zsh.
local function get_values_call(completed)
  if completed.words then
    return "__sys_words " .. quote(table.concat(completed.words, " "))
  elseif completed.kind == "files" then
    return "__sys_files"
  elseif not completed.kind then
    return ":"
  end
  return '__sys_words "$(command sys completions --values ' .. completed.kind .. ' 2>/dev/null)"'
end

-- Flags that have an argument, each after its command; those that have several, or those that have
-- one.
local function list_taking(commands, is_many)
  local taking = {}
  for _, command in ipairs(commands) do
    for _, flag in ipairs(command.flags) do
      if flag.takes_argument and flag.is_many == is_many then
        taking[#taking + 1] = command.name .. " " .. flag.name
      end
    end
  end
  return taking
end

-- What is before a command, and then all commands.
local function join(before, commands)
  local all = { before }
  for index, command in ipairs(commands) do
    all[index + 1] = command
  end
  return all
end

-- Pairs of first arguments and what may follow them, of an argument.
local function list_following(argument)
  local list = {}
  for first, words in require("syslua.util.ordered_pairs")(argument.after or {}) do
    list[#list + 1] = { first = first, words = words }
  end
  return list
end

local function quote_all(texts, separator, how)
  local quoted = {}
  for index, text in ipairs(texts) do
    quoted[index] = (how or quote)(text)
  end
  return table.concat(quoted, separator)
end

-- What bash and zsh have in common: what is offered for a word, after other words.
local function add_common(lines, commands, before)
  local function add(text, ...)
    lines[#lines + 1] = select("#", ...) > 0 and text:format(...) or text
  end
  local all = join(before, commands)
  add("# The word, and all before it.")
  add("__sys_offer() {")
  add("  local current=$1 command= first= place=1 flag= many= word")
  add("  shift")
  add('  for word in "$@"; do')
  add("    if [[ $word == '=' ]]; then continue; fi")
  add("    if [[ -n $flag && ( -z $many || $word != -* ) ]]; then")
  add("      if [[ -z $many ]]; then flag=; fi")
  add("      continue")
  add("    fi")
  add("    flag= many=")
  add("    case $word in")
  add("      --) __sys_files; return ;;")
  add('      -*) case "$command $word" in')
  add("          %s) flag=$word ;;", quote_all(list_taking(all, false), "|"))
  add("          %s) flag=$word many=1 ;;", quote_all(list_taking(all, true), "|"))
  add("        esac ;;")
  add("      *)")
  add("        if [[ -z $command ]]; then command=$word; continue; fi")
  add("        if [[ $place == 1 ]]; then first=$word; fi")
  add('        case "$command $place" in')
  for _, command in ipairs(commands) do
    if command.ends_at then
      add("          %s) __sys_files; return ;;", quote(command.name .. " " .. command.ends_at))
    end
  end
  add("        esac")
  add("        place=$((place + 1)) ;;")
  add("    esac")
  add("  done")
  add("  if [[ -n $flag && ( -z $many || $current != -* ) ]]; then")
  add('    case "$command $flag" in')
  for _, command in ipairs(all) do
    for _, flag in ipairs(command.flags) do
      if flag.takes_argument then
        add("      %s) %s ;;", quote(command.name .. " " .. flag.name), get_values_call(flag))
      end
    end
  end
  add("    esac")
  add("    return")
  add("  fi")
  add('  case "$command" in')
  for _, command in ipairs(all) do
    add("    %s)", quote(command.name))
    add('      case "$current" in')
    add("        -*) __sys_words %s; return ;;", quote(get_names(command.flags)))
    add("      esac")
    if command == before then
      add("      __sys_commands %s ;;", quote(get_names(commands)))
    elseif command.arguments[1] then
      add('      case "$first $place" in')
      for place, argument in ipairs(command.arguments) do
        for _, following in ipairs(list_following(argument)) do
          local words = quote(table.concat(following.words, " "))
          add("        %s) __sys_words %s ;;", quote(following.first .. " " .. place), words)
        end
        if argument.kind or argument.words then
          local is_last = place == #command.arguments and argument.is_repeated
          local pattern = "*' '" .. (is_last and "*" or place)
          add("        %s) %s ;;", pattern, get_values_call(argument))
        end
      end
      add("      esac ;;")
    else
      add("      ;;")
    end
  end
  add("  esac")
  add("}")
end

--- The script of bash.
---@param commands syslua.cli.CompletedCommand[]
---@param before syslua.cli.CompletedCommand what comes before a command
---@return string
function completion_scripts.bash(commands, before)
  local lines = {
    "# Completion of sys in bash. Made by `sys completions bash`.",
    '__sys_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current"); }',
    '__sys_commands() { __sys_words "$1"; }',
    '__sys_files() { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); }',
  }
  add_common(lines, commands, before)
  for _, line in ipairs({
    "__sys_complete() {",
    "  local current=${COMP_WORDS[COMP_CWORD]}",
    "  COMPREPLY=()",
    "  # `=` is a word of its own.",
    "  if [[ $current == '=' ]]; then current=; fi",
    '  __sys_offer "$current" "${COMP_WORDS[@]:1:COMP_CWORD-1}"',
    "}",
    "complete -F __sys_complete sys",
  }) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The script of zsh: a file `_sys` in a directory of fpath, or read after compinit.
---@param commands syslua.cli.CompletedCommand[]
---@param before syslua.cli.CompletedCommand what comes before a command
---@return string
function completion_scripts.zsh(commands, before)
  local lines = {
    "#compdef sys",
    "# Completion of sys in zsh. Made by `sys completions zsh`.",
    "__sys_words() { local -a found; found=(${=1}); compadd -- $found; }",
    "__sys_files() { _files; }",
    "__sys_commands() {",
    "  local -a names",
    "  names=(",
  }
  for _, command in ipairs(commands) do
    lines[#lines + 1] = "    " .. quote(command.name .. ":" .. command.summary)
  end
  lines[#lines + 1] = "  )"
  lines[#lines + 1] = "  _describe command names"
  lines[#lines + 1] = "}"
  add_common(lines, commands, before)
  for _, line in ipairs({
    "_sys() {",
    "  local current=$words[CURRENT]",
    '  local -a others; others=("${(@)words[2,CURRENT-1]}")',
    "  if [[ $current == --*=* ]]; then others+=(${current%%=*}) current=${current#*=}; "
      .. "compset -P '*='; fi",
    '  __sys_offer "$current" "${(@)others}"',
    "}",
    -- As a function of fpath it is called; read as a script, it registers itself.
    'if [[ $funcstack[1] = _sys ]]; then _sys "$@"; else compdef _sys sys; fi',
  }) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n") .. "\n"
end

local function quote_for_fish(text)
  return "'" .. text:gsub("[\\']", "\\%0") .. "'"
end

-- What fish offers, as arguments of `complete`.
local function get_fish_values(completed)
  if completed.words then
    return " -xa " .. quote_for_fish(table.concat(completed.words, " "))
  elseif completed.kind == "files" then
    return " -rF"
  elseif not completed.kind then
    return " -x"
  end
  return (" -xa '(command sys completions --values %s 2>/dev/null)'"):format(completed.kind)
end

-- The arguments after which all words are those of another program, each after its command.
local function list_ends(commands)
  local ends = {}
  for _, command in ipairs(commands) do
    if command.ends_at then
      ends[#ends + 1] = command.name .. " " .. command.ends_at
    end
  end
  return ends
end

--- The script of fish.
---@param commands syslua.cli.CompletedCommand[]
---@param before syslua.cli.CompletedCommand what comes before a command
---@return string
function completion_scripts.fish(commands, before)
  local all = join(before, commands)
  local lines = {
    "# Completion of sys in fish. Made by `sys completions fish`.",
    "set -g __sys_taking " .. quote_all(list_taking(all, false), " ", quote_for_fish),
    "set -g __sys_many " .. quote_all(list_taking(all, true), " ", quote_for_fish),
    "set -g __sys_ends " .. quote_all(list_ends(commands), " ", quote_for_fish),
    "# Whether the command is this one, and the argument that of a place, or one after it; with",
    "# `after`, where the first argument is another word; with `flag`, that of a flag.",
    "function __sys_at",
    "    set -l words (commandline -opc)",
    "    set -l name ''",
    "    set -l first ''",
    "    set -l place 1",
    "    set -l flag ''",
    "    set -l many ''",
    "    for word in $words[2..-1]",
    '        if test -n "$flag"',
    "            set flag ''",
    "            continue",
    "        end",
    "        switch $word",
    "            case --",
    "                return 1",
    "            case '-*'",
    "                set many ''",
    '                contains -- "$name $word" $__sys_taking',
    "                and set flag $word",
    '                contains -- "$name $word" $__sys_many',
    "                and set many $word",
    "            case '*'",
    '                if test -n "$many"',
    "                    continue",
    '                else if test -z "$name"',
    "                    set name $word",
    "                else",
    "                    test $place = 1",
    "                    and set first $word",
    '                    contains -- "$name $place" $__sys_ends',
    "                    and return 1",
    "                    set place (math $place + 1)",
    "                end",
    "        end",
    "    end",
    '    test "$name" = "$argv[1]"',
    "    or return 1",
    "    set -q argv[2]",
    "    or return 0",
    '    if test "$argv[2]" = flag',
    '        test "x$many" = "x$argv[3]"',
    "        return",
    "    end",
    '    test -z "$many"',
    "    or return 1",
    '    if test "$argv[3]" = after',
    '        test "$place $first" = "$argv[2] $argv[4]"',
    "        return",
    "    end",
    '    test $place = $argv[2]; or test "$argv[3]" = more -a $place -gt $argv[2]',
    "end",
    "complete -c sys -e",
    "complete -c sys -f",
  }
  for _, command in ipairs(commands) do
    lines[#lines + 1] = ("complete -c sys -n \"__sys_at '' 1\" -a %s -d %s"):format(
      command.name,
      quote_for_fish(command.summary)
    )
  end
  for _, command in ipairs(all) do
    local shown = command == before and "\\'\\'" or command.name
    for _, flag in ipairs(command.flags) do
      local name = flag.name:match("^%-%-(.*)$")
      lines[#lines + 1] = ("complete -c sys -n '__sys_at %s' %s %s -d %s%s"):format(
        shown,
        name and "-l" or "-s",
        name or flag.name:sub(2),
        quote_for_fish(flag.description),
        flag.takes_argument and get_fish_values(flag) or ""
      )
      if flag.is_many then
        lines[#lines + 1] = ("complete -c sys -n '__sys_at %s flag %s'%s"):format(
          shown,
          flag.name,
          get_fish_values(flag)
        )
      end
    end
    for place, argument in ipairs(command == before and {} or command.arguments) do
      for _, following in ipairs(list_following(argument)) do
        lines[#lines + 1] = ("complete -c sys -n '__sys_at %s %d after %s'%s"):format(
          shown,
          place,
          following.first,
          get_fish_values(following)
        )
      end
      local more = place == #command.arguments and argument.is_repeated and " more" or ""
      local start = ("complete -c sys -n '__sys_at %s %d%s'"):format(command.name, place, more)
      if argument.kind == "files" then
        lines[#lines + 1] = start .. " -F"
      elseif argument.kind or argument.words then
        lines[#lines + 1] = start .. get_fish_values(argument)
      end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

-- The types of Nushell; a list of words has its own completer.
local function new_nushell_types(lines)
  local known = {}
  return function(completed)
    if completed.kind == "files" then
      return ": path"
    elseif completed.kind then
      return (': string@"nu-complete sys %s"'):format(completed.kind)
    elseif not completed.words then
      return ": string"
    end
    local words = table.concat(completed.words, " ")
    if not known[words] then
      known[#known + 1] = words
      known[words] = ("nu-complete sys words %d"):format(#known)
      lines[#lines + 1] = ('def "%s" [] { [%s] }'):format(known[words], words)
    end
    return (': string@"%s"'):format(known[words])
  end
end

local function add_nushell_flags(entry, command, get_type)
  for _, flag in ipairs(command.flags) do
    -- A short name alone is not a flag there; help is Nushell's own.
    if flag.name:find("^%-%-") and flag.name ~= "--help" then
      local short = flag.short and ("(%s)"):format(flag.short) or ""
      local shown = flag.takes_argument and get_type(flag) or ""
      entry[#entry + 1] = ("  %s%s%s # %s"):format(flag.name, short, shown, flag.description)
    end
  end
end

-- What follows a first argument: the completer is told the line.
local function add_nushell_following(lines, command, following)
  local name = ("nu-complete sys %s %s"):format(command.name, following.first)
  lines[#lines + 1] = ('def "%s" [line: string] {'):format(name)
  lines[#lines + 1] = ("  if $line =~ ' %s +[^ ]*$' { [%s] } else { [] }"):format(
    following.first,
    table.concat(following.words, " ")
  )
  lines[#lines + 1] = "}"
  return (': string@"%s"'):format(name)
end

--- The script of Nushell. `sys` is also a command of Nushell: those named here run sys.lua.
---@param commands syslua.cli.CompletedCommand[]
---@param before syslua.cli.CompletedCommand what comes before a command
---@return string
function completion_scripts.nushell(commands, before)
  local lines = { "# Completion of sys in Nushell. Made by `sys completions nushell`." }
  for _, kind in ipairs(require("syslua.cli.completion_data").kinds) do
    local line = 'def "nu-complete sys %s" [] { ^sys completions --values %s | lines }'
    lines[#lines + 1] = line:format(kind, kind)
  end
  local get_type = new_nushell_types(lines)
  -- After flags only: without them Nushell already offers the commands below.
  lines[#lines + 1] = 'def "nu-complete sys command" [line: string] {'
  lines[#lines + 1] = ("  if $line =~ 'sys +-' { [%s] } else { [] }"):format(get_names(commands))
  lines[#lines + 1] = "}"
  local first = { "# What comes before a command.", 'export extern "sys" [' }
  add_nushell_flags(first, before, get_type)
  first[#first + 1] = '  command?: string@"nu-complete sys command"'
  first[#first + 1] = "  ...words: string"
  first[#first + 1] = "]"
  for _, line in ipairs(first) do
    lines[#lines + 1] = line
  end
  for _, command in ipairs(commands) do
    ---@type string[]
    local entry = { "# " .. command.summary }
    if command.passes_on then
      -- Unknown flags are those of another program.
      entry[2] = ('export def --wrapped "sys %s" [...words%s] { ^sys %s ...$words }'):format(
        command.name,
        get_type(command.arguments[1] or {}),
        command.name
      )
    else
      entry[2] = ('export extern "sys %s" ['):format(command.name)
      add_nushell_flags(entry, command, get_type)
      for place, argument in ipairs(command.arguments) do
        local name = argument.is_repeated and "...words" or ("word%d?"):format(place)
        local shown = get_type(argument)
        for _, following in ipairs(list_following(argument)) do
          shown = add_nushell_following(lines, command, following)
        end
        entry[#entry + 1] = "  " .. name .. shown
      end
      for _, flag in ipairs(command.flags) do
        -- A flag has one argument there: others are words.
        if flag.is_many and not command.arguments[1] and flag.name:find("^%-%-") then
          entry[#entry + 1] = "  ...words" .. get_type(flag)
        end
      end
      entry[#entry + 1] = "]"
    end
    for _, line in ipairs(entry) do
      lines[#lines + 1] = line
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

local function quote_for_powershell(text)
  return "'" .. text:gsub("'", "''") .. "'"
end

-- A table of PowerShell: the values for a place. By default PowerShell offers files.
local function add_powershell_places(lines, commands)
  local function add(place, completed)
    ---@type string?
    local offered
    if completed.words then
      offered = table.concat(completed.words, " ")
    elseif completed.kind and completed.kind ~= "files" then
      offered = "@" .. completed.kind
    end
    if offered then
      lines[#lines + 1] = ("    %s = %s"):format(
        quote_for_powershell(place),
        quote_for_powershell(offered)
      )
    end
  end
  for _, command in ipairs(commands) do
    for _, flag in ipairs(command.flags) do
      if flag.takes_argument then
        add(command.name .. " " .. flag.name, flag)
      end
    end
    for place, argument in ipairs(command.arguments) do
      local is_last = place == #command.arguments and argument.is_repeated
      add(("%s %s"):format(command.name, is_last and "*" or place), argument)
      for _, following in ipairs(list_following(argument)) do
        add(("%s %s %d"):format(command.name, following.first, place), following)
      end
    end
  end
end

--- The script of PowerShell.
---@param commands syslua.cli.CompletedCommand[]
---@param before syslua.cli.CompletedCommand what comes before a command
---@return string
function completion_scripts.powershell(commands, before)
  local lines = {
    "# Completion of sys in PowerShell. Made by `sys completions powershell`.",
    "Register-ArgumentCompleter -Native -CommandName sys -ScriptBlock {",
    "  param($wordToComplete, $commandAst, $cursorPosition)",
    "  $flags = [ordered]@{",
  }
  local all = join(before, commands)
  for _, command in ipairs(all) do
    lines[#lines + 1] = ("    %s = %s"):format(
      quote_for_powershell(command.name),
      quote_for_powershell(get_names(command.flags))
    )
  end
  lines[#lines + 1] = "  }"
  lines[#lines + 1] =
    "  # What is offered after a flag, or as an argument: words, or @ and a kind of values."
  lines[#lines + 1] = "  $places = @{"
  add_powershell_places(lines, all)
  lines[#lines + 1] = "  }"
  for _, one in ipairs({
    { "taking", list_taking(all, false) },
    { "many", list_taking(all, true) },
    { "ends", list_ends(commands) },
  }) do
    local texts = quote_all(one[2], ", ", quote_for_powershell)
    lines[#lines + 1] = ("  $%s = @(%s)"):format(one[1], texts)
  end
  for _, line in ipairs({
    "  $words = @($commandAst.CommandElements | Select-Object -Skip 1 |",
    "    Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { "
      .. "$_.ToString() })",
    "  $command = ''",
    "  $first = ''",
    "  $place = 1",
    "  $flag = ''",
    "  $several = ''",
    "  foreach ($word in $words) {",
    "    if ($flag -ne '') {",
    "      $flag = ''",
    "      continue",
    "    }",
    "    if ($word.StartsWith('-')) {",
    "      $several = ''",
    '      if ($taking -ccontains "$command $word") { $flag = $word }',
    '      if ($many -ccontains "$command $word") { $several = $word }',
    "    } elseif ($several -ne '') {",
    "      continue",
    "    } elseif ($command -eq '') {",
    "      $command = $word",
    "    } else {",
    '      if ($ends -ccontains "$command $place") { return }',
    "      if ($place -eq 1) { $first = $word }",
    "      $place += 1",
    "    }",
    "  }",
    "  $offered = ''",
    "  if ($flag -ne '') {",
    '    $offered = [string]$places["$command $flag"]',
    "  } elseif ($wordToComplete.StartsWith('-')) {",
    "    $offered = [string]$flags[$command]",
    "  } elseif ($several -ne '') {",
    '    $offered = [string]$places["$command $several"]',
    '  } elseif ($places.ContainsKey("$command $first $place")) {',
    '    $offered = $places["$command $first $place"]',
    '  } elseif ($places.ContainsKey("$command $place")) {',
    '    $offered = $places["$command $place"]',
    "  } else {",
    '    $offered = [string]$places["$command *"]',
    "  }",
    "  if ($offered.StartsWith('@')) {",
    "    $offered = @(& sys completions --values $offered.Substring(1) 2>$null) -join ' '",
    "  }",
    "  $offered.Split(' ') | Where-Object { ($_ -ne '') -and ($_ -like \"$wordToComplete*\") } |",
    "    ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }",
    "}",
  }) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n") .. "\n"
end

return completion_scripts
