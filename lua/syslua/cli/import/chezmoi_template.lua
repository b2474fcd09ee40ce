--- Converts templates of chezmoi that only show values. All others are named, not converted.

local chezmoi_template = {}

-- Functions that ask a password manager: what they give is a secret.
local secret_words = {
  "pass",
  "gopass",
  "passhole",
  "bitwarden",
  "rbw",
  "onepassword",
  "keyring",
  "vault",
  "lastpass",
  "keepassxc",
  "protonPass",
  "dashlane",
  "doppler",
  "hcpVault",
  "awsSecretsManager",
  "azureKeyVault",
  "ejson",
  "secret",
  "decrypt",
  "include",
  "output",
}

--- Returns whether a template may show what should stay secret, or what it runs or reads.
---@param source string
---@return string? word the function
function chezmoi_template.get_secret(source)
  for action in source:gmatch("{{(.-)}}") do
    for word in action:gmatch('%f[%w.$"]%a%w*') do
      for _, secret in ipairs(secret_words) do
        if word:sub(1, #secret) == secret then
          return word
        end
      end
    end
  end
  return nil
end

-- The text between the marks of an action, in the syntax of sys.lua; nil when it is more than a
-- value.
local function turn(action)
  local names = action:match("^%.([%a_][%w_.]*)$")
  if names and not names:find("..", 1, true) and names:sub(-1) ~= "." then
    return names, names
  end
  local quoted = action:match('^"([^"\\]*)"$') or action:match('^`([^`\\"]*)`$')
  if quoted then
    return '"' .. quoted .. '"'
  end
  return nil
end

-- Text outside of actions that would be an action in sys.lua.
local function inert(words)
  return (words:gsub("{[%%#]", function(mark)
    return '{{ "' .. mark .. '" }}'
  end))
end

--- Returns a template in the syntax of sys.lua, and the values that it shows as dotted names; or
-- nil and the action that cannot be converted.
---@param source string
---@return string?
---@return string[]|string names_or_action
function chezmoi_template.turn(source)
  local parts, names, at = {}, {}, 1
  if source:find("chezmoi:template:", 1, true) then
    return nil, "chezmoi:template:"
  end
  while true do
    local from = source:find("{{", at, true)
    if not from then
      parts[#parts + 1] = inert(source:sub(at))
      break
    end
    parts[#parts + 1] = inert(source:sub(at, from - 1))
    local to = source:find("}}", from + 2, true)
    local action = source:sub(from + 2, (to or 0) - 1)
    local left, right = action:match("^%-%s") ~= nil, action:match("%s%-$") ~= nil
    local inner = action:gsub("^%-%s", ""):gsub("%s%-$", ""):gsub("^%s+", ""):gsub("%s+$", "")
    local turned, name = turn(inner)
    if inner:find("^/%*.*%*/$") then
      turned = '""'
    end
    if not to or not turned then
      return nil, inner
    end
    names[#names + 1] = name
    parts[#parts + 1] = ("{{%s %s %s}}"):format(left and "-" or "", turned, right and "-" or "")
    at = to + 2
  end
  return table.concat(parts), names
end

return chezmoi_template
