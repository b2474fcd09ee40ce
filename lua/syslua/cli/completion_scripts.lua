--- Writes what shells complete as their scripts. It does not know what there is to complete.

local completion_scripts = {}

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function get_flag_names(command)
  local names = {}
  for index, flag in ipairs(command.flags) do
    names[index] = flag.name
  end
  return table.concat(names, " ")
end

local function get_names(commands)
  local names = {}
  for index, command in ipairs(commands) do
    names[index] = command.name
  end
  return table.concat(names, " ")
end

-- The call that gives the values of a place, in bash and zsh.
local function get_values_call(completed)
  if completed.words then
    return "__sys_words " .. quote(table.concat(completed.words, " "))
  elseif completed.kind == "files" or not completed.kind then
    return "__sys_files"
  end
  return '__sys_words "$(command sys completions --values ' .. completed.kind .. ' 2>/dev/null)"'
end

-- What follows a flag, and which flags and arguments a command has: the same in bash and zsh.
local function add_cases(lines, commands)
  local function add(text)
    lines[#lines + 1] = text
  end
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
  add(("    '') __sys_words %s; return ;;"):format(quote(get_names(commands))))
  for _, command in ipairs(commands) do
    add(("    %s)"):format(command.name))
    add(
      ('      case "$current" in -*) __sys_words %s; return ;; esac'):format(
        quote(get_flag_names(command))
      )
    )
    add('      case "$place" in')
    for place, argument in ipairs(command.arguments) do
      local pattern = place == #command.arguments and "*" or tostring(place)
      add(("        %s) %s ;;"):format(pattern, get_values_call(argument)))
    end
    add("      esac ;;")
  end
  add("  esac")
end

--- The script of bash.
---@param commands syslua.cli.CompletedCommand[]
---@return string
function completion_scripts.bash(commands)
  local lines = {
    "# Completion of sys in bash. Made by `sys completions bash`.",
    '__sys_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}"); }',
    '__sys_files() { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"); }',
    "__sys_complete() {",
    "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= place=0 index",
    "  COMPREPLY=()",
    "  for ((index = 1; index < COMP_CWORD; index++)); do",
    "    case ${COMP_WORDS[index]} in",
    "      -*) ;;",
    "      *) if [[ -z $command ]]; then command=${COMP_WORDS[index]}; else ((place++)); fi ;;",
    "    esac",
    "  done",
    "  ((place++))",
  }
  add_cases(lines, commands)
  lines[#lines + 1] = "}"
  lines[#lines + 1] = "complete -F __sys_complete sys"
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
    "_sys() {",
    "  local current=$words[CURRENT] previous=$words[CURRENT-1] command= place=0 index",
    "  for ((index = 2; index < CURRENT; index++)); do",
    "    case $words[index] in",
    "      -*) ;;",
    "      *) if [[ -z $command ]]; then command=$words[index]; else ((place++)); fi ;;",
    "    esac",
    "  done",
    "  ((place++))",
    "  if [[ -z $command && $current != -* ]]; then",
    "    local -a names",
    "    names=(",
  }
  for _, command in ipairs(commands) do
    lines[#lines + 1] = "      " .. quote(command.name .. ":" .. command.summary)
  end
  lines[#lines + 1] = "    )"
  lines[#lines + 1] = "    _describe command names; return"
  lines[#lines + 1] = "  fi"
  add_cases(lines, commands)
  lines[#lines + 1] = "}"
  -- As a function of fpath it is called; read as a script, it registers itself.
  lines[#lines + 1] = 'if [[ $funcstack[1] = _sys ]]; then _sys "$@"; else compdef _sys sys; fi'
  return table.concat(lines, "\n") .. "\n"
end

local function quote_for_fish(text)
  return "'" .. text:gsub("[\\']", "\\%0") .. "'"
end

local function get_fish_values(completed)
  if completed.words then
    return " -xa " .. quote_for_fish(table.concat(completed.words, " "))
  elseif completed.kind == "files" or not completed.kind then
    return " -r"
  end
  return (" -xa '(command sys completions --values %s 2>/dev/null)'"):format(completed.kind)
end

--- The script of fish.
---@param commands syslua.cli.CompletedCommand[]
---@return string
function completion_scripts.fish(commands)
  local lines =
    { "# Completion of sys in fish. Made by `sys completions fish`.", "complete -c sys -f" }
  for _, command in ipairs(commands) do
    lines[#lines + 1] = ("complete -c sys -n __fish_use_subcommand -a %s -d %s"):format(
      command.name,
      quote_for_fish(command.summary)
    )
    local start = "complete -c sys -n '__fish_seen_subcommand_from " .. command.name .. "'"
    for _, flag in ipairs(command.flags) do
      local name = flag.name:match("^%-%-(.*)$")
      lines[#lines + 1] = ("%s %s %s -d %s%s"):format(
        start,
        name and "-l" or "-s",
        name or flag.name:sub(2),
        quote_for_fish(flag.description),
        flag.takes_argument and get_fish_values(flag) or ""
      )
    end
    for _, argument in ipairs(command.arguments) do
      if argument.kind == "files" then
        lines[#lines + 1] = start .. " -F"
      elseif argument.kind or argument.words then
        lines[#lines + 1] = start .. get_fish_values(argument)
      end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The script of Nushell.
---@param commands syslua.cli.CompletedCommand[]
---@return string
function completion_scripts.nushell(commands)
  local lines = { "# Completion of sys in Nushell. Made by `sys completions nushell`." }
  for _, kind in ipairs({ "snapshots", "objects", "projects", "shells", "commands" }) do
    lines[#lines + 1] = ('def "nu-complete sys %s" [] { ^sys completions --values %s | lines }'):format(
      kind,
      kind
    )
  end
  local function get_type(completed)
    if completed.kind == "files" then
      return ": path"
    elseif completed.kind then
      return (': string@"nu-complete sys %s"'):format(completed.kind)
    end
    return ": string"
  end
  for _, command in ipairs(commands) do
    lines[#lines + 1] = "# " .. command.summary
    lines[#lines + 1] = ('export extern "sys %s" ['):format(command.name)
    for _, flag in ipairs(command.flags) do
      -- A short name alone is no flag there; `-h` is Nushell's own.
      if flag.name:find("^%-%-") and flag.name ~= "--help" then
        lines[#lines + 1] = ("  %s%s # %s"):format(
          flag.name,
          flag.takes_argument and get_type(flag) or "",
          flag.description
        )
      end
    end
    if command.arguments[1] then
      lines[#lines + 1] = "  ...words" .. get_type(command.arguments[1])
    end
    lines[#lines + 1] = "]"
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The script of PowerShell.
---@param commands syslua.cli.CompletedCommand[]
---@return string
function completion_scripts.powershell(commands)
  local function quote_for_powershell(text)
    return "'" .. text:gsub("'", "''") .. "'"
  end
  local lines = {
    "# Completion of sys in PowerShell. Made by `sys completions powershell`.",
    "Register-ArgumentCompleter -Native -CommandName sys -ScriptBlock {",
    "  param($wordToComplete, $commandAst, $cursorPosition)",
    "  $flags = @{",
  }
  for _, command in ipairs(commands) do
    lines[#lines + 1] = ("    %s = %s"):format(
      quote_for_powershell(command.name),
      quote_for_powershell(get_flag_names(command))
    )
  end
  for _, line in ipairs({
    "  }",
    "  $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })",
    "  $command = $words | Where-Object { $flags.ContainsKey($_) } | Select-Object -First 1",
    "  $candidates = @($flags.Keys | Sort-Object)",
    "  if ($command) { $candidates = $flags[$command].Split(' ') }",
    '  $candidates | Where-Object { $_ -like "$wordToComplete*" } |',
    "    ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }",
    "}",
  }) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n") .. "\n"
end

return completion_scripts
