-- What the modules of bash, zsh and fish share: how words are quoted, and how the environment of
-- sys.lua is read.

local shell = {}

--- Returns a function that raises a failure of a module.
---@param name string the module
---@return fun(message: string, ...: any)
function shell.fail_of(name)
  return function(message, ...)
    error(("modules.programs.%s: %s"):format(name, message:format(...)), 0)
  end
end

local function check_text(value)
  local shown = type(value) == "number" and syslua.lib.toJSON(value) or value
  if type(shown) ~= "string" then
    local given = getmetatable(value) == "syslua.Secret" and "secret" or type(value)
    error(("expected a string or a number, got a %s"):format(given), 0)
  elseif shown:find("%z") then
    error(("%q has a NUL byte"):format(shown), 0)
  end
  return shown
end

--- Returns a word of sh, bash and zsh that is a text.
---@param value string|number
---@return string
function shell.quote(value)
  return "'" .. check_text(value):gsub("'", "'\\''") .. "'"
end

--- Returns a word of fish that is a text.
---@param value string|number
---@return string
function shell.quote_fish(value)
  return "'" .. check_text(value):gsub("['\\]", "\\%0") .. "'"
end

--- Returns a path as a word of sh, bash and zsh: `~/` is expanded outside of quotes only.
---@param path string
---@return string
function shell.quote_path(path)
  local below = path:match("^~/(.*)$") or path:match("^%$HOME/(.*)$")
  return below and "~/" .. shell.quote(below) or shell.quote(path)
end

--- Returns a whole number as it is written.
---@param module string
---@param name string the option
---@param value any
---@return string
function shell.integer(module, name, value)
  if type(value) ~= "number" or value % 1 ~= 0 then
    shell.fail_of(module)("%s: expected a whole number", name)
  end
  return ("%d"):format(value)
end

--- Checks the name of a keymap.
---@param module string
---@param keymap any
function shell.check_keymap(module, keymap)
  if keymap ~= "vi" and keymap ~= "emacs" then
    shell.fail_of(module)('keymap: expected "vi" or "emacs", got %q', tostring(keymap))
  end
end

--- Sets variables of the shell, those that come first by name.
---@param lines string[]
---@param module string
---@param variables table<string, string|number>
function shell.add_variables(lines, module, variables)
  for name, value in pairs(variables) do
    if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
      shell.fail_of(module)("%q cannot be the name of a variable", tostring(name))
    end
    lines[#lines + 1] = ("%s=%s"):format(name, shell.quote(value))
  end
end

--- Defines functions of bash and zsh. A text is read when the shell begins: an error in it is an
-- error of that function only.
---@param lines string[]
---@param module string
---@param functions table<string, string>
function shell.add_functions(lines, module, functions)
  for name, text in pairs(functions) do
    if type(name) ~= "string" or not name:find("^[%a_][%w_-]*$") then
      shell.fail_of(module)("%q cannot be the name of a function", tostring(name))
    elseif type(text) ~= "string" or not text:find("%S") then
      shell.fail_of(module)("functions.%s: expected its commands", name)
    end
    lines[#lines + 1] = "eval " .. shell.quote(("function %s {\n%s\n}"):format(name, text))
  end
end

--- Defines aliases of bash and zsh.
---@param lines string[]
---@param module string
---@param aliases table<string, string>
---@param flags string? of `alias`
function shell.add_aliases(lines, module, aliases, flags)
  for name, value in pairs(aliases) do
    -- What bash and zsh refuse or expand in names.
    if type(name) ~= "string" or name == "" or name:find("[%s%z/$`='\"\\|&;()<>]") then
      shell.fail_of(module)("%q cannot be the name of an alias", tostring(name))
    elseif type(value) ~= "string" then
      shell.fail_of(module)("aliases.%s: expected a string", name)
    end
    local name_and_value = ("%s=%s"):format(shell.quote(name), shell.quote(value))
    lines[#lines + 1] = ("alias %s-- %s"):format(flags or "", name_and_value)
  end
end

--- Adds lines as they are.
---@param lines string[]
---@param more string[]
function shell.add_lines(lines, more)
  for _, line in ipairs(more) do
    lines[#lines + 1] = line
  end
end

-- Looks where the root is: of the user, or of the system. The user's own comes first.
local environments = {
  sh = [=[
for __syslua_env in "${SYSLUA_ROOT:-%s}" "/syslua/users/${USER:-}" /syslua; do
  if [ -r "$__syslua_env/env.sh" ]; then
    . "$__syslua_env/env.sh"
    break
  fi
done
unset __syslua_env]=],
  fish = [=[
for __syslua_env in $SYSLUA_ROOT "%s" "/syslua/users/$USER" /syslua
    if test -r $__syslua_env/env.fish
        source $__syslua_env/env.fish
        break
    end
end
set -e __syslua_env]=],
}

--- Returns the lines that read the environment of sys.lua.
---@param language "sh"|"fish"
---@return string
function shell.environment(language)
  local root = "${XDG_DATA_HOME:-$HOME/.local/share}/syslua"
  if syslua.is_darwin then
    root = "$HOME/Library/Application Support/syslua"
  elseif language == "fish" then
    root = "$(set -q XDG_DATA_HOME; and echo $XDG_DATA_HOME; or echo $HOME/.local/share)/syslua"
  end
  return (environments[language]:gsub("%%s", (root:gsub("%%", "%%%%"))))
end

-- What reads the script that a program prints for a shell; nothing happens where the program is
-- missing.
---@type table<string, string?>
local hooks = {
  bash = 'if command -v {program} >/dev/null; then eval "$({program} {arguments})"; fi\n',
  zsh = 'if command -v {program} >/dev/null; then eval "$({program} {arguments})"; fi\n',
  fish = "if command -q {program}\n    {program} {arguments} | source\nend\n",
  elvish = "if (has-external {program}) { eval ({program} {arguments} | slurp) }\n",
  powershell = "if (Get-Command {program} -ErrorAction SilentlyContinue) "
    .. "{ Invoke-Expression (& {program} {arguments} | Out-String) }\n",
}

--- Has shells read the script that a program prints for them.
---@param program string
---@param shells syslua.ShellName[]
---@param arguments table<string, string> by shell: with what the program prints it
function shell.add_hooks(program, shells, arguments)
  for _, name in ipairs(shells) do
    local hook = hooks[name]
    if not arguments[name] or not hook then
      shell.fail_of(program)("%s has nothing for the shell %q", program, tostring(name))
      return
    end
    local values = { program = program, arguments = arguments[name] }
    local script = derive({
      name = program .. "-" .. name,
      opts = { text = (hook:gsub("{(%l+)}", values)) },
      config = function(opts, ctx)
        ctx.write(ctx.out, opts.text)
      end,
    })
    activate({
      config = function(_, ctx)
        ctx.source_in_shell(script.out, { shells = { name } })
      end,
    })
  end
end

return shell
