--- Recognises files that should stay private: keys, tokens, passwords, histories. By name, and by content, since names
-- mislead. The lists are documented in docs/reference/cli.md, under `adopt`. It changes nothing.

local path = require("syslua.util.path")

local credentials = {}

-- Patterns of Lua for the end of a path in lower case, each after "/", and what such a file is. `%` begins a pattern.
local names = {
  -- OpenSSH, PuTTY, certificates
  { "%.ssh/id_[%w_.@-]+", "an SSH key" },
  { "id_rsa[%w_.@-]*", "an SSH key" },
  { "id_dsa[%w_.@-]*", "an SSH key" },
  { "id_ecdsa[%w_.@-]*", "an SSH key" },
  { "id_ed25519[%w_.@-]*", "an SSH key" },
  { "%.ssh/identity", "an SSH key" },
  { "ssh_host_[%w_]+_key", "an SSH key" },
  { "known_hosts[%w._-]*", "a list of the hosts that you use" },
  { ".*%.ppk", "an SSH key" },
  { ".*%.key", "a private key" },
  { ".*%.pem", "a private key" },
  { ".*%.pkcs8", "a private key" },
  { ".*%.p8", "a private key" },
  { ".*%.p12", "a key store" },
  { ".*%.pfx", "a key store" },
  { ".*%.jks", "a key store" },
  { ".*%.keystore", "a key store" },
  { ".*%.keytab", "a Kerberos key" },
  { ".*%.ovpn", "a VPN profile with keys" },
  -- GnuPG, age
  { "private%-keys%-v1%.d/.*", "a GnuPG key" },
  { "openpgp%-revocs%.d/.*", "a GnuPG revocation certificate" },
  { "secring%.%w+", "a GnuPG key ring" },
  { "%.gnupg/random_seed", "a GnuPG seed" },
  { "%.gnupg/trustdb%.gpg", "a GnuPG trust database" },
  { "age/keys%.txt", "an age key" },
  { ".*%.age%-?key", "an age key" },
  { "%.password%-store/.*%.gpg", "a stored password" },
  -- Logins of programs
  { "[._]netrc", "logins" },
  { "%.authinfo[%w.]*", "logins" },
  { "%.git%-credentials", "logins" },
  { "git/credentials", "logins" },
  { "%.pgpass", "passwords" },
  { "pgpass%.conf", "passwords" },
  { "%.my%.cnf", "passwords" },
  { "%.mylogin%.cnf", "passwords" },
  { "%.pypirc", "logins" },
  { "%.smbcredentials", "logins" },
  { "%.htpasswd", "passwords" },
  { "%.vnc/passwd", "a password" },
  { "%.dbshell", "a command history" },
  { "%.?xauthority", "a session cookie" },
  { "%.?iceauthority", "a session cookie" },
  { "%.fetchmailrc", "logins" },
  { "sitemanager%.xml", "logins" },
  { "recentservers%.xml", "logins" },
  { ".*%.remmina", "logins" },
  { "wpa_supplicant%.conf", "network passwords" },
  { "system%-connections/.*", "network passwords" },
  { "g?shadow%-?", "password hashes" },
  -- Clouds, package registries, command lines of services
  { "%.aws/credentials", "AWS credentials" },
  { "%.aws/.*cache/.*", "AWS tokens" },
  { "%.azure/.*token.*", "Azure tokens" },
  { "%.azure/service_principal_entries.*", "Azure credentials" },
  { "gcloud/.*credentials.*", "Google Cloud credentials" },
  { "gcloud/.*tokens%.db", "Google Cloud tokens" },
  { "application_default_credentials%.json", "Google Cloud credentials" },
  { "%.boto", "cloud credentials" },
  { "%.s3cfg", "cloud credentials" },
  { "rclone%.conf", "cloud credentials" },
  { "%.kube/config", "Kubernetes credentials" },
  { "%.kube/cache/.*", "Kubernetes credentials" },
  { "kubeconfig", "Kubernetes credentials" },
  { ".*%.kubeconfig", "Kubernetes credentials" },
  { "containers/auth%.json", "registry logins" },
  { "%.dockercfg", "registry logins" },
  { "gh/hosts%.ya?ml", "a GitHub token" },
  { "%.config/hub", "a GitHub token" },
  { "github%-copilot/%w+%.json", "a GitHub token" },
  { "glab%-cli/config%.yml", "a GitLab token" },
  { "%.cargo/credentials[%w.]*", "a registry token" },
  { "%.gem/credentials", "a registry token" },
  { "%.composer/auth%.json", "registry logins" },
  { "composer/auth%.json", "registry logins" },
  { "settings%-security%.xml", "a master password" },
  { "credentials%.tfrc%.json", "a Terraform token" },
  { ".*%.tfstate[%w.]*", "a Terraform state, which holds secrets" },
  { "%.vault%-token", "a Vault token" },
  { "%.fly/config%.yml", "a token" },
  { "hcloud/cli%.toml", "a token" },
  { "doctl/config%.yaml", "a token" },
  { "ngrok%.yml", "a token" },
  { "%.cloudflared/.*%.json", "a token" },
  { "huggingface/token", "a token" },
  { "huggingface/stored_tokens", "a token" },
  { "kaggle%.json", "a token" },
  { "%.codex/auth%.json", "a token" },
  { "%.claude/%.credentials%.json", "a token" },
  { "%.config/op/.*", "1Password data" },
  { "bitwarden cli/data%.json", "Bitwarden data" },
  -- Files that are called so
  { "%.?credentials", "credentials" },
  { "credentials%.json", "credentials" },
  { "%.?secrets?", "secrets" },
  { "%.?secrets?%.txt", "secrets" },
  { "%.?secrets?%.ya?ml", "secrets" },
  { "%.?secrets?%.json", "secrets" },
  { "%.?secrets?%.toml", "secrets" },
  { "%.?secrets?%.env", "secrets" },
  { "%.?secrets?%.[kz]?sh", "secrets" },
  { "%.?tokens?", "a token" },
  { "passwords?%.?%w*", "passwords" },
  -- Key rings, cookies, wallets
  { ".*%.keyring", "a key ring" },
  { "%.local/share/keyrings/.*", "a key ring" },
  { "%.gnome2/keyrings/.*", "a key ring" },
  { "kwalletd/.*", "a key ring" },
  { ".*%.kwl", "a key ring" },
  { ".*%.keychain%-?%w*", "a key ring" },
  { "library/keychains/.*", "a key ring" },
  { ".*%.kdbx?", "a password safe" },
  { ".*%.psafe3", "a password safe" },
  { "key[34]%.db", "saved passwords" },
  { "logins%.json", "saved passwords" },
  { "signons%.sqlite", "saved passwords" },
  { "login data", "saved passwords" },
  { "cookies", "cookies" },
  { "cookies%.sqlite[%w-]*", "cookies" },
  { "cookies%.txt", "cookies" },
  { "cookies%.db", "cookies" },
  { "cookies%.binarycookies", "cookies" },
  { "%.?cookie", "a cookie" },
  { "%.erlang%.cookie", "a cookie" },
  { "pulse/cookie", "a cookie" },
  { "wallet%.dat", "a wallet" },
  { "wallets?/.*", "a wallet" },
  { ".*%.wallet", "a wallet" },
  { "keystore/utc%-%-.*", "a wallet" },
  { "utc%-%-.*", "a wallet" },
  { "solana/id%.json", "a wallet" },
  -- What was typed
  { ".*[._]history", "a command history" },
  { "%.?history", "a command history" },
  { "%.?zhistory", "a command history" },
  { "%.?histfile", "a command history" },
  { ".*_history%-%w+", "a command history" },
  { "consolehost_history%.txt", "a command history" },
  { "history%.txt", "a command history" },
  { "history%.db", "a command history" },
  { "%.lesshst", "a history" },
  { "%.viminfo", "a history" },
  { "main%.shada", "a history" },
  { "%.wget%-hsts", "a list of the hosts that you use" },
}

-- What a name promises, and its content must not break: these are public.
local public_names = { ".*%.pub", ".*%.example", ".*%.sample", ".*%.template", ".*%.dist" }

for _, entry in ipairs(names) do
  entry[1] = "/" .. entry[1] .. "$"
end

local function find_by_name(place)
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

-- Tokens as their services make them: what they begin with, how many characters follow at least, and of which kind.
local tokens = {
  { "ghp_", 30, "%w", "a GitHub token" },
  { "gho_", 30, "%w", "a GitHub token" },
  { "ghu_", 30, "%w", "a GitHub token" },
  { "ghs_", 30, "%w", "a GitHub token" },
  { "ghr_", 30, "%w", "a GitHub token" },
  { "github_pat_", 22, "[%w_]", "a GitHub token" },
  { "glpat-", 20, "[%w_.-]", "a GitLab token" },
  { "gldt-", 20, "[%w_-]", "a GitLab token" },
  { "glrt-", 20, "[%w_-]", "a GitLab token" },
  { "glptt-", 20, "[%w_-]", "a GitLab token" },
  { "glsoat-", 20, "[%w_-]", "a GitLab token" },
  { "AKIA", 16, "[%u%d]", "an AWS access key" },
  { "ASIA", 16, "[%u%d]", "an AWS access key" },
  { "ABIA", 16, "[%u%d]", "an AWS access key" },
  { "ACCA", 16, "[%u%d]", "an AWS access key" },
  { "AIza", 35, "[%w_-]", "a Google API key" },
  { "ya29.", 20, "[%w_-]", "a Google token" },
  { "GOCSPX-", 20, "[%w_-]", "a Google client secret" },
  { "xoxa-", 10, "[%w-]", "a Slack token" },
  { "xoxb-", 10, "[%w-]", "a Slack token" },
  { "xoxe-", 10, "[%w-]", "a Slack token" },
  { "xoxp-", 10, "[%w-]", "a Slack token" },
  { "xoxr-", 10, "[%w-]", "a Slack token" },
  { "xoxs-", 10, "[%w-]", "a Slack token" },
  { "xapp-", 10, "[%w-]", "a Slack token" },
  { "npm_", 30, "%w", "an npm token" },
  { "pypi-", 50, "[%w_-]", "a PyPI token" },
  { "rubygems_", 40, "%x", "a RubyGems token" },
  { "dckr_pat_", 20, "[%w_-]", "a Docker token" },
  { "sk_live_", 16, "%w", "a Stripe key" },
  { "rk_live_", 16, "%w", "a Stripe key" },
  { "sk_test_", 16, "%w", "a Stripe key" },
  { "sk-", 20, "[%w_-]", "an API key" },
  { "hf_", 30, "%w", "a Hugging Face token" },
  { "dop_v1_", 40, "%x", "a DigitalOcean token" },
  { "doo_v1_", 40, "%x", "a DigitalOcean token" },
  { "SG.", 40, "[%w_.-]", "a SendGrid key" },
  { "shpat_", 30, "%x", "a Shopify token" },
  { "hvs.", 20, "[%w_-]", "a Vault token" },
  { "tskey-", 16, "[%w-]", "a Tailscale key" },
  { "lin_api_", 30, "%w", "a Linear key" },
  { "glsa_", 30, "[%w_]", "a Grafana token" },
  { "PMAK-", 24, "[%w-]", "a Postman key" },
  { "NRAK-", 20, "%w", "a New Relic key" },
  { "ATATT3", 30, "[%w_=-]", "an Atlassian token" },
  { "ntn_", 30, "%w", "a Notion token" },
  { "nfp_", 30, "%w", "a Netlify token" },
  { "sbp_", 30, "%w", "a Supabase token" },
  { "dapi", 32, "%x", "a Databricks token" },
  { "AGE-SECRET-KEY-", 20, "[%w-]", "an age key" },
  { "AGE-PLUGIN-", 20, "[%w-]", "an age identity" },
}

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

-- Private keys in DER: a version, and then the kind of the key (RFC 5208, RFC 8017), after a length of up to two bytes.
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
  -- `pass = ...`, `PGPASS`, `SMTP_PASS`.
  return name:find("^pass$") ~= nil
    or name:find("[_.-]pass$") ~= nil
    or name:find("^%u*pass$") ~= nil
end

-- Whether a value is a secret itself, not where to find one. In files for nothing but settings a word is enough.
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

-- Returns what a line assigns: the name, the value, whether it is quoted.
local function get_assignment(line)
  local name, value = line:match("([%w_.@:/-]+)[\"']?%]?%s*[:=]=?>?%s*(.+)$")
  if not name then
    -- `machine`-like words of msmtp, isync and others: "password word".
    name, value = line:match("^%s*([%a_]+)%s+(%S+)%s*$")
    if not name then
      return nil
    end
    local lower = name:lower()
    if not (lower == "password" or lower == "passwd" or lower == "pass") then
      return nil
    end
  end
  -- What a scheme of an address is not.
  name = name:match("([%w_.-]+)$") or name
  local quote = value:sub(1, 1)
  if quote == '"' or quote == "'" then
    return name, value:match("^" .. quote .. "([^" .. quote .. "]*)"), true
  end
  return name, value:match("^([^%s,;#]+)"), false
end

-- Whether a line tells the key of a host. In lists of allowed keys, who has one stands in its place.
local function is_host_key(line)
  local host = line:match("^(%S+)%s+ssh%-%w+%s+AAAA") or line:match("^(%S+)%s+ecdsa%-[%w-]+%s+AAAA")
  return host ~= nil
    and (host:find("^|1|") ~= nil or host:find("[.:]") ~= nil and not host:find('[@="]'))
end

local function find_in_line(line, is_settings)
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
  local name, value, is_quoted = get_assignment(line)
  if not (name and value and is_secret_name(name)) then
    return nil
  end
  local lower_name = name:lower()
  local is_password = lower_name:find("passw", 1, true) or lower_name:find("passphrase", 1, true)
  is_password = is_password or lower_name:find("psk", 1, true)
  if is_secret_value(value, is_quoted, is_settings, is_password ~= nil) then
    return ("the value of `%s`"):format(name)
  end
  return nil
end

-- A token is no part of a longer word.
local function find_token(text)
  for _, token in ipairs(tokens) do
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

local function find_beginning(text)
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

local function find_key(text)
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

local function find_in_text(text, place)
  local key = find_key(text)
  if key then
    return key
  end
  -- JSON Web Tokens: two parts of JSON in Base64, and a signature.
  local part = "[%w_-][%w_-][%w_-][%w_-][%w_-][%w_-][%w_-]+"
  if text:find("eyJ" .. part .. "%.eyJ" .. part .. "%.[%w_-]+") then
    return "a JSON Web Token"
  end
  local token = find_token(text)
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
    local found = #line < 10000 and find_in_line(line, is_settings)
    if found then
      return found
    end
  end
  return nil
end

-- How much is read at once, and how much of it again with the next piece, so that nothing is cut in two.
local piece_size, overlap = 2 ^ 20, 2 ^ 13

-- Text of Windows has a zero byte in every letter.
local function find_in_piece(text, place)
  if not text:find("\0", 1, true) then
    return find_in_text(text, place)
  end
  local plain, zeros = text:gsub("%z", "")
  if zeros * 3 > #text then
    return find_in_text(plain, place)
  end
  return find_key(plain) or find_in_text(text, place)
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

local function find_by_content(name, place)
  local file = io.open(name, "rb")
  if not file then
    return nil
  end
  local found, last = nil, ""
  repeat
    local piece = file:read(piece_size)
    if piece then
      found = last == "" and find_beginning(piece) or nil
      found = found or find_in_piece(last .. piece, place)
      last = piece:sub(-overlap)
    end
  until found or not piece
  file:close()
  return found
end

--- Returns what makes a file private: "an SSH key"; nothing when it is not known to be.
---@param file string where it can be read
---@param place string? what it is called, when that is another path
---@return string?
function credentials.find(file, place)
  place = place or file
  local found = find_by_content(file, place)
  if found then
    return not is_encrypted(read_piece(file)) and found or nil
  end
  found = find_by_name(place)
  if not found then
    return nil
  end
  local text, lower = read_piece(file), place:lower()
  local is_pem = lower:find("%.pem$") or lower:find("%.key$")
  return not (is_pem and is_public_pem(text)) and not is_encrypted(text) and found or nil
end

return credentials
