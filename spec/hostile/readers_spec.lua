--- What a name leads to that sys.lua reads: it waits for no pipe, fills no memory, and says which
-- file it is. One table names the readers; each meets each kind of file.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local tables = require("syslua.util.table")

-- How each kind is made, and what the message says of it. Pipes have no writer.
local kinds = {
  pipe = { 'mkfifo "$F"', "named pipe" },
  directory = { 'mkdir "$F"', "directory" },
  device = { 'ln -s /dev/zero "$F"', "device" },
  socket = {
    [[python3 -c 'import os, socket; socket.socket(socket.AF_UNIX).bind(os.environ["F"])']],
    "socket",
  },
  endless = { 'truncate -s 10G "$F"', "larger than" },
}

local recipient = "age1fm04afyk2yvux4cluqw83g4vx5cqvfdkle3r7qpx6nsm8yw6vcvstu8dzn"
local secret = 'file { path = "~/.out", secret = sops.load("secrets.yaml").token }'
local identity = "cp secrets.sops secrets.yaml"

-- Per reader: the file, a config that reads it, and what else is needed. `other` has what a reader
-- says of a kind in its own words, and `skip` kinds that are right there.
local readers = {
  ["the entry file"] = { file = "init.lua", command = "plan init.lua" },
  ["the entry file of a directory"] = {
    file = "c/init.lua",
    command = "plan c",
    prepare = "mkdir c",
  },
  ["a module"] = { file = "helper.lua", setup = 'require("helper")' },
  ["lib.read"] = { file = "text", setup = 'syslua.lib.read("text")' },
  ["the answers"] = {
    file = "syslua.local.json",
    setup = 'syslua.lib.ask("name", { default = "x" })',
  },
  ["a template"] = { file = "t.j2", setup = 'file { path = "~/.out", template = "t.j2" }' },
  ["an include"] = {
    file = "part.j2",
    setup = [[file { path = "~/.out", template = "t.j2" }]],
    prepare = [[echo '{% include "part.j2" %}' >t.j2]],
  },
  ["a list of what a tree leaves out"] = {
    file = "tree/.sysluaignore",
    setup = 'file { path = "~/.out", source = "tree", recursive = true }',
    prepare = "mkdir tree; echo x >tree/a",
    -- Only a regular file is such a list.
    skip = { device = true, directory = true },
    other = { pipe = "is not a file", socket = "is not a file" },
  },
  ["a target of a merge"] = {
    file = "home/.m.json",
    setup = 'file { path = "~/.m.json", merge = "json", values = { a = 1 } }',
    other = {
      device = "is a link to /dev/zero",
      pipe = "it is a special file",
      socket = "it is a special file",
    },
  },
  ["a unit"] = {
    file = "x.service",
    setup = [[
      activate {
        config = function(_, ctx) ctx.enable_service("x", { unit = "./x.service" }) end,
      }
    ]],
  },
  ["a source"] = {
    file = "source",
    setup = 'file { path = "~/.out", source = "./source" }',
    skip = { directory = true, endless = true },
    other = { device = "/dev/zero is" },
  },
  ["a document of secrets"] = { file = "secrets.yaml", setup = secret },
  ["a document that a command reads"] = {
    file = "secrets.yaml",
    command = "secrets get token --file secrets.yaml",
  },
  ["a key of age"] = {
    file = "key.txt",
    command = "secrets get token --file secrets.yaml",
    prepare = identity,
    environment = { SOPS_AGE_KEY_FILE = "key.txt" },
  },
  ["the keys of age of a user"] = {
    file = "home/.config/sops/age/keys.txt",
    command = "secrets get token --file secrets.yaml",
    prepare = identity .. "; mkdir -p home/.config/sops/age",
  },
  ["a key of SSH"] = {
    file = "home/.ssh/id_ed25519",
    command = "secrets get token --file secrets.yaml",
    prepare = identity .. "; mkdir home/.ssh",
  },
  ["the rules of sops"] = { file = ".sops.yaml", command = "secrets set a b --file new.yaml" },
  ["what mise reads"] = { file = "mise.toml", command = "import mise mise.toml", ends = 2 },
  ["versions for mise"] = {
    file = ".tool-versions",
    command = "import mise .tool-versions",
    ends = 2,
  },
  ["what aqua reads"] = { file = "aqua.yaml", command = "import aqua aqua.yaml", ends = 2 },
  ["logins of servers"] = {
    file = "home/.netrc",
    setup = [[
      derive {
        name = "x",
        config = function(_, ctx) ctx.fetch_url("http://127.0.0.1:1/x", ("0"):rep(64)) end,
      }
    ]],
    command = "build init.lua",
  },
  ["certificates"] = {
    file = "all.pem",
    setup = [[
      derive {
        name = "x",
        config = function(_, ctx) ctx.fetch_url("https://127.0.0.1:1/x", ("0"):rep(64)) end,
      }
    ]],
    command = "build init.lua",
    environment = { SSL_CERT_FILE = "all.pem" },
  },
  ["what git ignores"] = {
    file = "new/.gitignore",
    command = "init new",
    prepare = "mkdir new",
  },
  ["what a shell reads"] = {
    file = "home/.bashrc",
    command = "init new --shell bash",
    ends = 0,
  },
  ["an input"] = {
    file = "shared/init.lua",
    setup = 'require("inputs.shared")',
    inputs = 'shared = "path:./shared"',
    prepare = "mkdir shared",
  },
  ["a project"] = {
    file = "syslua.lua",
    command = "shell -- true",
    other = {
      device = "is a symbolic link",
      directory = "is not a regular file",
      endless = "has more than 16 MiB",
      pipe = "is not a regular file",
      socket = "is not a regular file",
    },
  },
  ["what is adopted"] = {
    file = "home/.thing",
    setup = "",
    prepare = "mkdir -p c && mv init.lua c",
    command = "adopt home/.thing -c c",
    skip = { directory = true, device = true, endless = true },
    other = { pipe = "is not a file", socket = "is not a file" },
  },
}

describe("a file of another kind #once", function()
  local here = machine.for_each_test()

  local function write_config(reader)
    here.write(
      "init.lua",
      ("return { %s setup = function()\n%s\nend }"):format(
        reader.inputs and "inputs = { " .. reader.inputs .. " }," or "",
        reader.setup
      )
    )
  end

  for _, name in ipairs(tables.get_sorted_keys(readers)) do
    it("is refused as " .. name, function()
      local reader = readers[name]
      if reader.prepare and reader.prepare:find("secrets.sops", 1, true) then
        here.shell(
          "$LUA -l syslua secrets set token x --file s.yaml && mv s.yaml secrets.sops",
          { SOPS_AGE_RECIPIENTS = recipient }
        )
      end
      for _, kind in ipairs(tables.get_sorted_keys(kinds)) do
        if not (reader.skip and reader.skip[kind]) then
          local make, word = kinds[kind][1], kinds[kind][2]
          here.shell("rm -rf init.lua c new home; mkdir home")
          if reader.setup then
            write_config(reader)
          end
          local environment = { F = reader.file }
          for key, value in pairs(reader.environment or {}) do
            environment[key] = here.directory .. "/" .. value
          end
          here.shell(reader.prepare or "true")
          here.shell(('rm -rf "$F"; %s'):format(make), environment)
          -- No reader needs 4 GiB, of which the interpreter takes a part without using it.
          local command = reader.command or "apply init.lua"
          local line = "ulimit -v 4000000; timeout -s KILL 30 $LUA -l syslua " .. command
          local result = here.shell(line, environment)
          local shown = ("%s: %s\n%s%s"):format(kind, command, result.stdout, result.stderr)
          assert.equal(reader.ends or 1, result.code, shown)
          local all = (result.stdout .. result.stderr):gsub("Is a directory", "is a directory")
          local other = reader.other and reader.other[kind]
          contains(all, other or word)
          assert.truthy(other or all:find(reader.file:match("[^/]+$"), 1, true), shown)
          assert.truthy(reader.ends == 0 or all:find("hint:", 1, true), shown)
        end
      end
    end)
  end

  it("that is a pipe of the shell is read", function()
    here.write(
      "config",
      'return { setup = function() file { path = "~/.out", content = "x" } end }'
    )
    for _, line in ipairs({ "plan /dev/stdin <config", "plan /dev/stdin", "plan /dev/fd/0" }) do
      local result = here.shell("cat config | $LUA -l syslua " .. line)
      assert.equal(0, result.code, result.stderr)
      contains(result.stdout, ".out")
    end
  end)
end)
