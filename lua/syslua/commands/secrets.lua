--- `secrets`: the values of a document of SOPS, its data key and its recipients. The Rust side
-- writes the documents.

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")

local shared = require("syslua.cli.arguments").shared

local secrets = {}

secrets.order = 300
secrets.summary = "Set, show and edit encrypted values, and manage recipients"

secrets.description = [[
The document is a file of SOPS, which `sops` 3.11 reads and writes too: YAML, JSON, dotenv, INI, or
any other file as one value. The end of its name decides the format. By default it is `secrets.yaml`
in the directory of the config; `--file` names another one.

- `secrets set KEY [VALUE]` encrypts a value. Without `VALUE` it reads standard input, which keeps
  the value out of the process list and the shell history. The line end belongs to the value only if
  there are several lines. `KEY` is `db.users[0].name`; write a key that contains a dot as
  `["tls.crt"]`. The next index appends to a list. An existing value keeps its type, a new value is
  text, and `--type` overrides that. Order, comments and formatting of everything else are
  preserved.
- `secrets get [KEY]` shows a value, a map or a list as JSON, or the whole content, also of a file
  of `age`.
- `secrets edit` opens the content in `$VISUAL` or `$EDITOR`. The temporary file is readable only
  for you, in memory if the system supports that, and always removed. Unchanged values keep their
  encrypted text.
- `secrets rotate` encrypts everything with a new data key: for the recipients of the rule in
  `.sops.yaml`, those of `--recipient`, or the present ones. It lists added and removed recipients.
- `secrets recipients` lists the recipients of the document; `add R` adds one, and `remove R`
  removes one and uses a new data key.
- `secrets keygen` creates an identity in the place where sops looks for it,
  `~/.config/sops/age/keys.txt`, or in the file of `--output`. It does not overwrite an existing
  file.

A new document is created with the first matching rule of `creation_rules` in `.sops.yaml`, in its
directory or one above, or in the file that `SOPS_CONFIG` names, or for `SOPS_AGE_RECIPIENTS`.
Recipients are keys of age, `age1...`, and public SSH keys: ed25519, and RSA of 2048 to 4096 bits.
Identities are read from the places that sops uses: `SOPS_AGE_SSH_PRIVATE_KEY_FILE`,
`~/.ssh/id_ed25519` and `id_rsa`, `SOPS_AGE_KEY`, `SOPS_AGE_KEY_FILE`, `SOPS_AGE_KEY_CMD`,
`sops/age/keys.txt` in the configuration directory; for root also the host keys in `/etc/ssh`. These
are refused by name: key groups, files that only cloud or PGP keys decrypt, age plugins, other SSH
keys, identities with a passphrase.

Writing is atomic: after a kill, the file is the old document or the new one.
]]

local actions = { "set", "get", "edit", "rotate", "keygen", "recipients" }

secrets.arguments = {
  {
    name = "ACTION",
    arity = "?",
    choices = actions,
    missing = {
      message = "secrets: expected an action",
      hint = "for example `%s secrets get KEY`; the other actions are "
        .. "set, edit, rotate, keygen and recipients",
    },
    description = "What to do: set, get, edit, rotate, keygen or recipients.",
  },
  {
    name = "WORD",
    after = { recipients = { "add", "remove" } },
    target = "words",
    arity = "*",
    may_be_empty = true,
    description = "For set KEY [VALUE], for get [KEY], for recipients add R, remove R or nothing.",
  },
  {
    name = "--file",
    value = "FILE",
    description = "The document. Default: `secrets.yaml` beside the config.",
  },
  {
    name = "--type",
    value = "TYPE",
    choices = { "str", "int", "float", "bool", "time", "null" },
    description = "The type of the value for set, instead of the existing type.",
  },
  {
    name = "--recipient",
    value = "RECIPIENT",
    is_repeated = true,
    description = "A recipient for rotate, instead of the recipients of .sops.yaml. Can be "
      .. "repeated.",
  },
  { name = "--output", value = "FILE", description = "The file that keygen writes." },
  shared.json,
}

local function raise_usage(message, hint)
  failure.raise({ kind = "usage", message = message, hint = hint })
end

-- The document: the named one, or `secrets.yaml` in the directory of the config.
local function get_file(args)
  if args.file then
    return bindings.call("absolute", args.file)
  end
  local path = require("syslua.util.path")
  local config = bindings.call("absolute", require("syslua.cli.config_path").get())
  return path.join(config:match("^(.*)[/\\]") or ".", "secrets.yaml")
end

local function check_words(args, least, most, usage)
  local count = #(args.words or {})
  if count < least or count > most then
    raise_usage(
      count < least and ("`%s` needs more words"):format(args.action)
        or ("`%s` has too many words"):format(args.action),
      ("write `%s secrets %s`"):format(args.program, usage)
    )
  elseif count > 0 and args.words[1] == "" then
    -- Only a value can be empty.
    raise_usage(
      ("`secrets %s`: %s is an empty word"):format(args.action, usage:match("%u+")),
      ("write `%s secrets %s`"):format(args.program, usage)
    )
  end
end

local function refuse_flag(args, name, action)
  local given = args[name]
  if given and (type(given) ~= "table" or #given > 0) and args.action ~= action then
    raise_usage(("`--%s` works only with `secrets %s`"):format(name, action))
  end
end

-- The terminal must not show the input. Its mode is restored at the end, however that comes.
local ask = [[
trap 'stty echo; echo >&2' EXIT
trap 'exit 130' INT TERM HUP
stty -echo
IFS= read -r value
printf %s "$value"
]]

-- The value from standard input. The end of a single line belongs to the line, not to the value.
local function read_value(key)
  if require("syslua").bindings.is_terminal(0) then
    io.stderr:write(("value of %s: "):format(key))
    io.stderr:flush()
    local pipe = io.popen(ask, "r")
    local typed = pipe:read("*a")
    pipe:close()
    return typed or ""
  end
  local text = io.stdin:read("*a") or ""
  local line = text:match("^([^\n]*)\n$")
  return line and line:gsub("\r$", "") or text
end

---@type table<string, fun(args: syslua.cli.Args): table?, integer?, string[]?>
local run = {}

function run.set(args)
  check_words(args, 1, 2, "set KEY [VALUE]")
  local file = get_file(args)
  local value = args.words[2] or read_value(args.words[1])
  local result = bindings.call("secrets_set", file, args.words[1], value, args.type)
  result.file = file
  local line = result.changed and ("set %s in %s"):format(result.key, file)
    or ("%s has this value already"):format(result.key)
  return result, 0, { line }
end

function run.get(args)
  check_words(args, 0, 1, "get [KEY]")
  local file, key = get_file(args), args.words and args.words[1]
  local result = bindings.call("secrets_get", file, key)
  if args.json then
    local value = bindings.answer(bindings.parse(result.json, "JSON"))
    return { file = file, key = key, type = result.type, value = value }, 0, {}
  end
  local terminal = require("syslua.cli.terminal")
  terminal.clear()
  terminal.put(result.content)
  -- A whole file is printed unchanged; a single value becomes a line.
  if key and result.content:sub(-1) ~= "\n" then
    terminal.put("\n")
  end
  return nil
end

function run.edit(args)
  check_words(args, 0, 0, "edit")
  local file = get_file(args)
  local terminal = require("syslua.cli.terminal")
  terminal.clear()
  local function on_problem(problem, is_warning)
    if is_warning then
      terminal.talk({ "warning: " .. problem })
      return true
    end
    -- Without a terminal it ends with this error.
    if not require("syslua").bindings.is_terminal(0) then
      return false
    end
    terminal.talk({ "error: " .. problem })
    io.stderr:write("Edit it again? [Y/n] ")
    io.stderr:flush()
    local answer = io.stdin:read("*l")
    return answer ~= nil and not answer:find("^%s*[nN]")
  end
  local result =
    bindings.call("secrets_edit", file, require("syslua.cli.editor").get_words(), on_problem)
  result.file = file
  return result, 0, {
    result.changed and ("wrote %s"):format(file) or "nothing was changed",
  }
end

local function describe(result, file, done)
  local lines = { done .. " " .. file }
  for _, recipient in ipairs(result.added) do
    lines[#lines + 1] = "  + " .. recipient
  end
  for _, recipient in ipairs(result.removed) do
    lines[#lines + 1] = "  - " .. recipient
  end
  return lines
end

function run.rotate(args)
  check_words(args, 0, 0, "rotate")
  local file = get_file(args)
  local result = bindings.call("secrets_rotate", file, args.recipient)
  result.file = file
  return result, 0, describe(result, file, "rotated the data key of")
end

function run.keygen(args)
  check_words(args, 0, 0, "keygen")
  local output = args.output and bindings.call("absolute", args.output)
  local result = bindings.call("secrets_keygen", output)
  return result,
    0,
    {
      "wrote an identity to " .. result.file,
      "its recipient is " .. result.recipient,
    }
end

function run.recipients(args)
  check_words(args, 0, 2, "recipients [add R|remove R]")
  local words = args.words or {}
  local action, file = words[1] or "list", get_file(args)
  if action == "list" then
    local result = bindings.call("secrets_recipients", file, "list")
    result.file = file
    return result, 0, result.recipients
  elseif (action ~= "add" and action ~= "remove") or not words[2] then
    raise_usage(
      "secrets recipients: expected `add` or `remove`",
      ("write `%s secrets recipients add age1...`"):format(args.program)
    )
  end
  local result = bindings.call("secrets_recipients", file, action, words[2])
  result.file = file
  if not result.changed then
    return result, 0, { words[2] .. " is a recipient already" }
  end
  local done = action == "add" and "added a recipient to" or "removed a recipient from"
  return result, 0, describe(result, file, done)
end

--- Does it.
---@param args syslua.cli.Args
---@return table? report, integer? code, string[]? lines
function secrets.run(args)
  refuse_flag(args, "type", "set")
  refuse_flag(args, "recipient", "rotate")
  refuse_flag(args, "output", "keygen")
  bindings.call("leave_no_core")
  return run[args.action](args)
end

--- Renders it for people.
---@param lines string[]
---@return string[]
function secrets.render(_, _, _, lines)
  return lines
end

return secrets
