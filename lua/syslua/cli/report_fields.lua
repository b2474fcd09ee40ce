--- The reports and parts of reports that commands make themselves: what `--json` prints of them.
-- The engine describes its own; `make docs` joins both in the reference and in `types/`. Programs
-- do not load this file.

-- Each field has a name, with "?" if it can be absent; a type; and what it is. Types are "string",
-- "integer", "number", "boolean", "any", words in quotes, names of reports, lists of those with
-- "[]", and tables by name with "{}". `extends` names a report whose fields it has too.
---@class syslua.cli.ReportFields
---@field [integer] string[]
---@field extends string?

local root = { "root", "string", "The directory of the store and the snapshots." }
local snapshot = { "snapshot", "SnapshotReport", "The current snapshot." }
local positions =
  { "positions", "string[]", 'The lines that declared it, innermost first: "init.lua:12".' }
local locks = { "locks?", "Change[]", "The changes of `syslua.lock`, if it changes." }
local answers = { "answers?", "Answer[]", "The answers in use, if the config asks with `lib.ask`." }
local change_list = { "changes", "Change[]", "The changes of `syslua.lock`." }
local failures = { "failures", "LookupFailure[]", "What cannot be looked up." }

---@type table<string, syslua.cli.ReportFields>
local reports = {
  Plan = { extends = "PlanReport", locks, answers },
  Applied = { extends = "ApplyReport", locks, answers },
  DryApplied = {
    extends = "Plan",
    { "applied", "boolean", "Always false." },
  },
  Answer = {
    { "name", "string", "The name of the question." },
    { "value", "any", "The answer." },
    {
      "origin",
      '"given"|"kept"|"default"',
      "Where it is from: a flag or the terminal, `syslua.local.json`, or the config.",
    },
    { "prompt?", "string", "The question." },
    { "position?", "string", "The line that asks." },
  },
  Status = {
    extends = "StatusReport",
    {
      "shell?",
      '"current"|"old"|"none"',
      "The environment of the calling shell; absent when no variable is declared.",
    },
  },
  Destroyed = {
    extends = "DestroyReport",
    {
      "profiles",
      "string[]",
      "Lines for people: the startup files from which the line of `init --shell` was removed.",
    },
  },
  Graph = {
    { "nodes", "Node[]", "What the config declares." },
    { "edges", "Edge[]", "What is made from what." },
  },
  Node = {
    { "id", "string", "Unique in its graph." },
    {
      "kind",
      '"derivation"|"file"|"action"',
      "Its kind; a file is the recipe of a file or tree.",
    },
    {
      "group",
      "string",
      'What it is: "build", "file", "link", "directory", "absent", "variable", "alias", "script", '
        .. '"command" and others.',
    },
    {
      "label",
      "string",
      "One line; the name of a derivation in the place of its path is in braces.",
    },
    { "details", "string[]", "More lines." },
    { "origin?", "string", 'Of a file: the path of its source, or "a text".' },
    positions,
  },
  Edge = {
    { "from", "string", "The `id` of a node." },
    { "to", "string", "The `id` of a node that is made from it." },
  },
  Adopted = {
    { "config", "string", "The entry file." },
    {
      "adopted",
      "AdoptedFile[]",
      "The requested files, in order; for a directory of managed files, each of them.",
    },
    { "written", "boolean", "Whether lines were added to the config." },
  },
  AdoptedFile = {
    { "path", "string", "The path." },
    {
      "action",
      '"copy"|"encrypt"|"source"|"link"|"nothing"',
      "What happens to it.",
    },
    {
      "source?",
      "string",
      "The new place of its content, relative to the config's directory; for a link, its target.",
    },
    { "key?", "string", "The key of an encrypted file in `source`." },
    { "lines", "string[]", "The lines that the config needs for it." },
    { "kept?", "string", "The copy of the old source." },
    { "reason?", "string", "Why nothing was done." },
    { "position?", "string", "The line that declares it." },
  },
  Why = {
    root,
    snapshot,
    { "what", "string", "The requested name or path." },
    {
      "way",
      '"variable"|"program"|"target"|"above"|"below"|"service"|"object"',
      "The kind of `what`: a target is a managed path, and others are above or below one.",
    },
    { "actions", "AppliedAction[]", "The applied actions about it, as the manifest has them." },
    { "environments", "StampReport[]", "What shows that a shell is up to date." },
    { "object?", "ObjectReport", "The object." },
    { "holders?", "HolderReport[]", "What keeps the object." },
  },
  AppliedAction = {
    {
      "kind",
      "string",
      '"symlink", "install", "merge", "set_variable", "run", "enable_service", "package" and '
        .. "others.",
    },
    positions,
    { "user?", "string", "Its user, from a user block." },
    { "project?", "AppliedProject", "The project that it is part of." },
    { "priority?", "integer", "Its priority; 900 if absent." },
    { "overridden?", "Overridden[]", "The declarations that lost." },
    { "source?", "string", "The target of a link, or the file with the content." },
    { "target?", "string", "The path of a target." },
    { "mutable?", "boolean", "True when it is yours to change." },
    { "mode?", "string", 'Of "install": the declared mode.' },
    { "owner?", "string", 'Of "install": the declared owner.' },
    { "group?", "string", 'Of "install": the declared group.' },
    { "digest?", "string", 'Of "install": the SHA-256 of the content.' },
    { "executable?", "boolean", 'Of "install": whether its source can be run.' },
    { "directory?", "string", 'Of "add_to_path": the directory.' },
    { "script?", "string", 'Of "source_in_shell": the script.' },
    { "shells?", "string[]", 'Of "source_in_shell": the shells that read it.' },
    { "name?", "string", "The name of a variable, alias, function, service or command." },
    { "command?", "any", 'Of "run" and "set_alias": the command, a text or a list of words.' },
    { "bodies?", "string{}", 'Of "set_function": its texts by the names of shells.' },
    {
      "value?",
      "any",
      'Of "set_variable": a text; a table with `entries` and `separator`; or one with `parts`.',
    },
    { "undo?", "any", 'Of "run": the command that undoes it.' },
    { "always?", "boolean", 'Of "run": true when it runs at each apply.' },
    { "cwd?", "string", 'Of "run": its working directory.' },
    { "env?", "string{}", 'Of "run": its variables.' },
    { "shell?", "string", 'Of "run": the shell for a line.' },
    { "before?", "boolean", 'Of "run": true when it runs before files change.' },
    { "on_change?", "any", 'Of "run": what makes it run again.' },
    {
      "only_on_change?",
      "boolean",
      'Of "run": true when it runs only when something in `on_change` changed.',
    },
  },
  AppliedProject = {
    { "name", "string", "Its name." },
    { "path?", "string", "Its directory." },
  },
  Overridden = {
    { "value", "string", "What it declared, in words." },
    { "priority", "integer", "Its priority; the lowest number wins." },
    positions,
  },
  Built = {
    { "derivations", "BuiltDerivation[]", "The derivations, built now or earlier." },
    { "differ?", "integer", "With `--check`: how many results differ." },
  },
  BuiltDerivation = {
    extends = "DerivationReport",
    { "reproducible?", "boolean", "With `--check`: whether both builds are equal." },
    { "difference?", "BuildDifference", "With `--check`: the first file that differs." },
  },
  BuildDifference = {
    { "output", "string", "The output that differs." },
    { "file", "string", 'The file, below the output; "." is the output itself.' },
    { "how", "string", "How it differs, in words." },
  },
  Updated = {
    change_list,
    {
      "applied",
      "boolean",
      "Whether it was written: false with `--dry-run`, and when nothing changed.",
    },
    failures,
  },
  Outdated = {
    { "changes", "Change[]", "What `update` would lock." },
    failures,
    {
      "registry_date?",
      "string",
      'The day of the locked registry of tools: "2026-08-22".',
    },
  },
  Lock = {
    {
      "changes",
      "Change[]",
      "The changes of an apply; with `--prune` and `--platform`, those that were made.",
    },
    {
      "complete?",
      "boolean",
      "With `--check`: whether the lock is complete, as far as is known.",
    },
    { "unknown?", "UnknownPins[]", "The derivations whose pins are unknown." },
  },
  UnknownPins = {
    { "name", "string", "The name of the derivation." },
    { "position?", "string", "The line that declares it." },
  },
  Change = {
    {
      "name",
      "string",
      'The input; of an input of an input "parent/name"; of a pin its address, for git '
        .. '"ADDRESS#REF"; of a tool "name@request".',
    },
    { "section", '"inputs"|"fetches"|"tools"', "The section of the lock; a pin is a fetch." },
    { "old?", "any", "The earlier entry; absent for a new one." },
    { "new?", "any", "The new entry; absent for a removed one." },
    {
      "commits?",
      "integer",
      "How many commits are between the old and the new revision, if known.",
    },
  },
  LookupFailure = {
    { "name", "string", "The input, pin or tool, as in a change." },
    { "kind", "string", "The kind of the error." },
    { "message", "string", "What happened, and why." },
    { "hint?", "string", "What to do about it." },
    { "position?", "string", "The line of the config." },
    { "details?", "string", "More lines." },
  },
  Available = {
    { "tool", "string", "The tool." },
    { "versions", "string[]", "Its versions, newest first." },
  },
  Found = {
    { "tools", "FoundTool[]", "The tools." },
  },
  FoundTool = {
    { "name", "string", "Its name." },
    { "description", "string", "What it is." },
    { "programs", "string[]", "Its programs." },
    { "aliases", "string[]", "Its former names." },
  },
  ObjectInfo = {
    root,
    { "object", "ObjectReport", "The object." },
    { "referrers", "string[]", "The objects that refer to it." },
    { "closure", "Closure", "The objects that it needs, including itself." },
    { "holders", "HolderReport[]", "What keeps it." },
  },
  Closure = {
    { "objects", "string[]", "The names of the objects." },
    { "size", "integer", "The bytes of their files." },
  },
  WrittenConfig = {
    { "config", "string", "The path of the config that was written." },
    { "declared", "integer", "The number of its declarations." },
    { "left_out", "LeftOut[]", "What is not converted." },
  },
  LeftOut = {
    { "path", "string", "The path." },
    { "reason", "string", "Why it is left out, in words." },
  },
  ImportedTools = {
    { "file", "string", "The written file." },
    { "tools", "integer", "How many tools it has." },
    { "locked", "integer", "How many of them are locked." },
    { "left", "string[]", "What is not taken over." },
    { "problem?", "string", "Why nothing is locked." },
  },
  Secrets = {
    { "file", "string", "The document, or the file that `keygen` made." },
    { "key?", "string", "`set`, `get`: the key." },
    {
      "type?",
      '"str"|"int"|"float"|"bool"|"time"|"null"|"map"|"list"|"document"',
      '`set`, `get`: the type of the value; "document" is the whole content.',
    },
    { "value?", "any", "`get`: the decrypted value; bytes that are not text are base64." },
    { "created?", "boolean", "Whether the document is new." },
    { "changed?", "boolean", "Whether it was written." },
    { "recipients?", "string[]", "Its recipients." },
    { "added?", "string[]", "`rotate`, `recipients`: added recipients." },
    { "removed?", "string[]", "`rotate`, `recipients`: removed recipients." },
    { "recipient?", "string", "`keygen`: the public key that belongs to the identity." },
  },
  Failed = {
    { "error", "Failure", "The error." },
  },
  Failure = {
    { "kind", "string", "One of the kinds below; new ones may be added." },
    { "message", "string", "What happened, and why." },
    { "position?", "string", 'The line of the user\'s config: "init.lua:12".' },
    { "hint?", "string", "What to do about it." },
    { "mismatches?", "Mismatch[]", "Wrong hashes." },
  },
  Mismatch = {
    { "position?", "string", "The line of the config." },
    { "url", "string", "The address." },
    { "expected", "string", "The expected SHA-256, hexadecimal." },
    { "found", "string", "The SHA-256 of what was downloaded." },
  },
}

--- The reports of each command: one, or one of several.
---@type table<string, string[]>
local commands = {
  plan = { "Plan" },
  graph = { "Graph" },
  apply = { "Applied", "DryApplied" },
  status = { "Status" },
  services = { "ServicesReport" },
  history = { "HistoryReport" },
  rollback = { "RollbackReport" },
  env = { "EnvironmentReport" },
  destroy = { "Destroyed" },
  adopt = { "Adopted" },
  confirm = { "ConfirmReport" },
  why = { "Why" },
  build = { "Built" },
  update = { "Updated" },
  outdated = { "Outdated" },
  lock = { "Lock" },
  list = { "ListReport", "Available" },
  search = { "Found" },
  info = { "InfoReport", "ObjectInfo" },
  verify = { "VerifyReport" },
  gc = { "GcReport" },
  export = { "ExportReport" },
  import = { "WrittenConfig", "ImportedTools", "ImportReport" },
  diff = { "SnapshotDiffReport", "DiffReport" },
  secrets = { "Secrets" },
}

return { reports = reports, commands = commands }
