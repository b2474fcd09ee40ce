--- The JSON of the commands has the fields of its schema, from which docs/reference/json.md is
-- generated: no other, and all that are not optional. Once, not for each Lua.

local contains = require("spec.support.text_checks").contains
local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local report_schema = require("spec.support.report_schema")
local syslua = require("syslua")

if interpreter.name ~= "lua5.4" then
  return
end

-- What never was there: users are root's to declare, and snapshots that differ are no actions to
-- come. Services and packages of the system have a machine of their own, and merged files have
-- separate specs.
local unseen = {
  "ActionReport.keys",
  "ActionReport.needs_build",
  "ActionReport.package",
  "ActionReport.service",
  "ActionReport.user",
  "AdoptedFile.key",
  "Applied.answers",
  "Applied.locks",
  "Applied.packages",
  "Applied.pending",
  "Applied.services_left_out",
  "AppliedAction.only_on_change",
  "AppliedAction.user",
  "Destroyed.packages",
  "Destroyed.services_left_out",
  "DryApplied.answers",
  "DryApplied.locks",
  "DryApplied.packages",
  "DryApplied.pending",
  "DryApplied.services_left_out",
  "Failure.mismatches",
  "Plan.answers",
  "Plan.locks",
  "Plan.packages",
  "Plan.services_left_out",
  "RollbackReport.packages",
  "RollbackReport.services_left_out",
  "Secrets.added",
  "Secrets.changed",
  "Secrets.created",
  "Secrets.key",
  "Secrets.recipients",
  "Secrets.removed",
  "Secrets.type",
  "Secrets.value",
  "StampReport.user",
  "Status.packages",
  "Status.services",
  "TargetReport.user",
}

local first = [[
  local low = derive { name = "low", version = "1", config = function(_, ctx)
    ctx.write(ctx.out .. "/low", "1")
  end }
  local tool = derive { name = "tool", opts = { port = 1, low = low }, config = function(_, ctx)
    ctx.run("mkdir -p $out/bin && cp /bin/sleep $out/bin/tool")
  end }
  file { path = "~/.one", content = "1" }
  file { path = "~/.own", content = "ours" }
  file { path = "~/.copy", content = "copy", mode = "644" }
  user { name = syslua.username, setup = function() env { EDITOR = "ed" } end }
  file { path = "~/.mine", source = "mine", mutable = true }
  file { path = "~/.tool", source = tool.out }
  env { EDITOR = syslua.lib.mkDefault("nano"), PATH = "/x", LINE = syslua.lib.ref("HOME") .. "/x" }
  env { EDITOR = syslua.lib.mkForce("vim") }
  project { name = "p", path = "~/p", setup = function() env { PAGER = "less" } end }
  alias { list = "ls -l", make = { sh = "mkdir", fish = "mkdir" } }
  activate { config = function(_, ctx)
    ctx.run("true " .. low.out, { undo = "true", cwd = "/", env = { A = "1" }, shell = "/bin/sh" })
    ctx.run("true " .. low.out, { always = true })
    ctx.run("true before " .. low.out, { before = true, name = "early", on_change = { low } })
    ctx.source_in_shell(low.out .. "/low", { shells = { "bash" } })
    ctx.add_to_path(low.out)
    local own = { owner = syslua.username, group = syslua.username }
    ctx.install(low.out .. "/low", "~/.owned", own)
  end }
]]

local second = [[
  local low = derive { name = "low", version = "2", config = function(_, ctx)
    ctx.write(ctx.out .. "/low", "2")
  end }
  local inner = derive { name = "inner", config = function(_, ctx)
    ctx.write(ctx.out .. "/inner", "i")
  end }
  local high = derive { name = "high", opts = { port = 2, low = inner, text = "a\nb\n" },
    config = function(opts, ctx)
    ctx.write(ctx.out .. "/high", opts.low.out)
  end }
  file { path = "~/.one", content = "2" }
  file { path = "~/.copy", content = "copy", mode = "644" }
  file { path = "~/.far/deep", content = "deep" }
  file { path = "~/.high", source = high.out }
  file { path = "~/.low", source = low.out }
]]

describe("JSON", function()
  local here

  local function run(...)
    local result = here.run(...)
    assert.is_true(result.code == 0 or result.code == 3, result.stderr)
    assert.equal(1, select(2, result.stdout:gsub("\n", "")))
    return syslua.lib.fromJSON(result.stdout)
  end

  local function check(command, ...)
    local document = run(command, ...)
    report_schema.check(command, document)
    return document
  end

  local function find(name)
    for _, object in ipairs(run("list", "--all", "--json").objects) do
      if object.object:find(name .. "-", 1, true) == 1 then
        return object
      end
    end
    error("there is no " .. name)
  end

  setup(function()
    here = machine.new()
    here.write("config/mine", "mine\n")
    here.write("home/.own", "before\n")
    here.environment.SYSLUA_CONFIG = here.directory .. "/config/init.lua"
  end)

  teardown(function()
    here.shell("chmod -R u+rwX home")
    here.remove()
  end)

  it("of a first apply is as documented", function()
    here.write_config(first, "config/init.lua")
    check("plan", "--json")
    check("apply", "--json", "--dry-run")
    check("apply", "--json", "--confirm", "60s")
    check("status", "--json")
    check("history", "--json")
    check("gc", "--json", "--dry-run")
    check("plan", "--json")
    check("rollback", "0", "--dry-run", "--json")
    check("destroy", "--dry-run", "--json")
    check("confirm", "--json")
    for _, what in ipairs({
      "EDITOR",
      "PATH",
      "LINE",
      "PAGER",
      "list",
      "make",
      "~",
      "~/.one/below",
      "low",
      "low/1",
    }) do
      check("why", what, "--json")
    end
    check("env", "--json")
    check("graph", "--json")
    check("services", "--json")
    check("build", "--json", "--check")
    check("build", "low", "--json")
    here.write_config(
      'derive { name = "t", config = function(_, ctx) ctx.run("date +%N >$out") end }',
      "times.lua"
    )
    check("build", "times.lua", "--json", "--check")
  end)

  it("of another one, of drift and of what is displaced is as documented", function()
    here.shell("echo edited >~/.copy; chmod 600 ~/.copy; ln -sfn /x ~/.one; rm ~/.tool")
    check("status", "--json")
    here.write_config(second, "config/init.lua")
    check("plan", "--json", "--build", "--diff")
    check("apply", "--json")
    here.shell("chmod 0 ~/.far")
    check("status", "--json")
    here.shell("chmod 755 ~/.far")
    check("history", "--json")
    check("list", "--all", "--json")
    check("info", "--json")
    check("info", "low/2", "--json")
    check("diff", "1", "2", "--json")
    local one, other = find("tool").deriver, find("high").deriver
    check("diff", one, other, "--json")
  end)

  it("of what goes, leaves and comes is as documented", function()
    local pid =
      here.shell("~/../root/store/obj/tool-*/bin/tool 20 >/dev/null 2>&1 & echo $!").stdout
    here.shell(
      'ln -s ../../obj/"$(ls root/store/obj | grep low-1)" root/store/metadata/gc-roots/mine'
    )
    here.shell("ln -s /nowhere root/store/metadata/gc-roots/gone")
    check("info", "tool", "--json")
    check("info", "low/1", "--json")
    check("why", "tool", "--json")
    check("why", "low/1", "--json")
    check("gc", "--json", "--dry-run", "--keep", "1")
    check("gc", "--json", "--keep", "1")
    here.shell("kill " .. pid)
    check("export", "low/2", "-o", "closure", "--json")
    check("import", "closure", "closure", "--json", "--root", "other")
    here.write("home/dots/tool/.toolrc", "x\n")
    check("import", "stow", "home/dots", "--output", "stowed", "--json")
    check("secrets", "keygen", "--output", "key", "--json")
    check("import", "closure", "closure", "--json", "--root", "other")
  end)

  it("of damage is as documented", function()
    here.shell(
      'chmod -R u+w root/store/obj/"$(ls root/store/obj | grep ^high)"; '
        .. "echo x >>root/store/obj/high*/high"
    )
    check("verify", "--json")
    here.shell("chmod -R u+w other/store/obj/*; echo x >>other/store/obj/low-2-*/low")
    check("verify", "--json", "--repair", "--root", "other")
    check("verify", "--json", "--repair")
    here.write("root/store/info/" .. find("low").object .. ".json", "{")
    check("list", "--all", "--json")
    check("status", "--json")
  end)

  it("of adoption is as documented", function()
    here.write_config(
      'file { path = "~/.from", source = "files/from" }\n-- adopt: here',
      "config/init.lua"
    )
    here.write("config/files/from", "from\n")
    check("apply", "--json")
    here.shell("echo new >~/.new; ln -s /usr ~/.link; rm ~/.from; echo edit >~/.from")
    check("adopt", "home/.new", "home/.link", "home/.from", "--json", "--write")
    check("apply", "--json")
    check("adopt", "home/.new", "--json")
  end)

  it("of going back is as documented", function()
    local snapshots = run("history", "--json").snapshots
    here.shell("echo edit >~/.edit; mv ~/.edit ~/.new")
    check("rollback", "--yes", "--json")
    here.write(
      "root/store/metadata/snapshots/" .. snapshots[#snapshots].id .. "/snapshot.json",
      "{"
    )
    check("history", "--json")
    check("destroy", "--dry-run", "--json")
    here.write("root/unknown", "x")
    check("destroy", "--yes", "--json")
  end)

  it("of failures is as documented", function()
    here.write_config("file { pth = 1 }", "config/init.lua")
    for _, words in ipairs({ { "plan" }, { "plan", "--jsn" }, { "stauts" }, { "why", "x" } }) do
      words[#words + 1] = "--json"
      local result = here.run(table.unpack(words))
      local document = syslua.lib.fromJSON(result.stdout)
      assert.is_true(result.code == 1 or result.code == 2)
      report_schema.check_failure(document)
      contains(result.stderr, document.error.message)
    end
  end)

  it("has all that is documented", function()
    assert.same(unseen, report_schema.get_unseen())
  end)
end)
