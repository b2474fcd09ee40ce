--- `import mise` and `import aqua`: what they wrote becomes `tools{}` and entries of a lock.

local contains = require("spec.support.text_checks").contains
local tool_place = require("spec.support.tool_place")

describe("import of tools #once", function()
  local place, here

  before_each(function()
    place = tool_place.new()
    here = place.here
    -- The registry is that of the lock beside the file that is written.
    here.write(
      "out/syslua.lock.start",
      '{ "version": 1, "inputs": { "tools": { "type": "path", "url": "path:../registry" } } }'
    )
  end)

  after_each(function()
    place.remove()
  end)

  it("takes mise.toml over", function()
    here.write(
      "mise.toml",
      table.concat({
        "[tools]",
        'anv = "1.0.0"',
        '"aqua:acme/hammer" = { version = "1" }',
        'tongs = ["latest", "0.1"]',
        '"npm:prettier" = "3"',
        "",
      }, "\n")
    )
    local said = here.must("import", "mise", "mise.toml", "--output", "out").stdout
    contains(said, "3 tools", "npm:prettier")
    local text = here.read("out/tools.lua")
    local expected = { '["acme/hammer"] = "1"', '["anv"] = "1.0.0"', '["tongs"] = "latest"' }
    for _, line in ipairs(expected) do
      contains(text, line)
    end
    assert.equal(2, here.run("import", "mise", "mise.toml", "--output", "out").code)
    here.must("import", "mise", "mise.toml", "--output", "out", "--force")
    here.write("out/syslua.lock", here.read("out/syslua.lock.start"))
    here.write(
      "out/tools.lua",
      (
        here
          .read("out/tools.lua")
          :gsub("return {", 'return { inputs = { tools = "path:../registry" },')
      )
    )
    here.must("apply", "out/tools.lua")
  end)

  it("takes variables over, and names what it does not take", function()
    here.write(
      "mise.toml",
      table.concat({
        'min_version = "2024.1"',
        "[tools]",
        'anv = { version = "prefix:1", os = ["linux"], virtualenv = ".venv" }',
        '"acme/hammer" = ["1", { version = "2", exe = "h" }]',
        'node = "lts"',
        'terraform = "ref:main"',
        'go = "system"',
        "[env]",
        'PLAIN = "a \\"b\\" $HOME"',
        "NUMBER = 3",
        'TEMPLATE = "{{config_root}}/x"',
        "GONE = false",
        '_.path = ["./bin"]',
        "[tasks.build]",
        'run = "make"',
        "[settings]",
        "experimental = true",
        "jobs = 2",
      }, "\n")
    )
    local said = here.must("import", "mise", "mise.toml", "--output", "new/out", "--json").stdout
    local result = require("syslua").lib.fromJSON(said)
    assert.equal(2, result.tools)
    assert.same({
      "the option `exe` of acme/hammer",
      "the option `virtualenv` of anv",
      "[env] GONE",
      "[env] TEMPLATE",
      "[env] _",
      "[min_version] ",
      "[settings] experimental, jobs",
      "[tasks] build",
      "acme/hammer 2",
      "go system",
      "node lts",
      "terraform ref:main",
    }, result.left)
    local text = here.read("new/out/tools.lua")
    for _, line in ipairs({
      '["anv"] = "1"',
      '["acme/hammer"] = "1"',
      [[PLAIN = "a \"b\" $HOME"]],
      'NUMBER = "3"',
      "-- not taken over: [tasks] build",
    }) do
      contains(text, line)
    end
    for _, wrong in ipairs({ "tools = 3", 'env = "x"', "[[tools]]\na = 1" }) do
      here.write("wrong.toml", wrong .. "\n")
      local refused = here.run("import", "mise", "wrong.toml", "--output", "wrong")
      assert.equal(2, refused.code, wrong)
      contains(refused.stderr, "wrong.toml")
      assert.is_false(here.exists("wrong/tools.lua"))
    end
  end)

  it("takes .tool-versions over", function()
    here.write(".tool-versions", "anv 1.0.0 # comment\n\n# nothing\nacme/hammer 2.0.0 1.0.0\n")
    here.must("import", "mise", ".tool-versions", "--output", "out")
    local text = here.read("out/tools.lua")
    contains(
      text,
      '["anv"] = "1.0.0"',
      '["acme/hammer"] = "2.0.0"',
      "-- not taken over: acme/hammer 1.0.0"
    )
  end)

  it("takes the version that a request means, a lock alone, and what the registry has", function()
    local row = "platforms.linux-x64"
    local function lock(name, version, file)
      local sum = ("%s"):format(version:sub(1, 1)):rep(64)
      local url = ("https://github.com/acme/%s/releases/download/%s"):format(name, file)
      local head = ('[[tools."aqua:acme/%s"]]\nversion = "%s"\n'):format(name, version)
      return head .. ('%q = { checksum = "sha256:%s", url = %q }\n'):format(row, sum, url)
    end
    local function hammer(version)
      local file = "v%s/hammer-%s-x86_64-linux.tar.gz"
      return lock("hammer", version, file:format(version, version))
    end
    here.write("mise.lock", hammer("1.4.0") .. hammer("2.0.0"))
    for request, version in pairs({ ["1"] = "v1.4.0", ["2"] = "v2.0.0", ["2.0.0"] = "v2.0.0" }) do
      here.write(
        "mise.toml",
        ('[tools]\n"aqua:acme/hammer" = "%s"\npython = "3"\n'):format(request)
      )
      here.write("out/syslua.lock", here.read("out/syslua.lock.start"))
      local said = here.must("import", "mise", "mise.toml", "--output", "out", "--force").stdout
      contains(said, "1 tool, 1 of them locked", "not taken over: python")
      assert.equal(version, place.lock("out").tools["acme/hammer@" .. request].version)
    end
    here.write("mise.lock", hammer("2.0.0"))
    here.write("out/syslua.lock", here.read("out/syslua.lock.start"))
    here.must("import", "mise", "mise.lock", "--output", "out", "--force")
    assert.equal("v2.0.0", place.lock("out").tools["acme/hammer@2.0.0"].version)
    here.write("aqua.yaml", "packages:\n  - name: acme/anvil@1.0.0\n")
    here.write("aqua-checksums.json", "{broken")
    local failed = here.run("import", "aqua", "aqua.yaml", "--output", "new")
    assert.equal(2, failed.code, failed.stderr)
    contains(failed.stderr, "aqua-checksums.json")
  end)

  it("refuses what cannot be read, and loses nothing", function()
    here.write("mise.toml", "[tools\n")
    here.write("aqua.yaml", "packages: [\n")
    here.write("text.yaml", "packages: text\n")
    local bad = {
      { "mise", "mise.toml" },
      { "aqua", "aqua.yaml" },
      { "aqua", "gone" },
      { "aqua", "text.yaml" },
    }
    for _, words in ipairs(bad) do
      local result = here.run("import", words[1], words[2], "--output", "out")
      assert.equal(2, result.code)
      contains(result.stderr, words[2])
      assert.is_false(here.exists("out/tools.lua"))
    end
  end)

  it("takes aqua.yaml over", function()
    here.write(
      "aqua.yaml",
      table.concat({
        "registries:",
        "  - type: standard",
        "    ref: v4.0.0",
        "packages:",
        "  - name: acme/hammer@v1.4.0",
        "  - name: acme/anvil",
        "    version: 1.0.0",
        "  - name: x/y@v1",
        "    registry: own",
        "",
      }, "\n")
    )
    local sum = place
      .serve([[
      cd acme/hammer/releases/download/v1.4.0 && sha256sum hammer-1.4.0-x86_64-linux.tar.gz
    ]])
      :match("^%x+")
    here.write(
      "aqua-checksums.json",
      ('{ "checksums": [ { "id": %q, "checksum": %q, "algorithm": "sha256" } ] }'):format(
        "github_release/github.com/acme/hammer/v1.4.0/hammer-1.4.0-x86_64-linux.tar.gz",
        sum:upper()
      )
    )
    here.write("out/syslua.lock", here.read("out/syslua.lock.start"))
    local said = here.must("import", "aqua", "aqua.yaml", "--output", "out").stdout
    contains(said, "2 tools")
    local text = here.read("out/tools.lua")
    contains(text, '["acme/hammer"] = "v1.4.0"', "x/y")
    contains(said, "1 of them locked")
    local lock = require("syslua").lib.fromJSON(here.read("out/syslua.lock"))
    assert.equal("path", lock.inputs.tools.type)
    local entry = lock.tools["acme/hammer@v1.4.0"]
    assert.equal("v1.4.0", entry.version)
    assert.equal(sum, entry.platforms["x86_64-linux"].sha256)
    -- Nothing is resolved again, and the lock is one that is read.
    here.write(
      "out/tools.lua",
      (text:gsub("return {", 'return { inputs = { tools = "path:../registry" },'))
    )
    if require("syslua").platform == "x86_64-linux" then
      here.must("plan", "out/tools.lua")
    end
  end)
end)
