--- A throw-away machine with a registry of tools and a server that stands in for GitHub: it has the
-- tags of repositories, and releases whose archives are of the shapes that real ones have.

local machine = require("spec.support.machine")
local python_server = require("spec.support.python_server")

local tool_place = {}

-- A small registry of our own, with the kinds of entries that people use.
local registry = {
  ["acme/hammer"] = [[
packages:
  - type: github_release
    repo_owner: acme
    repo_name: hammer
    description: Hits nails
    aliases:
      - name: old/hammer
    a_field_of_later: [1, 2]
    version_constraint: "false"
    version_overrides:
      - version_constraint: nonsense(Version)
        asset: never
      - version_constraint: Version == "v1.5.0"
        no_asset: true
      - version_constraint: "true"
        asset: hammer-{{trimV .Version}}-{{.Arch}}-{{.OS}}.{{.Format}}
        format: tar.gz
        replacements: { amd64: x86_64, arm64: aarch64 }
        files:
          - name: hammer
            src: "{{.AssetWithoutExt}}/hammer"
            link: hm
        supported_envs: [linux, darwin]
        checksum:
          type: github_release
          asset: checksums.txt
          algorithm: sha256
]],
  ["acme/anvil"] = [[
packages:
  - type: github_release
    repo_owner: acme
    repo_name: anvil
    description: Something to hit on
    asset: anvil-{{.OS}}-{{.Arch}}
    format: raw
    files:
      - name: anv
]],
  ["acme/tongs"] = [[
packages:
  - type: github_release
    repo_owner: acme
    repo_name: tongs
    description: Holds hot things
    asset: tongs-{{.Version}}-{{.OS}}-{{.Arch}}.gz
    version_prefix: tongs-
]],
  ["acme/rusty"] = [[
packages:
  - type: cargo
    repo_owner: acme
    repo_name: rusty
    description: Must be built
    crate: rusty
]],
  ["other/hammer"] = [[
packages:
  - type: github_release
    repo_owner: other
    repo_name: hammer
    description: Another hammer
    asset: hammer.tar.gz
    files:
      - name: hammer
        src: missing/hammer
]],
  ["acme/file"] = [[
packages:
  - type: http
    name: acme/file
    repo_owner: acme
    repo_name: anvil
    description: Smooths edges
    url: SERVER/dist/{{.Version}}/file-{{.GOOS}}.zip
    files:
      - name: file
        src: file-{{.Version}}/bin/file
]],
}

local samples = {
  ["acme/hammer"] = "v2.0.0",
  ["acme/anvil"] = "1.0.0",
  ["acme/tongs"] = "tongs-0.1",
  ["other/hammer"] = "1.0.0",
  ["acme/file"] = "1.0.0",
}

local prelude = [[
set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
]]

---@class spec.ToolPlace
---@field here spec.Machine
---@field url string the server
-- Runs lines of the shell in the directory that is served.
---@field serve fun(lines: string): string
-- Gives a repository tags.
---@field tag fun(repository: string, ...: string)
-- Releases a version of the hammer; its program prints that.
---@field release_hammer fun(version: string)
---@field lock fun(directory: string?): table the lock beside `init.lua`, as a table
---@field requests fun(pattern: string): integer how many requests had a text in them
---@field config fun(lines: string, head: string?) writes `init.lua`, with the registry as an input
---@field remove fun()

--- Makes it.
---@return spec.ToolPlace
function tool_place.new()
  local here = machine.new()
  here.environment.SYSLUA_DOWNLOAD_RETRIES = "0"
  here.shell("mkdir -p served")
  local web = python_server.start("git_server", here.directory .. "/served")
  here.environment.SYSLUA_TOOLS_GITHUB = web.url

  for name, text in pairs(registry) do
    here.write("registry/pkgs/" .. name .. "/registry.yaml", (text:gsub("SERVER", web.url)))
    local sample = samples[name]
    if sample then
      local line = ("packages:\n  - name: %s@%s\n"):format(name, sample)
      here.write("registry/pkgs/" .. name .. "/pkg.yaml", line)
    end
  end

  local function serve(lines)
    local result = here.shell(prelude .. "cd served\n" .. lines)
    assert(result.code == 0, lines .. ": " .. result.stderr)
    return result.stdout
  end

  local function tag(repository, ...)
    serve(
      ("[ -d %s/.git ] || { mkdir -p %s && git init -q -b main %s && "):format(
        repository,
        repository,
        repository
      ) .. ("git -C %s commit -q --allow-empty -m one; }"):format(repository)
    )
    for _, name in ipairs({ ... }) do
      serve(("git -C %s tag -f '%s' >/dev/null"):format(repository, name))
    end
  end

  local function release_hammer(version)
    tag("acme/hammer", "v" .. version)
    serve(([[
      dir=acme/hammer/releases/download/v%s
      mkdir -p $dir
      for platform in x86_64-linux aarch64-linux x86_64-darwin aarch64-darwin; do
        name=hammer-%s-$platform
        mkdir -p $dir/$name/complete $dir/$name/doc
        printf '#!/bin/sh\necho "hammer %s $(basename "$0")"\n' > $dir/$name/hammer
        chmod 755 $dir/$name/hammer
        echo 'complete -F _hammer hammer' > $dir/$name/complete/hammer.bash
        echo '#compdef hammer' > $dir/$name/complete/_hammer
        echo 'complete -c hammer' > $dir/$name/complete/hammer.fish
        printf '.TH HAMMER 1\n' > $dir/$name/doc/hammer.1
        (cd $dir && tar -czf $name.tar.gz $name && rm -r $name)
      done
      (cd $dir && sha256sum *.tar.gz > checksums.txt)
    ]]):format(version, version, version))
  end

  tag("acme/hammer", "nightly")
  release_hammer("1.0.0")
  release_hammer("1.4.0")
  release_hammer("2.0.0")
  tag("acme/hammer", "v1.5.0")
  tag("acme/anvil", "1.0.0", "1.1.0")
  tag("acme/tongs", "tongs-0.1", "tongs-0.2")
  tag("other/hammer", "1.0.0")
  tag("acme/rusty", "1.0.0")
  serve([[
    for version in 1.0.0; do
      mkdir -p acme/anvil/releases/download/$version
      for platform in linux-amd64 linux-arm64 darwin-arm64; do
        file=acme/anvil/releases/download/$version/anvil-$platform
        printf '#!/bin/sh\necho "anvil %s"\n' "$version" > $file
      done
    done
    mkdir -p acme/tongs/releases/download/tongs-0.2 dist/1.0.0/file-1.0.0/bin
    for platform in linux-amd64 linux-arm64 darwin-arm64; do
      printf '#!/bin/sh\necho tongs\n' | gzip -n > \
        acme/tongs/releases/download/tongs-0.2/tongs-tongs-0.2-$platform.gz
    done
    printf '#!/bin/sh\necho file\n' > dist/1.0.0/file-1.0.0/bin/file
    (cd dist/1.0.0 && python3 -m zipfile -c file-linux.zip file-1.0.0)
    mkdir -p other/hammer/releases/download/1.0.0/top
    echo x > other/hammer/releases/download/1.0.0/top/readme
    (cd other/hammer/releases/download/1.0.0 && tar -czf hammer.tar.gz top)
  ]])

  local function config(lines, head)
    here.write(
      "init.lua",
      (
        'return {\n%s  inputs = { tools = "path:./registry" },\n'
        .. "  setup = function()\n%s\n  end,\n}\n"
      ):format(head or "", lines)
    )
  end

  return {
    here = here,
    url = web.url,
    serve = serve,
    tag = tag,
    release_hammer = release_hammer,
    config = config,
    lock = function(directory)
      local file = (directory and directory .. "/" or "") .. "syslua.lock"
      local text = assert(here.read(file), "there is no lock")
      return require("syslua").lib.fromJSON(text)
    end,
    requests = function(pattern)
      local count = 0
      for _, line in ipairs(web.list_requests()) do
        count = count + (line:find(pattern, 1, true) and 1 or 0)
      end
      return count
    end,
    remove = function()
      web.stop()
      here.remove()
    end,
  }
end

return tool_place
