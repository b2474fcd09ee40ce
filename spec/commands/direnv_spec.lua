--- direnv with the function of the guide: `use syslua` in an `.envrc` gives the environment of the
--- directory's project.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local projects = require("spec.support.projects")
local tree = require("spec.support.tree")

local has_programs = process.has("direnv") and process.has("bash") and process.has("script")

describe("direnv #once", function()
  local here
  local it_there = has_programs and it or pending

  before_each(function()
    here = machine.new()
    -- The function as the guide has it.
    local text = tree.read("docs/guide/projects.md"):match("```sh\n(use_syslua.-)```")
    here.write("home/.config/direnv/direnvrc", assert(text))
    here.write("bin/sys", '#!/bin/sh\nexec "$LUA" -l syslua "$@"\n')
    here.shell("chmod +x bin/sys")
    here.write("web/.envrc", "use syslua\n")
  end)

  after_each(function()
    here.remove()
  end)

  local function run(line)
    return here.shell('PATH="$PWD/bin:$PATH"; export PATH LUA; cd web; ' .. line)
  end

  it_there("loads a project that is trusted, and unloads it", function()
    projects.write(here, "web", "env({ PORT = 8080, PATH = '/of/web' })")
    projects.trust(here, "web")
    local line = [[
      direnv allow . 2>/dev/null
      bash -c 'eval "$(direnv export bash 2>/dev/null)"; echo "$PORT ${PATH%%:*}"
        cd ..; eval "$(direnv export bash 2>/dev/null)"; echo "<$PORT>"'
    ]]
    local result = run(line)
    assert.equal("8080 /of/web\n<>\n", result.stdout, result.stderr)
  end)

  it_there("runs nothing of one that is not", function()
    here.write("web/syslua.lua", ('io.open(%q, "w"):close()\n'):format(here.directory .. "/canary"))
    local result = run("direnv allow .; direnv export bash")
    contains(result.stderr, "is not trusted")
    assert.is_false(here.exists("canary"))
  end)
end)
