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

-- Flags that have an argument, each after its command.
local function list_taking(commands)
  local taking = {}
  for _, command in ipairs(commands) do
    for _, flag in ipairs(command.flags) do
      if flag.takes_argument then
        taking[#taking + 1] = command.name .. " " .. flag.name
      end
    end
  end
  return taking
end

-- What bash and zsh have in common: what is offered for a word, after other words.
local function add_common(lines, commands)
  local function add(text)
    lines[#lines + 1] = text
  end
  local taking = list_taking(commands)
  for index, text in ipairs(taking) do
    taking[index] = quote(text)
  end
  add("# The word, the one before it, and all before it.")
  add("__sys_offer() {")
  add("  local current=$1 previous=$2 command= place=1 skip= word")
  add("  shift 2")
  add('  for word in "$@"; do')
  add("    if [[ $word == '=' ]]; then skip=1; continue; fi")
  add("    if [[ -n $skip ]]; then skip=; continue; fi")
  add("    case $word in")
  add("      --) __sys_files; return ;;")
  add(
    ('      -*) case "$command $word" in %s) skip=1 ;; esac ;;'):format(table.concat(taking, "|"))
  )
  add("      *) if [[ -z $command ]]; then command=$word; else place=$((place + 1)); fi ;;")
  add("    esac")
  add("  done")
  add('  case "$command $previous" in')
  for _, command in ipairs(commands) do
    for _, flag in ipairs(command.flags) do
      if flag.takes_argument then
        add(("    '%s %s') %s; return ;;"):format(command.name, flag.name, get_values_call(flag)))
      end
    end
  end
  add("  esac")
  add('  case "$command" in')
  add(("    '') __sys_commands %s; return ;;"):format(quote(get_names(commands))))
  for _, command in ipairs(commands) do
    add(("    %s)"):format(command.name))
    add('      case "$current" in')
    add(("        -*) __sys_words %s; return ;;"):format(quote(get_names(command.flags))))
    add("      esac")
    if command.arguments[1] then
      add('      case "$place" in')
      for place, argument in ipairs(command.arguments) do
        local pattern = place == #command.arguments and argument.is_repeated and "*" or place
        add(("        %s) %s ;;"):format(pattern, get_values_call(argument)))
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
---@return string
function completion_scripts.bash(commands)
  local lines = {
    "# Completion of sys in bash. Made by `sys completions bash`.",
    '__sys_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current"); }',
    '__sys_commands() { __sys_words "$1"; }',
    '__sys_files() { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); }',
  }
  add_common(lines, commands)
  for _, line in ipairs({
    "__sys_complete() {",
    "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}",
    "  COMPREPLY=()",
    "  # `=` is a word of its own.",
    "  if [[ $current == '=' ]]; then current=",
    "  elif [[ $previous == '=' ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi",
    '  __sys_offer "$current" "$previous" "${COMP_WORDS[@]:1:COMP_CWORD-1}"',
    "}",
    "complete -F __sys_complete sys",
  }) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The script of zsh: a file `_sys` in a directory of fpath, or read after compinit.
---@param commands syslua.cli.CompletedCommand[]
---@return string
function completion_scripts.zsh(commands)
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
  add_common(lines, commands)
  for _, line in ipairs({
    "_sys() {",
    "  local current=$words[CURRENT] previous=$words[CURRENT-1]",
    "  if [[ $current == --*=* ]]; then previous=${current%%=*} current=${current#*=}; "
      .. "compset -P '*='; fi",
    '  __sys_offer "$current" "$previous" "${(@)words[2,CURRENT-1]}"',
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

--- The script of fish.
---@param commands syslua.cli.CompletedCommand[]
---@return string
function completion_scripts.fish(commands)
  local taking = {}
  for index, text in ipairs(list_taking(commands)) do
    taking[index] = quote_for_fish(text)
  end
  local lines = {
    "# Completion of sys in fish. Made by `sys completions fish`.",
    "set -g __sys_taking " .. table.concat(taking, " "),
    "# Whether the command is this one, and the argument that of a place, or one after it.",
    "function __sys_at",
    "    set -l words (commandline -opc)",
    "    set -l name ''",
    "    set -l place 1",
    "    set -l skip ''",
    "    for word in $words[2..-1]",
    '        if test -n "$skip"',
    "            set skip ''",
    "            continue",
    "        end",
    "        switch $word",
    "            case --",
    "                return 1",
    "            case '-*'",
    '                contains -- "$name $word" $__sys_taking',
    "                and set skip 1",
    "            case '*'",
    '                if test -z "$name"',
    "                    set name $word",
    "                else",
    "                    set place (math $place + 1)",
    "                end",
    "        end",
    "    end",
    '    test "$name" = "$argv[1]"',
    "    or return 1",
    "    set -q argv[2]",
    "    or return 0",
    '    test $place = $argv[2]; or test "$argv[3]" = more -a $place -gt $argv[2]',
    "end",
    "complete -c sys -e",
    "complete -c sys -f",
  }
  for _, command in ipairs(commands) do
    lines[#lines + 1] = ("complete -c sys -n \"__sys_at ''\" -a %s -d %s"):format(
      command.name,
      quote_for_fish(command.summary)
    )
    for _, flag in ipairs(command.flags) do
      local name = flag.name:match("^%-%-(.*)$")
      lines[#lines + 1] = ("complete -c sys -n '__sys_at %s' %s %s -d %s%s"):format(
        command.name,
        name and "-l" or "-s",
        name or flag.name:sub(2),
        quote_for_fish(flag.description),
        flag.takes_argument and get_fish_values(flag) or ""
      )
    end
    for place, argument in ipairs(command.arguments) do
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

--- The script of Nushell. `sys` is also a command of Nushell: those named here run sys.lua.
---@param commands syslua.cli.CompletedCommand[]
---@return string
function completion_scripts.nushell(commands)
  local lines = { "# Completion of sys in Nushell. Made by `sys completions nushell`." }
  for _, kind in ipairs(require("syslua.cli.completion_data").kinds) do
    local line = 'def "nu-complete sys %s" [] { ^sys completions --values %s | lines }'
    lines[#lines + 1] = line:format(kind, kind)
  end
  local get_type = new_nushell_types(lines)
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
        entry[#entry + 1] = "  " .. name .. get_type(argument)
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
    end
  end
end

--- The script of PowerShell.
---@param commands syslua.cli.CompletedCommand[]
---@return string
function completion_scripts.powershell(commands)
  local lines = {
    "# Completion of sys in PowerShell. Made by `sys completions powershell`.",
    "Register-ArgumentCompleter -Native -CommandName sys -ScriptBlock {",
    "  param($wordToComplete, $commandAst, $cursorPosition)",
    "  $flags = [ordered]@{",
  }
  for _, command in ipairs(commands) do
    lines[#lines + 1] = ("    %s = %s"):format(
      quote_for_powershell(command.name),
      quote_for_powershell(get_names(command.flags))
    )
  end
  lines[#lines + 1] = "  }"
  lines[#lines + 1] =
    "  # What is offered after a flag, or as an argument: words, or @ and a kind of values."
  lines[#lines + 1] = "  $places = @{"
  add_powershell_places(lines, commands)
  lines[#lines + 1] = "  }"
  local taking = {}
  for index, text in ipairs(list_taking(commands)) do
    taking[index] = quote_for_powershell(text)
  end
  lines[#lines + 1] = ("  $taking = @(%s)"):format(table.concat(taking, ", "))
  for _, line in ipairs({
    "  $words = @($commandAst.CommandElements | Select-Object -Skip 1 |",
    "    Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { "
      .. "$_.ToString() })",
    "  $command = ''",
    "  $place = 1",
    "  $flag = ''",
    "  foreach ($word in $words) {",
    "    if ($flag -ne '') {",
    "      $flag = ''",
    "    } elseif ($word.StartsWith('-')) {",
    '      if ($taking -ccontains "$command $word") { $flag = $word }',
    "    } elseif ($command -eq '') {",
    "      $command = $word",
    "    } else {",
    "      $place += 1",
    "    }",
    "  }",
    "  $offered = ''",
    "  if ($command -eq '') {",
    "    $offered = @($flags.Keys) -join ' '",
    "  } elseif ($flag -ne '') {",
    '    $offered = [string]$places["$command $flag"]',
    "  } elseif ($wordToComplete.StartsWith('-')) {",
    "    $offered = [string]$flags[$command]",
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
