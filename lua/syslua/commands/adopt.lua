--- `adopt`: takes files of the user into the config's directory, and edits of managed files back
-- into their sources. It applies nothing.

local shared = require("syslua.cli.arguments").shared

local adopt = {}

adopt.order = 100
adopt.summary = "Copy your files into the config's directory"

adopt.description = [[
`adopt` copies a file or directory to `files/` beside the config, and prints the `file{}` line for
it. The next `apply` replaces the file by a link with the same content. The existing file becomes
the original, which is restored when you remove the line. `adopt` does not overwrite files in the
config's directory. A file that others cannot read becomes a real file with its mode. A directory is
linked file by file. A link stays a link with its target, and nothing is copied.

With `--write`, the lines are added to the config, above the line that begins with `-- adopt:`,
which `init` writes. If the config then fails, it is not changed.

An edit of a managed target is written back into its source, if the source is in the config's
directory. First, the old source is copied to `backups/displaced/` in the root, and named. A target
that is declared by its `content` has no source: `adopt` names the line that declares it.

`adopt` checks all paths before it writes anything. The exit code is 1 when one of them cannot be
adopted, also when `apply` could not manage it, such as a file in a directory that you may not
write.

**Private files are refused**, unless you use `--force`: a copy would be in the store, and wherever
you push the config. Every file of a directory is checked, links are followed, and edits of managed
files are checked too. `adopt` recognizes private files:

- by name: SSH keys (`id_*`, `identity`, `ssh_host_*_key`, `*.ppk`) and `known_hosts`; keys and key
  stores (`*.pem` and `*.key` unless they hold only certificates or public keys, `*.p8`, `*.p12`,
  `*.pfx`, `*.jks`, `*.keytab`, `*.ovpn`); secret keys of GnuPG and age, `.password-store`;
  `.netrc`, `.authinfo`, `.git-credentials`, `.pgpass`, `.my.cnf`, `.pypirc`, `.smbcredentials`,
  `.htpasswd`, `.Xauthority`; credentials of AWS, Azure, Google Cloud, Kubernetes, containers,
  Terraform, Vault, GitHub, GitLab, Cargo, RubyGems, Composer, Hugging Face, rclone and others;
  files called credentials, secrets, tokens or passwords; key rings, password safes, wallets;
  cookies and logins of browsers; histories of shells and other programs, `.viminfo`, `.lesshst`
- by content: private keys (PEM, OpenSSH, PuTTY, OpenPGP, age, WireGuard; in Base64 too); tokens as
  GitHub, GitLab, AWS, Google, Slack, npm, PyPI, Stripe, OpenAI, Hugging Face and others make them;
  JSON Web Tokens; logins of npm, Docker and Maven; passwords in addresses; authorization headers;
  password hashes; and values of settings whose names say password, secret, token, API key or the
  like, unless the value says where to find it

`*.pub` files and examples such as `.env.example` are recognized only by content. Documents that
`sops` encrypted are accepted.
]]

-- The line above which lines are added.
local marker = "^([ \t]*)%-%-%s*adopt:"

adopt.arguments = {
  {
    name = "PATH",
    missing = {
      message = "adopt: a path is missing",
      hint = "`%s adopt ~/.bashrc` copies a file into the config's directory",
      usage = "PATH...",
    },
    target = "paths",
    arity = "+",
    description = "A file, a directory, or a managed target that was edited.",
  },
  { name = "--write", description = "Add the lines to the config, above the line `-- adopt:`." },
  { name = "--force", description = "Adopt private files too: keys, tokens, histories." },
  { name = "--encrypt", description = "Encrypt files into secrets.yaml beside the config." },
  shared.config_option,
  shared.answer,
  shared.json,
}

local function show(place)
  local path = require("syslua.util.path")
  local shown = path.display(place, path.get_home())
  return require("syslua.util.text").printable(shown)
end

local function raise(message, hint)
  require("syslua.util.failure").raise({ kind = "adopt", message = message, hint = hint })
end

local function read(name)
  local text, problem, hint = require("syslua.bindings").read(name)
  if not text then
    raise(("cannot read %s: %s"):format(name, problem), hint)
  end
  return text or ""
end

-- The declarations of a config.
local function evaluate(config, options)
  local files = {}
  require("syslua").evaluate(config, {
    raw = true,
    root = options.root,
    pure = options.pure,
    answers = options.answers,
    on_event = options.on_event,
    on_file = function(file)
      files[#files + 1] = file
    end,
  })
  return files
end

local function get_known(config, options, args)
  local bindings = require("syslua.bindings")
  local path = require("syslua.util.path")
  local function real(place)
    local seen = bindings.call("look", place)
    return seen and seen.real or place
  end
  -- Those that are as applied too.
  options.brief = false
  local status = bindings.call("status", options)
  return {
    directory = real(path.dirname(bindings.call("absolute", config))),
    home = real(path.get_home()),
    root = real(status.root),
    is_system = require("syslua").username == "root",
    targets = status.targets,
    files = evaluate(config, options),
    options = options,
    force = args.force,
    encrypt = args.encrypt,
  }
end

-- Lines before and after the marker, and its indentation.
local function split_at_marker(text, config)
  local before, rest = {}, text
  while rest ~= "" do
    local line, following = rest:match("^([^\n]*\n?)(.*)$")
    local indent = line:match(marker)
    if indent then
      return table.concat(before), rest, indent
    end
    before[#before + 1], rest = line, following
  end
  raise(
    ("%s has no line `-- adopt:` above which lines could be added"):format(show(config)),
    "write it into `setup`, or add the lines yourself: without --write they are printed"
  )
end

-- Copies to the first name that is free, or that the same content has.
local function copy(item, known, options)
  local bindings = require("syslua.bindings")
  local path = require("syslua.util.path")
  local name, number = item.source, 1
  while true do
    local taken = bindings.call("take_over", item.path, path.join(known.directory, name), options)
    if taken ~= "occupied" then
      item.source = name
      item.lines = item.render and item.render(name) or item.lines
      return
    elseif not item.alternatives then
      raise(("%s already exists in the place of %s"):format(name, show(item.path)), "move it away")
    end
    number = number + 1
    name = item.source .. "-" .. number
  end
end

-- Encrypts a file into the document beside the config. Another secret of that name stays.
local function encrypt(item, known)
  local secrets = require("syslua.secrets")
  local path = require("syslua.util.path")
  local file = path.join(known.directory, item.source)
  local bindings = require("syslua.bindings")
  bindings.call("leave_no_core")
  local text = read(item.path)
  if bindings.call("look", file) then
    local found, value = pcall(secrets.get, file, item.key)
    if found and value ~= nil and value ~= text then
      raise(
        ("%s has another secret at `%s`"):format(item.source, item.key),
        ("remove it with `sys secrets edit --file %s`"):format(show(file))
      )
    end
  end
  local succeeded, problem = pcall(secrets.set, file, item.key, text, "str")
  if not succeeded then
    local cause = require("syslua.util.failure").from(problem)
    cause.message = ("cannot encrypt %s: %s"):format(show(item.path), cause.message)
    require("syslua.util.failure").raise(cause)
  end
end

local function perform(items, known, options)
  local bindings = require("syslua.bindings")
  local path = require("syslua.util.path")
  for _, item in ipairs(items) do
    if item.action == "copy" then
      copy(item, known, options)
    elseif item.action == "encrypt" then
      encrypt(item, known)
    elseif item.action == "source" then
      local source = path.join(known.directory, item.source)
      item.kept = bindings.call("take_into", item.path, source, options)
    end
  end
end

-- Adds lines to the config. If it fails with them, or does not reach them, it is restored.
local function write(config, lines, known, options)
  local bindings = require("syslua.bindings")
  local old = read(config)
  local before, after, indent = split_at_marker(old, config)
  local added = {}
  for index, line in ipairs(lines) do
    added[index] = indent .. line .. "\n"
  end
  bindings.call("rewrite", config, before .. table.concat(added) .. after)
  local succeeded, files = pcall(evaluate, config, options)
  if succeeded and #files == #known.files + #lines then
    return
  end
  bindings.call("rewrite", config, old)
  local cause = succeeded and { kind = "adopt", message = "evaluation does not reach them" }
    or require("syslua").error(files)
  cause.message = ("%s was restored: with the added lines, %s"):format(
    show(config),
    succeeded and cause.message or "it fails: " .. cause.message
  )
  cause.hint = "the copies are in the config's directory; where they belong, add\n    "
    .. table.concat(lines, "\n    ")
  require("syslua.util.failure").raise(cause)
end

local function describe(item)
  local name, source = show(item.path), show(item.source or "")
  if item.action == "nothing" then
    return ("%s %s"):format(name, item.reason)
  elseif item.action == "link" then
    return ("%s stays a link to %s"):format(name, source)
  elseif item.action == "copy" then
    return ("copied %s to %s"):format(name, source)
  elseif item.action == "encrypt" then
    return ("encrypted %s into %s"):format(name, source)
  elseif not item.kept then
    return ("%s already has the content of %s"):format(source, name)
  end
  return ("wrote %s into %s; what that held is kept at %s"):format(name, source, show(item.kept))
end

local function render(items, lines, config, args)
  local result, is_news = {}, false
  for index, item in ipairs(items) do
    result[index] = describe(item)
    is_news = is_news or item.action ~= "nothing"
  end
  if #lines > 0 then
    result[#result + 1] = args.write and ("added to %s:"):format(show(config))
      or ("Add to `setup` in %s:"):format(show(config))
    result[#result + 1] = ""
    for _, line in ipairs(lines) do
      result[#result + 1] = "    " .. line
    end
    result[#result + 1] = ""
  end
  if is_news then
    local text = "%s`%s apply` manages %s from then on; the existing file is kept for later."
    result[#result + 1] = text:format(
      (args.write or #lines == 0) and "" or "Then ",
      args.program,
      #items == 1 and "it" or "them"
    )
  end
  return result
end

--- Does it.
---@param args syslua.cli.Args
---@param options table
---@return table report, integer code, string[] lines that the config needs
function adopt.run(args, options)
  local adoption = require("syslua.cli.adoption")
  local config = require("syslua.cli.config_path").get(args.config)
  local known = get_known(config, options, args)

  -- All are looked at before anything is written.
  local items = {}
  for _, word in ipairs(args.paths) do
    for _, item in ipairs(adoption.examine(word, known)) do
      items[#items + 1] = item
    end
  end
  items = adoption.remove_covered(items)
  adoption.check_together(items, known)
  local wants_lines = false
  for _, item in ipairs(items) do
    wants_lines = wants_lines or #item.lines > 0
  end
  if args.write and wants_lines then
    split_at_marker(read(config), config)
  end
  perform(items, known, options)

  local lines = {}
  for _, item in ipairs(items) do
    for _, line in ipairs(item.lines) do
      lines[#lines + 1] = line
    end
    item.render, item.alternatives, item.targets, item.reads, item.place = nil, nil, nil, nil, nil
  end
  if args.write and #lines > 0 then
    write(config, lines, known, options)
  end
  local array = require("syslua.lib").array
  for _, item in ipairs(array(items)) do
    array(item.lines)
  end
  local is_written = (args.write or false) and #lines > 0
  return { config = config, adopted = items, written = is_written }, 0, lines
end

--- Renders it for people.
---@param report table
---@param args syslua.cli.Args
---@param lines string[]
---@return string[]
function adopt.render(report, args, _, lines)
  return render(report.adopted, lines, report.config, args)
end

return adopt
