--- Recognises files that should stay private: keys, tokens, passwords, histories. By name, and by
-- content, since names mislead. The lists are documented in docs/reference/cli.md, under `adopt`.
-- It changes nothing.

local known = require("syslua.cli.known_credentials")
local path = require("syslua.util.path")

local credentials = {}

-- What a name promises, and its content must not break: these are public.
local public_names = { ".*%.pub", ".*%.example", ".*%.sample", ".*%.template", ".*%.dist" }

-- Patterns for whole parts of a path, by what such a file is.
local names = {}
for index, entry in ipairs(known.names) do
  names[index] = { "/" .. entry[1] .. "$", entry[2] }
end

local function get_by_name(place)
  local lower = "/" .. place:lower():gsub("^/+", "")
  for _, pattern in ipairs(public_names) do
    if lower:find("/" .. pattern .. "$") then
      return nil
    end
  end
  for _, entry in ipairs(names) do
    if lower:find(entry[1]) then
      return entry[2]
    end
  end
  return nil
end

-- Texts that are in keys.
local marks = {
  { "PuTTY-User-Key-File-", "an SSH key" },
  { "SSH PRIVATE KEY FILE FORMAT", "an SSH key" },
  { "openssh-key-v1\0", "an SSH key" },
  { "b3BlbnNzaC1rZXktdjE", "an SSH key" },
  -- Base64 of "-----BEGIN ... PRIVATE KEY", as kubeconfig has it.
  { "LS0tLS1CRUdJTiBQUklWQVRF", "a private key" },
  { "LS0tLS1CRUdJTiBSU0EgUFJJVkFUR", "a private key" },
  { "LS0tLS1CRUdJTiBFQyBQUklWQVRF", "a private key" },
  { "LS0tLS1CRUdJTiBEU0EgUFJJVkFUR", "a private key" },
  { "LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVE", "a private key" },
  { "LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFUR", "a private key" },
}

-- What files begin with.
local beginnings = {
  { "\3\217\162\154", "a password safe" },
  { "\254\237\254\237", "a key store" },
  { "GnomeKeyring\n", "a key ring" },
  { "KWALLET\n", "a key ring" },
  { "# Netscape HTTP Cookie File", "cookies" },
  { "# HTTP Cookie File", "cookies" },
}

-- Private keys in DER: a version, and then the kind of the key (RFC 5208, RFC 8017), after a length
-- of up to two bytes.
local der_keys = {
  "^0\130..\2\1%z0[\13\19\16\20]\6",
  "^0[^\128-\255]\2\1[%z\1]0[\5\13\19\16\20]\6",
  "^0\129.\2\1[%z\1]0[\5\13\19\16\20]\6",
  "^0\130..\2\1%z\2\130",
}

-- Secret keys of OpenPGP: a packet of that kind, its length, and the version 4 (RFC 9580, 5.5.3).
local openpgp_keys = { "^\149..\4", "^\148.\4", "^\197[^\192-\255]\4", "^\197[\192-\223].\4" }

-- Keys of settings whose values are secret. The value decides too.
local secret_words = {
  "password",
  "passwd",
  "passphrase",
  "secret",
  "token",
  "apikey",
  "api_key",
  "api-key",
  "accesskey",
  "access_key",
  "access-key",
  "privatekey",
  "private_key",
  "presharedkey",
  "_auth",
  "authkey",
  "client_secret",
  "credential",
  "psk",
}

-- What such a name is rather about than the secret itself.
local harmless_ends = {
  "url",
  "uri",
  "file",
  "path",
  "command",
  "cmd",
  "type",
  "name",
  "id",
  "env",
  "length",
  "size",
  "expiry",
  "expires",
  "timeout",
  "ttl",
  "helper",
  "program",
  "prompt",
  "cache",
  "store",
  "manager",
  "color",
  "colour",
  "limit",
  "limits",
  "count",
  "enabled",
  "required",
  "eval",
  "cert",
}

local placeholders = {
  ["changeme"] = true,
  ["password"] = true,
  ["passwd"] = true,
  ["pass"] = true,
  ["secret"] = true,
  ["token"] = true,
  ["example"] = true,
  ["your"] = true,
  ["redacted"] = true,
  ["none"] = true,
  ["null"] = true,
  ["nil"] = true,
  ["true"] = true,
  ["false"] = true,
  ["prompt"] = true,
  ["required"] = true,
}

---@return boolean
local function is_placeholder(value)
  local lower = value:lower()
  return placeholders[lower]
    or lower:find("^your[_-]") ~= nil
    or lower:find("^example") ~= nil
    or lower:find("^[x*.]+$") ~= nil
end

local function is_secret_name(name)
  name = name:lower()
  for _, ending in ipairs(harmless_ends) do
    if name:sub(-#ending) == ending then
      return false
    end
  end
  for _, word in ipairs(secret_words) do
    if name:find(word, 1, true) then
      return true
    end
  end
  -- `pass = ...`, `PGPASS`, `SMTP_PASS`, `remotepass`; not `compass`, `bypass`.
  local before = name:match("^(.*)pass$")
  return before ~= nil
    and not (before:find("com$") or before:find("by$") or before:find("tres$"))
    and not (before:find("sur$") or before:find("under$") or before:find("over$"))
end

-- Whether a value is a secret itself, not where to find one. In files for nothing but settings a
-- word is enough.
---@param value string
---@param is_quoted any
---@param is_settings any
---@param is_password any
---@return boolean
local function is_secret_value(value, is_quoted, is_settings, is_password)
  if #value < 4 or is_placeholder(value) then
    return false
  elseif value:find("^[$<{%[%%`(~/!|>&]") or value:find("[%s()`]") then
    return false
  elseif is_settings then
    return true
  end
  local has_digit, has_letter = value:find("%d") ~= nil, value:find("%a") ~= nil
  local is_word = value:find("^[%a_.]+$") ~= nil
  if is_quoted and is_password then
    return #value >= 6
  elseif is_quoted then
    return not is_word and #value >= 6 and (has_digit or value:find("%p") ~= nil)
  end
  return has_digit and has_letter and #value >= 8 and not value:find("^[%a_][%w_]*[.%[]")
end

local function is_settings_file(place)
  local name = path.basename(place):lower()
  return name:find("^%.env") ~= nil
    or name:find("%.env$") ~= nil
    or name == ".envrc"
    or name:find("%.cnf$") ~= nil
    or name:find("%.properties$") ~= nil
    or name:find("%.ini$") ~= nil
    or name:find("npmrc$") ~= nil
    or name:find("%.cfg$") ~= nil
end

-- Returns a value as it begins a text, and whether it is quoted.
---@param text string
---@return string? value
---@return boolean is_quoted
local function get_value(text)
  local quote = text:sub(1, 1)
  if quote == '"' or quote == "'" then
    return text:match("^" .. quote .. "([^" .. quote .. "]*)"), true
  end
  return text:match("^([^%s,;#)}%]]+)"), false
end

-- Words of a line that give a value to a name without a sign between them.
local word_forms = {
  -- msmtp, isync and others.
  "^%s*([Pp]assword)%s+(%S+)%s*$",
  "^%s*([Pp]asswd)%s+(%S+)%s*$",
  "^%s*([Pp]ass)%s+(%S+)%s*$",
  -- fish, csh, Emacs.
  "^%s*set%s+%-[%-%a%s]+%s+([%a_][%w_]*)%s+(.+)$",
  "^%s*set%s+([%a_][%w_]*)%s+(.+)$",
  "^%s*setenv%s+([%a_][%w_]*)%s+(.+)$",
  "%(setq%s+([%w_./-]+)%s+(.+)$",
  "%(setenv%s+[\"']([%w_]+)[\"']%s+(.+)$",
  "%(customize%-set%-variable%s+'([%w_./-]+)%s+(.+)$",
  -- XML.
  "<([%a_][%w_.-]*)>%s*([^<%s]+)%s*</",
}

-- Returns the next thing that a line assigns: the name, the value, whether it is quoted. A value
-- may hold further assignments.
---@param line string
---@return fun(): string?, string?, boolean?
local function each_assignment(line)
  ---@type any
  local at = 1
  local form = 0
  return function()
    while at do
      ---@type any, any
      local name, from = line:match("([%w_.@:/-]+)[\"']?%]?%s*[:=]=?>?%s*()%S", at)
      if not name then
        at = nil
        break
      end
      at = from
      -- What a scheme of an address is not.
      name = name:match("([%w_.-]+)$") or name
      local value, is_quoted = get_value(line:sub(from))
      if value then
        return name, value, is_quoted
      end
    end
    while form < #word_forms do
      form = form + 1
      local name, text = line:match(assert(word_forms[form]))
      local value, is_quoted = get_value(text or "")
      if name and value then
        return name, value, is_quoted
      end
    end
    return nil
  end
end

-- Whether a line contains the key of a host. In lists of allowed keys, the owner is in its place.
---@param line string
---@return boolean
local function is_host_key(line)
  local host = line:match("^(%S+)%s+ssh%-%w+%s+AAAA") or line:match("^(%S+)%s+ecdsa%-[%w-]+%s+AAAA")
  return host ~= nil
    and (host:find("^|1|") ~= nil or host:find("[.:]") ~= nil and not host:find('[@="]'))
end

local function get_from_line(line, is_settings)
  if line:find(" AAAA", 1, true) and is_host_key(line) then
    return "a list of the hosts that you use"
  end
  -- A login in an address.
  local login, word = line:match("%a[%w+.-]*://([^%s/:@'\"]*):([^%s/@'\"]+)@")
  if login and #word >= 3 and not is_placeholder(word) and not word:find("^[$<{%%]") then
    return "a password in an address"
  end
  local lower = line:lower()
  if
    not (
      lower:find("pass", 1, true)
      or lower:find("secret", 1, true)
      or lower:find("token", 1, true)
      or lower:find("key", 1, true)
      or lower:find("auth", 1, true)
      or lower:find("credential", 1, true)
      or lower:find("psk", 1, true)
    )
  then
    return nil
  end
  -- npm and Docker: every value of these is a login.
  if
    line:find("_authToken%s*=%s*[^%s$]")
    or line:find('"auth"%s*:%s*"[%w+/=]+"')
    or line:find('"identitytoken"%s*:%s*"[^"]')
  then
    return "a registry login"
  elseif
    line:find("^%s*PrivateKey%s*=%s*[%w+/]+=") or line:find("^%s*PresharedKey%s*=%s*[%w+/]+=")
  then
    return "a WireGuard key"
  elseif
    line:find("<[Pp]assword>[^<${]+</")
    or line:find("<[Cc]lear[Tt]ext[Pp]assword")
    or line:find('[Cc]lear[Tt]ext[Pp]assword"%s+value="[^"%%]')
  then
    return "a password"
  elseif
    lower:find("authorization:%s*bearer%s+[%w]") or lower:find("authorization:%s*basic%s+[%w]")
  then
    return "an authorization header"
  end
  -- Comments explain.
  if line:find('^%s*[#;"]') or line:find("^%s*%-%-") or line:find("^%s*//") then
    return nil
  end
  for name, value, is_quoted in each_assignment(line) do
    local lower_name = name:lower()
    local is_password = lower_name:find("passw", 1, true)
      or lower_name:find("passphrase", 1, true)
      or lower_name:find("psk", 1, true)
    if
      is_secret_name(name) and is_secret_value(value, is_quoted, is_settings, is_password ~= nil)
    then
      return ("the value of `%s`"):format(name)
    end
  end
  return nil
end

-- A token is not part of a longer word.
local function get_token(text)
  for _, token in ipairs(known.tokens) do
    local begin, least, class, what = token[1], token[2], token[3], token[4]
    local start = text:find(begin, 1, true)
    while start do
      local before = start > 1 and text:sub(start - 1, start - 1) or ""
      local rest = text:match("^" .. class .. "*", start + #begin)
      -- A word in words: `sk-dark-theme-with-a-long-name` has no digit.
      if
        #rest >= least
        and not before:find("[%w_]")
        and (rest:find("%d") or rest:find("%u"))
        and not rest:find("^[xX.*_-]+$")
      then
        return what
      end
      start = text:find(begin, start + 1, true)
    end
  end
  return nil
end

local function get_beginning(text)
  for _, beginning in ipairs(beginnings) do
    if text:sub(1, #beginning[1]) == beginning[1] then
      return beginning[2]
    end
  end
  for _, pattern in ipairs(der_keys) do
    if text:find(pattern) then
      return "a private key"
    end
  end
  for _, pattern in ipairs(openpgp_keys) do
    if text:find(pattern) then
      return "a GnuPG key"
    end
  end
  return nil
end

local function get_key(text)
  if text:find("%-%-%-%-%-?%s?BEGIN [%u%d ]-PRIVATE KEY") then
    return "a private key"
  end
  for _, mark in ipairs(marks) do
    if text:find(mark[1], 1, true) then
      return mark[2]
    end
  end
  return nil
end

local function get_from_text(text, place)
  local key = get_key(text)
  if key then
    return key
  end
  -- JSON Web Tokens: two parts of JSON in Base64, and a signature.
  local part = "[%w_-][%w_-][%w_-][%w_-][%w_-][%w_-][%w_-]+"
  if text:find("eyJ" .. part .. "%.eyJ" .. part .. "%.[%w_-]+") then
    return "a JSON Web Token"
  end
  local token = get_token(text)
  if token then
    return token
  elseif text:find("\n?[%w._-]+:%$[%w]+%$[^:\n]+:%d*:") then
    return "password hashes"
  end
  -- Programs and pictures have no lines.
  if text:find("\0", 1, true) then
    return nil
  end
  if text:find("machine%s+%S+%s+login%s+%S+%s+password%s+%S") then
    return "logins"
  elseif text:find('"kdfparams"', 1, true) and text:find('"ciphertext"', 1, true) then
    return "a wallet"
  elseif text:find('"encryptedPassword"', 1, true) then
    return "saved passwords"
  end
  local is_settings = is_settings_file(place)
  for line in text:gmatch("[^\r\n]+") do
    local found = #line < 10000 and get_from_line(line, is_settings)
    if found then
      return found
    end
  end
  return nil
end

-- How much is read at once, and how much of it again with the next piece, so that nothing is cut in
-- two.
local piece_size, overlap = 2 ^ 20, 2 ^ 13

-- Text of Windows has a zero byte in every letter.
local function get_from_piece(text, place)
  if not text:find("\0", 1, true) then
    return get_from_text(text, place)
  end
  local plain, zeros = text:gsub("%z", "")
  if zeros * 3 > #text then
    return get_from_text(plain, place)
  end
  return get_key(plain) or get_from_text(text, place)
end

-- A certificate or a public key, and nothing else: what *.pem and *.key may be.
local function is_public_pem(text)
  return (text:find("BEGIN CERTIFICATE", 1, true) or text:find("PUBLIC KEY", 1, true)) ~= nil
    and not text:find("PRIVATE", 1, true)
end

-- A document whose values sops encrypted is made to be pushed.
local function is_encrypted(text)
  return text:find("ENC%[AES256_GCM,") ~= nil and text:find("sops", 1, true) ~= nil
end

local function read_piece(name)
  local file = io.open(name, "rb")
  local text = file and file:read(piece_size) or ""
  if file then
    file:close()
  end
  return text
end

local function get_by_content(name, place)
  local file = io.open(name, "rb")
  if not file then
    return nil
  end
  local found, last = nil, ""
  repeat
    local piece = file:read(piece_size)
    if piece then
      found = last == "" and get_beginning(piece) or nil
      found = found or get_from_piece(last .. piece, place)
      last = piece:sub(-overlap)
    end
  until found or not piece
  file:close()
  return found
end

--- Returns what makes a file private: "an SSH key"; nothing when it is not known to be.
---@param file string where it can be read
---@param place string? its name, if that is another path
---@return string?
function credentials.get(file, place)
  place = place or file
  local found = get_by_content(file, place)
  if found then
    return not is_encrypted(read_piece(file)) and found or nil
  end
  found = get_by_name(place)
  if not found then
    return nil
  end
  local text, lower = read_piece(file), place:lower()
  local is_pem = lower:find("%.pem$") or lower:find("%.key$")
  return not (is_pem and is_public_pem(text)) and not is_encrypted(text) and found or nil
end

return credentials
