--- What the lock says of tools follows what the config says of them: name, request, registry,
-- `vars` and platform. And one tool that cannot be looked up stops no other.

local text_checks = require("spec.support.text_checks")
local tool_place = require("spec.support.tool_place")

local contains, contains_none = text_checks.contains, text_checks.contains_none

describe("the lock of tools{} #once", function()
  local place, here, platform, os_name, other

  setup(function()
    local sys = require("syslua")
    platform, os_name = sys.platform, sys.os
    other = platform == "aarch64-linux" and "x86_64-linux" or "aarch64-linux"
  end)

  before_each(function()
    place = tool_place.new()
    here = place.here
  end)

  after_each(function()
    place.remove()
  end)

  local function run(code, ...)
    return here.run_to(code, ...)
  end

  local function must(...)
    return run(0, ...)
  end

  local function call(line)
    return here.shell('. "$SYSLUA_ROOT/env.sh"; ' .. line).stdout
  end

  -- A package of one file for each platform, with further lines.
  local function describe_tool(repository, lines, asset)
    local owner, name = repository:match("^(.-)/(.*)$")
    asset = asset or (name .. "-{{.OS}}-{{.Arch}}")
    here.write(
      ("registry/pkgs/%s/registry.yaml"):format(repository),
      ([[
packages:
  - type: github_release
    repo_owner: %s
    repo_name: %s
    description: a tool
    asset: "%s"
    format: raw
%s]]):format(owner, name, asset, lines or "")
    )
  end

  local function release(repository, tag, files)
    place.tag(repository, tag)
    for file, says in pairs(files) do
      local path = ("served/%s/releases/download/%s/%s"):format(repository, tag, file)
      here.write(path, ('#!/bin/sh\necho "%s"\n'):format(says))
    end
  end

  local function get_name(name, of)
    local arch, os = of:match("^(.-)%-(.+)$")
    return ("%s-%s-%s"):format(name, os, arch == "x86_64" and "amd64" or "arm64")
  end

  -- A tool that is released for two platforms.
  local function add_tool(name, ...)
    describe_tool("acme/" .. name)
    for _, tag in ipairs({ ... }) do
      release("acme/" .. name, tag, {
        [get_name(name, platform)] = ("%s %s"):format(name, tag),
        [get_name(name, other)] = ("%s %s"):format(name, tag),
      })
    end
  end

  local function write(lines)
    here.write(
      "init.lua",
      'return { inputs = { tools = "path:./registry", mine = "path:./mine" }, '
        .. "setup = function()\n"
        .. lines
        .. "\nend }\n"
    )
  end

  it("follows the registry and the vars of the config", function()
    add_tool("saw", "v1.0.0")
    describe_tool(
      "acme/vary",
      "    vars: [{ name: flavour, default: sweet }]\n",
      "vary-{{.Vars.flavour}}"
    )
    release("acme/vary", "v1.0.0", { ["vary-sweet"] = "sweet", ["vary-sour"] = "sour" })
    here.shell("cp -r registry mine")
    here.shell("sed -i 's/asset: .*/asset: mine/' mine/pkgs/acme/saw/registry.yaml")
    release("acme/saw", "v1.0.0", { mine = "mine" })
    local project = 'project { name = "p", setup = function() tools { %s"saw@1" } end }'
    local mine = 'registry = "mine", '
    -- In each order, and when one comes after the other, each gets its own.
    for _, outer in ipairs({ "", mine }) do
      local inner = outer == "" and mine or ""
      write(('tools { %s"saw@1", vary = "1" }'):format(outer))
      must("apply", "init.lua")
      write(
        ('tools { %s"saw@1", vary = { vars = { flavour = "sour" }, version = "1" } }'):format(outer)
          .. project:format(inner)
      )
      must("apply", "init.lua")
      must("apply", "init.lua", "--locked")
      local own, theirs = "saw v1.0.0\n", "mine\n"
      if outer == mine then
        own, theirs = theirs, own
      end
      assert.equal(own .. "sour\n", call("saw; vary"))
      assert.equal(theirs, must("shell", "p", "--config", "init.lua", "--", "saw"))
    end
    contains(must("outdated", "-c", "init.lua"), "All inputs, pins and tools are up to date.")
    write("tools { vary = { vars = { flavour = 3 } } }")
    contains(run(1, "plan", "init.lua"), "`vars.flavour` is a string, got number 3", "init.lua:2")
    write('tools { "saw@1" } tools { registry = "mine", "saw@1" }')
    contains(run(1, "plan", "init.lua"), "declared twice", "saw@1 {registry=mine}")
    release("acme/saw", "v2.0.0", { [get_name("saw", platform)] = "two" })
    write('tools { "saw@1" } tools { ["acme/saw"] = "2" }')
    contains(run(1, "plan", "init.lua"), "declared twice", "saw@1", "acme/saw@2")
  end)

  it("keeps the address of a version whose package has another name now", function()
    add_tool("saw", "v1.0.0")
    add_tool("axe", "v1.0.0", "v2.0.0")
    place.config('tools { "saw@1", "axe@1" }')
    must("apply", "init.lua")
    local before = here.read("syslua.lock")
    here.shell("rm -r registry/pkgs/acme/saw")
    describe_tool("new/saw", "    aliases: [{ name: acme/saw }]\n")
    release("new/saw", "v1.0.0", { [get_name("saw", platform)] = "other" })
    for _, command in ipairs({ "outdated", "update" }) do
      contains(run(1, command, "-c", "init.lua"), "another address", "acme/saw", "new/saw")
      assert.equal(before, here.read("syslua.lock"))
    end
    -- What is newer is not the locked version.
    release("new/saw", "v1.1.0", { [get_name("saw", platform)] = "newer" })
    must("update", "-c", "init.lua")
    assert.equal("new/saw", place.lock().tools["saw@1"].package)
  end)

  it("gets the tools of the config for another platform, and loses none silently", function()
    for _, name in ipairs({ "both", "here", "there" }) do
      add_tool(name, "v1.0.0")
    end
    local arch = platform:match("^[^-]+")
    place.config(
      ([[ tools { "both" }
      if syslua.arch == "%s" then tools { "here@1" } else tools { "there@1" } end ]]):format(
        arch
      )
    )
    -- Without a lock, and with one.
    for _ = 1, 2 do
      must("lock", "--platform", other, platform, "-c", "init.lua")
      local tools = place.lock().tools
      assert.truthy(tools["both@latest"].platforms[other])
      assert.truthy(tools["both@latest"].platforms[platform])
      assert.truthy(tools["there@1"].platforms[other])
      assert.is_nil(tools["there@1"].platforms[platform])
      assert.is_nil(tools["here@1"].platforms[other])
    end
    local before = place.requests("")
    for _, system in ipairs({ platform, other }) do
      must("plan", "init.lua", "--locked", "--system", system)
    end
    assert.equal(before, place.requests(""))
    must("apply", "init.lua", "--locked")
    place.tag("acme/both", "v1.1.0")
    release("acme/both", "v1.1.0", { [get_name("both", platform)] = "newer" })
    describe_tool(
      "acme/both",
      (
        '    version_constraint: semver("< 1.1")\n    version_overrides:\n'
        .. '      - version_constraint: "true"\n        supported_envs: [%s]\n'
      ):format((get_name("", platform):sub(2):gsub("-", "/")))
    )
    contains(must("update", "-c", "init.lua"), "both@latest", "not released for " .. other)
    -- What is declared for another platform stays, what is not declared at all goes.
    place.config(([[ if syslua.arch ~= "%s" then tools { "there@1" } end ]]):format(arch))
    contains(must("lock", "--prune", "--dry-run", "-c", "init.lua"), "both@latest", "here@1")
    must("lock", "--prune", "-c", "init.lua")
    local tools = place.lock().tools
    assert.truthy(tools["there@1"])
    assert.is_nil(tools["both@latest"])
    assert.is_nil(tools["here@1"])
  end)

  it("moves what it can where a repository is gone", function()
    for _, name in ipairs({ "one", "two", "three", "gone" }) do
      add_tool(name, "v1.0.0")
    end
    place.config('tools { "one", "two", "three", "gone" }')
    must("apply", "init.lua")
    place.config('tools { "one", "two", "three" }')
    for _, name in ipairs({ "one", "two", "three" }) do
      release("acme/" .. name, "v1.1.0", {
        [get_name(name, platform)] = "1.1",
        [get_name(name, other)] = "1.1",
      })
    end
    here.shell("rm -rf served/acme/two served/acme/gone")
    contains(run(1, "outdated", "-c", "init.lua"), "one@latest", "acme/two", "v1.0.0 -> v1.1.0")
    local said = run(1, "update", "-c", "init.lua")
    contains(said, "acme/two", "gone@latest", "does not declare it", "lock --prune")
    local tools = place.lock().tools
    assert.equal("v1.1.0", tools["one@latest"].version)
    assert.equal("v1.0.0", tools["two@latest"].version)
    assert.equal("v1.1.0", tools["three@latest"].version)
    local answer =
      require("syslua").lib.fromJSON(here.run("outdated", "-c", "init.lua", "--json").stdout)
    assert.equal(1, #answer.failures)
    assert.equal("two@latest", answer.failures[1].name)
    must("apply", "init.lua")
    contains(must("lock", "--prune", "-c", "init.lua"), "gone@latest", "no longer declared")
    must("update", "-c", "init.lua", "th*", "one")
    contains(run(2, "update", "-c", "init.lua", "nix*"), "one@latest, ", " tools ")
  end)

  it("passes over tags whose files are not there yet", function()
    local lines = "    checksum: { type: github_release, asset: sums.txt, algorithm: sha256 }\n"
    for _, name in ipairs({ "late", "refused" }) do
      describe_tool("acme/" .. name, lines)
      release("acme/" .. name, "v1.0.0", { [get_name(name, platform)] = name })
      release("acme/" .. name, "v1.1.0", { [get_name(name, platform)] = name })
      for _, tag in ipairs({ "v1.0.0", "v1.1.0" }) do
        place.serve(
          ("cd acme/%s/releases/download/%s && sha256sum %s* >sums.txt"):format(name, tag, name)
        )
      end
      place.serve(("rm acme/%s/releases/download/v1.1.0/%s"):format(name, get_name(name, platform)))
    end
    place.config('tools { "late@1" }')
    contains(must("apply", "init.lua"), "v1.1.0 is passed over", "(yet)")
    assert.equal("v1.0.0", place.lock().tools["late@1"].version)
    place.config('tools { "refused@1.1.0" }')
    contains(run(1, "apply", "init.lua"), "has no file", "(yet)")
    describe_tool("acme/none", "    error_message: it went elsewhere\n")
    place.tag("acme/none", "v1.0.0", "v2.0.0")
    place.config('tools { "none" }')
    local said = run(1, "plan", "init.lua")
    contains(said, "acme/none: it went elsewhere")
    contains_none(said, "nearest")
  end)

  it("takes the server of the config, a tag with @, and the config's own registry", function()
    add_tool("saw", "v1.0.0")
    describe_tool("acme/biome")
    here.write(
      "registry/pkgs/acme/biome/pkg.yaml",
      "packages:\n  - name: acme/biome@@acme/biome@1.0.0\n"
    )
    release("acme/biome", "@acme/biome@1.0.0", {
      [get_name("biome", platform)] = "biome",
      [get_name("biome", other)] = "biome",
    })
    place.config("")
    contains(must("search", "saw", "-c", "init.lua"), "acme/saw  a tool")
    assert.equal("1.0.0\n", must("list", "--available", "saw", "-c", "init.lua"))
    here.environment.SYSLUA_TOOLS_GITHUB = nil
    here.environment.https_proxy = "http://127.0.0.1:9"
    place.config(
      ("tools { github = %q, 'saw@1', ['acme/biome'] = '@acme/biome@1.0.0' }"):format(place.url)
    )
    must("apply", "init.lua")
    assert.equal("biome\n", call("biome"))
    must("outdated", "-c", "init.lua")
    must("update", "acme/biome", "-c", "init.lua")
    must("update", "saw", "-c", "init.lua")
    must("lock", "--platform", other, "-c", "init.lua")
    assert.equal("1.0.0\n", must("list", "--available", "saw", "-c", "init.lua"))
    assert.truthy(os_name)
  end)

  it("needs no registry for what it has, whatever input that is", function()
    add_tool("saw", "v1.0.0")
    local made = here.shell([[
      set -e
      git init -q -b main reg.git; cp -r registry/pkgs reg.git; git -C reg.git add .
      git -C reg.git -c user.name=a -c user.email=a@b commit -qm one
    ]])
    assert.equal(0, made.code, made.stderr)
    local head = ('return { inputs = { mine = "git:file://%s/reg.git#main" }, '):format(
      here.directory
    ) .. "setup = function(inputs)\n"
    here.write("init.lua", head .. 'tools { registry = "mine", "saw@1" }\nend }\n')
    must("apply", "init.lua")
    here.shell("mv reg.git gone; chmod -R u+w root; rm -rf root")
    must("apply", "init.lua", "--locked")
    assert.equal("saw v1.0.0\n", call("saw"))
    -- A config that looks into it needs it.
    local more = 'tools { registry = "mine", "saw@1" }\nassert(inputs.mine.path)\nend }\n'
    here.write("init.lua", head .. more)
    contains(run(1, "plan", "init.lua"), "mine")
    here.shell("mv gone reg.git")
    must("plan", "init.lua")
  end)

  it("has programs that are programs, with their further names", function()
    local refused = "x\27y"
    describe_tool("acme/bad", ('    files: [{ name: "%s" }]\n'):format("x\\ey"))
    describe_tool("acme/saw", "    files: [{ name: saw, link: sw }]\n")
    for _, name in ipairs({ "bad", "saw" }) do
      release("acme/" .. name, "v1.0.0", { [get_name(name, platform)] = name })
    end
    place.config('tools { "saw" }')
    must("apply", "init.lua")
    assert.equal("saw\n", call("sw"))
    place.config('tools { "bad" }')
    local said = run(1, "apply", "init.lua")
    contains(said, "is not a file name")
    contains_none(said, refused)
    local made = here.shell([[
      set -e
      mkdir -p tree/top/directory
      ln -s nowhere tree/top/dangling; ln -s directory tree/top/linked; echo x >tree/top/readme
      tar -C tree -czf odd.tar.gz top
    ]])
    assert.equal(0, made.code, made.stderr)
    for _, name in ipairs({ "directory", "dangling", "linked" }) do
      describe_tool(
        "acme/" .. name,
        ("    files: [{ name: %s, src: top/%s }]\n"):format(name, name),
        "odd.tar.gz"
      )
      here.shell("sed -i 's/format: raw/format: tar.gz/' registry/pkgs/acme/*/registry.yaml")
      release("acme/" .. name, "v1.0.0", { ["odd.tar.gz"] = "" })
      here.shell(("cp odd.tar.gz served/acme/%s/releases/download/v1.0.0/"):format(name))
      place.config(('tools { "%s" }'):format(name))
      contains(run(1, "apply", "init.lua"), "the archive has no program top/" .. name, "top/readme")
    end
  end)
end)
