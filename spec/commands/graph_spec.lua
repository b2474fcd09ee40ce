--- `graph`, `edit` and `watch`: what a config is made of, and working on it.

local machine = require("spec.support.machine")
local process = require("spec.support.process")
local random = require("spec.support.random")
local syslua = require("syslua")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches_none =
  text_checks.contains, text_checks.contains_none, text_checks.matches_none

describe("graph #once", function()
  local here = machine.for_each_test(function(here)
    here.write("rc", "rc\n")
    here.write("tree/a", "a")
    for index = 1, 20 do
      here.write("tree/sub/" .. index, "x")
    end
    here.write_config([[
      local low = derive({ name = "low", version = "2", config = function(_, ctx)
        ctx.write(ctx.out .. "/bin/x", "x")
      end })
      local high = derive({ name = "high", opts = { low = low }, config = function(opts, ctx)
        ctx.write(ctx.out, opts.low.out)
      end })
      file({ path = "~/.upper", content = "use " .. high.out .. "\n" })
      file({ path = "~/.rc", source = "rc" })
      file({ path = "~/.tree", source = "tree", recursive = true })
      env({ PATH = { low.out .. "/bin" }, EVIL = "</script><b>\"'\\\n" })
      activate({ config = function(_, ctx) ctx.run("echo " .. high.out) end })
    ]])
  end)

  local function by_label(document)
    local found = {}
    for _, node in ipairs(document.nodes) do
      found[node.label] = node
    end
    return found
  end

  it("is data: every derivation, every action, and every edge", function()
    local document = syslua.lib.fromJSON(here.must("graph", "init.lua", "--format", "json").stdout)
    assert.equal(1, document.version)
    local nodes, edges = by_label(document), {}
    for _, edge in ipairs(document.edges) do
      edges[edge.from .. " " .. edge.to] = true
    end
    local function has(from, to)
      return edges[nodes[from].id .. " " .. nodes[to].id] == true
    end
    assert.is_true(has("low 2", "high"))
    assert.is_true(has("high", "high") == false)
    assert.is_true(has("high", "$ echo {high}"))
    assert.is_true(has("low 2", "PATH = {low 2}/bin"))
    assert.equal("init.lua:2", nodes["low 2"].positions[1])
    assert.truthy(nodes["~/.tree/sub/20"])
    assert.equal(0, here.run("graph", "init.lua", "--json").code)
    -- Nothing is built, and nothing made.
    assert.is_false(here.exists("root/store/obj"))
  end)

  it("is text that Graphviz reads, with one node for a tree", function()
    local dot = here.must("graph", "init.lua").stdout
    contains(dot, '"~/.rc <- rc"', "~/.tree/ 21 files")
    contains_none(dot, "sub/20")
    if process.has("dot") then
      here.write("x.dot", dot)
      assert.equal(0, here.shell("dot -Tsvg x.dot >x.svg").code)
    end
  end)

  it("fails when its output cannot be written", function()
    here.write_config([[file({ path = "~/.a", content = "text" })]])
    for _, format in ipairs({ "dot", "json", "html" }) do
      local line = ("$LUA -l syslua graph init.lua --format %s >/dev/full"):format(format)
      local result = here.shell(line)
      assert.equal(1, result.code, format)
      contains(result.stderr, "cannot write the output")
    end
  end)

  it("is one page, in which texts of the config stay texts", function()
    local result = here.must("graph", "init.lua", "--format", "html", "--output", "out/page.html")
    assert.equal("", result.stdout)
    local page = here.read("out/page.html")
    contains_none(page, "</script><b>")
    for address in page:gmatch("https?://[%w./]+") do
      assert.equal("http://www.w3.org/2000/svg", address)
    end
    local data = syslua.lib.fromJSON(page:match('type="application/json">(.-)</script>'))
    assert.truthy(by_label(data)["~/.tree/ 21 files"])
    if process.has("chromium") and syslua.username ~= "root" then
      local line = "HOME=$PWD timeout 100 chromium --headless --disable-gpu --dump-dom "
        .. "file://$PWD/out/page.html"
      local shown = here.shell(line)
      if shown.code == 0 then
        assert.equal(#data.nodes, select(2, shown.stdout:gsub('class="node"', "")))
      end
    end
  end)

  it("shows names and texts of any bytes, and none that act", function()
    here.write_config(
      [[
      local all = {}
      for byte = 1, 255 do
        all[#all + 1] = string.char(byte)
      end
      all = table.concat(all):gsub("[/]", "")
      file({ path = "~/" .. all, content = "x" })
      file({ path = "~/\255\254", source = "rc" })
      file({ path = "~/bidi\226\128\174</script>", content = "x" })
      env({ A = "</script>\27[31m\r\n" })
      alias({ ll = "ls '</script>'" })
    ]],
      "any.lua"
    )
    for _, format in ipairs({ "dot", "json", "html" }) do
      local text = here.must("graph", "any.lua", "--format", format).stdout
      matches_none(text, "[%z\1-\9\11-\31\127]")
      contains_none(text, "\226\128\174")
      if format == "html" then
        assert.equal(2, select(2, text:gsub("</script", "")))
        text = text:match('type="application/json">(.-)</script>')
      end
      if format ~= "dot" then
        assert.is_true(#syslua.lib.fromJSON(text).nodes >= 5, format)
      end
    end
  end)

  it("refuses formats that it does not know, and is for other machines too", function()
    assert.equal(2, here.run("graph", "init.lua", "--format", "png").code)
    here.write_config([[file({ path = "~/." .. syslua.hostname, content = "x" })]])
    contains(here.must("graph", "init.lua", "--hostname", "box").stdout, "~/.box")
  end)
end)

describe("edit #once", function()
  local here = machine.for_each_test(function(here)
    here.write("rc", "rc\n")
    here.write("t.in", "{{ x }}\n")
    here.write("tree/a/b", "b\n")
    here.write("dir/c", "c\n")
    here.write("own", "own\n")
    here.write_config([[
      file({ path = "~/.rc", source = "rc" })
      file({ path = "~/.t", template = "t.in", values = { x = 1 } })
      file({ path = "~/.tree", source = "tree", recursive = true })
      file({ path = "~/.dir", source = "dir" })
      file({ path = "~/.own", source = "own", mutable = true })
      file({ path = "~/.text", content = "text\n" })
    ]])
    here.write("append", '#!/bin/sh\necho "$@" >>opened\nfor f; do :; done\necho more >>"$f"\n')
    here.environment.VISUAL = "sh " .. here.directory .. "/append"
    here.must("apply", "init.lua")
  end)

  it("opens what a target is made of, and applies", function()
    for target, source in pairs({
      [".rc"] = "rc",
      [".t"] = "t.in",
      [".tree/a/b"] = "tree/a/b",
      [".dir/c"] = "dir/c",
      [".own"] = "own",
    }) do
      local before = here.read("home/" .. target)
      here.must("edit", here.home .. "/" .. target, "-c", "init.lua", "--yes")
      assert.equal(here.directory .. "/" .. source, here.read("opened"):match("([^\n]+)\n$"))
      assert.equal(before .. "more\n", here.read("home/" .. target), target)
    end
    -- A text stands in the config itself.
    here.environment.VISUAL = "true"
    local result = here.must("edit", "~/.text", "-c", "init.lua")
    contains(result.stdout, "init.lua is unchanged.")
  end)

  it("asks nobody where nobody is, and says what to do", function()
    local result = here.must("edit", "~/.rc", "-c", "init.lua")
    contains(result.stdout, "rc changed")
    assert.equal("rc\n", here.read("home/.rc"))
    -- An editor with arguments and blanks in its path.
    here.shell("mkdir 'my editors' && cp append 'my editors/it s'")
    for _, editor in ipairs({
      [["%s/my editors/it s"]],
      [['%s/my editors/it s']],
      [[%s/my\ editors/it\ s]],
    }) do
      here.environment.VISUAL = "sh " .. editor:format(here.directory) .. " --wait 'a b'"
      here.must("edit", "~/.rc", "-c", "init.lua")
      assert.equal(
        ("--wait a b %s/rc"):format(here.directory),
        here.read("opened"):match("([^\n]+)\n$")
      )
    end
    here.environment.VISUAL = "false"
    assert.equal(2, here.run("edit", "~/.rc", "-c", "init.lua").code)
    result = here.run("edit", "~/.rd", "-c", "init.lua")
    assert.equal(2, result.code)
    contains(result.stderr, "~/.rc")
  end)
end)

describe("watch #once", function()
  it("applies when a file changes, goes on after a mistake, and ends at a signal", function()
    local here = machine.new()
    here.write("config/rc", "1\n")
    here.write("outside/o", "1\n")
    here.write_config(
      [[
        file({ path = "~/.rc", source = "rc" })
        file({ path = "~/.o", source = "../outside/o" })
        file({ path = "~/.tree", source = "tree", recursive = true })
      ]],
      "config/init.lua"
    )
    here.write("config/tree/a", "a")
    -- A log of its output beside the config does not count as a change.
    here.shell("$LUA -l syslua watch config >config/out 2>config/err </dev/null & echo $! >pid")
    local function wait_for(name, expected)
      for _ = 1, 300 do
        if here.read(name) == expected then
          return true
        end
        here.shell("sleep 0.1")
      end
      error(("%s is %s\n%s"):format(name, tostring(here.read(name)), here.read("config/err")))
    end
    wait_for("home/.rc", "1\n")
    here.shell("sleep 2")
    local _, count = here.read("config/err"):gsub("Watching", "")
    assert.is_true(count <= 2, here.read("config/err"))
    local pick = random.new(3)
    for round = 2, 4 do
      local text = round .. "\n"
      if pick(2) == 1 then
        here.write("config/rc", text)
      else
        -- As many editors write.
        here.shell(("printf '%d\\n' >new; mv new config/rc"):format(round))
      end
      wait_for("home/.rc", text)
    end
    here.write("outside/o", "2\n")
    wait_for("home/.o", "2\n")
    here.write("config/tree/b", "b")
    wait_for("home/.tree/b", "b")
    local good = here.read("config/init.lua")
    here.write("config/init.lua", "return {")
    here.shell("for i in $(seq 100); do grep -q syntax config/err && break; sleep 0.1; done")
    contains(here.read("config/err"), "syntax error")
    here.write("config/init.lua", good)
    here.write("config/rc", "last\n")
    wait_for("home/.rc", "last\n")
    here.shell(
      "kill -TERM $(cat pid); for i in $(seq 100); do kill -0 $(cat pid) || break; sleep 0.1; done"
    )
    assert.not_equal(0, here.shell("kill -0 $(cat pid)").code)
    here.remove()
  end)
end)
