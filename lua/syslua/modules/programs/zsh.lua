-- zsh: `~/.zshrc`, which also sources the environment of sys.lua.

local function quote(value)
  return "'" .. tostring(value):gsub("'", "'\\''") .. "'"
end

-- Sources the environment, wherever the root is: of the user, or of the system.
local environment = [=[
for __syslua_env in "${SYSLUA_ROOT:-%s}" /syslua/users/$USER /syslua; do
  if [[ -r $__syslua_env/env.sh ]]; then
    . "$__syslua_env/env.sh"
    break
  fi
done
unset __syslua_env]=]

local function get_environment()
  local root = "${XDG_DATA_HOME:-$HOME/.local/share}/syslua"
  if syslua.is_darwin then
    root = "$HOME/Library/Application Support/syslua"
  end
  return environment:format(root)
end

-- A path as a word: `~/` is expanded outside of quotes only.
local function quote_path(path)
  local below = path:match("^~/(.*)$") or path:match("^%$HOME/(.*)$")
  return below and "~/" .. quote(below) or quote(path)
end

local function render_history(history)
  local lines = {
    "HISTFILE=" .. quote_path(history.path),
    "HISTSIZE=" .. history.size,
    "SAVEHIST=" .. history.size,
  }
  local switches = {
    { "share", "SHARE_HISTORY" },
    { "ignore_duplicates", "HIST_IGNORE_DUPS" },
    { "ignore_space", "HIST_IGNORE_SPACE" },
  }
  for _, switch in ipairs(switches) do
    if history[switch[1]] then
      lines[#lines + 1] = "setopt " .. switch[2]
    end
  end
  return lines
end

local function render_aliases(aliases)
  local lines = {}
  for name, value in pairs(aliases) do
    lines[#lines + 1] = ("alias -- %s=%s"):format(quote(name), quote(value))
  end
  return lines
end

return syslua.module({
  name = "zsh",
  options = {
    environment = true,
    aliases = {},
    setopt = {},
    history = {
      path = "~/.zsh_history",
      size = 10000,
      share = true,
      ignore_duplicates = true,
      ignore_space = true,
    },
    completion = true,
    init = {},
  },
  types = { keymap = "string", prompt = "string" },
  config = function(options)
    local lines = {}
    local function add(more)
      for _, line in ipairs(more) do
        lines[#lines + 1] = line
      end
    end
    if options.environment then
      add({ get_environment() })
    end
    add(render_history(options.history))
    for _, name in ipairs(options.setopt) do
      add({ "setopt " .. name })
    end
    if options.keymap then
      add({ options.keymap == "vi" and "bindkey -v" or "bindkey -e" })
    end
    if options.completion then
      add({ "autoload -Uz compinit && compinit -u" })
    end
    if options.prompt then
      add({ "PROMPT=" .. quote(options.prompt) })
    end
    add(render_aliases(options.aliases))
    add(options.init)
    file({ path = "~/.zshrc", content = table.concat(lines, "\n") .. "\n" })
  end,
})
