--- The hook beside what else happens in a shell: direnv, other hooks, prompts made at each prompt,
-- virtual environments, links, and a root that goes.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local projects = require("spec.support.projects")

describe("the hook #once", function()
  local here = machine.for_each_test(function(here)
    here.shell("mkdir -p ~/web/sub ~/dir bin")
    here.write("bin/sys", '#!/bin/sh\nexec "$LUA" -l syslua "$@"\n')
    here.shell("chmod +x bin/sys")
  end)

  local function get_hook(name)
    return here.must("env", "--shell", name, "--hook").stdout
  end

  for name in pairs(projects.shells) do
    local it_there = process.has(name) and process.has("script") and it or pending
    local set = name == "fish" and "set -gx %s %s" or "export %s=%s"

    it_there(name .. " takes all back when the root is destroyed", function()
      here.apply([[
        env({ V = "1", PATH = { "/of/all" } })
        alias({ hello = "echo \"<hi>\"" })
        project({ name = "web", path = "~/web", setup = function() env({ W = "2", V = "3" }) end })
      ]])
      projects.write(here, "home/web", 'env({ D = "4", W = "5" })')
      projects.trust(here, "home/web")
      local show = 'echo "<$V|$W|$D|$SYSLUA_PROJECT>"'
      local shown, all = projects.run_started(here, name, get_hook(name), {
        "hello",
        "cd ~/web",
        show,
        "$LUA -l syslua destroy --yes >/dev/null 2>&1",
        show,
        "cd ~",
        show,
        "hello",
      }, { V = "own", W = "mine" })
      assert.same({ "hi", "3|5|4|web", "own|mine||", "own|mine||" }, {
        shown[1],
        shown[2],
        shown[3],
        shown[4],
      }, all)
      assert.not_equal("hi", shown[#shown], all)
    end)

    it_there(name .. " sees projects through links", function()
      here.shell("ln -s dir/sub ~/link; ln -s web ~/other; mkdir -p ~/dir/sub/deep; ln -s ~ away")
      here.apply([[
        project({ name = "web", path = "~/web", setup = function() env({ W = "1" }) end })
        project({ name = "far", path = "~/other/sub", setup = function() env({ F = "1" }) end })
      ]])
      projects.write(here, "home/dir", 'env({ D = "1" })')
      projects.trust(here, "home/dir")
      local show, lines, expected = 'echo "<$W|$F|$D>"', {}, {}
      for _, one in ipairs({
        { "~/link/deep", "||1" },
        { "~/other", "1||" },
        { "~/web/sub", "1|1|" },
        { here.directory .. "/away/web", "1||" },
        { here.directory .. "/away/dir", "||1" },
        { "~", "||" },
      }) do
        lines[#lines + 1], lines[#lines + 2] = "cd " .. one[1], show
        expected[#expected + 1] = one[2]
      end
      local shown, all = projects.run_started(here, name, get_hook(name), lines)
      assert.same(expected, shown, all)
    end)

    it_there(name .. " enters projects, however their paths are written", function()
      local paths = { "$HOME/w1", "${HOME}/w2", "~/x/../w3", "~//w4", "~/w5/.", "~/w6 ", "~/w7/" }
      local config, lines, expected = {}, {}, {}
      for index, path in ipairs(paths) do
        config[index] = ('project({ name = "w%d", path = %q, setup = function() '):format(
          index,
          path
        ) .. ('env({ W = "%d" }) end })'):format(index)
        here.shell(("mkdir -p ~/w%d ~/'w6 '"):format(index))
        lines[#lines + 1] = index == 6 and "cd ~/'w6 '" or ("cd ~/w%d"):format(index)
        lines[#lines + 1] = 'echo "<$W>"'
        expected[index] = tostring(index)
      end
      here.apply(table.concat(config, "\n"))
      local shown, all = projects.run_started(here, name, get_hook(name), lines)
      assert.same(expected, shown, all)
    end)

    it_there(name .. " leaves values that references made", function()
      here.apply([[
        local ref = syslua.lib.ref
        project({ name = "web", path = "~/web", setup = function()
          env({ TOP = ref("PWD") .. "/x", A = ref("B") .. "/a", C = ref("B") .. "/c" })
        end })
      ]])
      local shown = projects.run_started(here, name, get_hook(name), {
        "cd ~/web",
        set:format("B", "new"),
        set:format("C", "mine"),
        "cd ~",
        'echo "<$TOP|$A|$C>"',
      }, { B = "old", TOP = "top" })
      assert.same({ "top||mine" }, shown)
    end)

    local it_beside = process.has("direnv") and it_there or pending
    for _, is_first in ipairs({ true, false }) do
      it_beside(name .. (is_first and " before" or " after") .. " direnv", function()
        projects.write(here, "home/dir", 'env({ A = "1", PATH = "/of/dir", B = "dir" })')
        here.write("home/dir/.envrc", "export X=1\nPATH_add bin\n")
        here.write("home/dir/sub/.envrc", "source_up\nexport X=2\n")
        projects.trust(here, "home/dir")
        here.shell("for d in ~/dir ~/dir/sub; do (cd $d && direnv allow); done")
        local direnv = name == "fish" and "direnv hook fish | source"
          or ('eval "$(direnv hook %s)"'):format(name)
        local own = get_hook(name)
        local text = is_first and own .. "\n" .. direnv or direnv .. "\n" .. own
        local lines = {}
        for _, place in ipairs({ "~/dir", "~", "~/dir/sub", "~/dir", "~" }) do
          lines[#lines + 1] = "cd " .. place
          local path = name == "fish" and "(string join : -- $PATH)" or "$PATH"
          lines[#lines + 1] = name == "fish" and 'echo "<$A|$B|$X|"' .. path .. '">"'
            or 'echo "<$A|$B|$X|$PATH>"'
        end
        local shown, all = projects.run_started(here, name, text, lines, {
          B = "orig",
          PATH = "/usr/bin:/bin",
        })
        local bin, own_bin = here.home .. "/dir/bin", "/of/dir"
        for index, path in ipairs({ shown[1], shown[3], shown[4] }) do
          local has = ":" .. path:match("[^|]*$") .. ":"
          assert.equal(index == 2 and "1|dir|2|" or "1|dir|1|", path:match("^.*|"), all)
          contains(has, ":" .. own_bin .. ":", ":" .. bin .. ":")
        end
        assert.same({ "|orig||/usr/bin:/bin", "|orig||/usr/bin:/bin" }, { shown[2], shown[5] })
      end)
    end
  end

  it("has no projects in directories that nothing finds", function()
    for _, path in ipairs({ "~root/web", "~x", "$WHERE/web", "$HOMES/web", "${X}" }) do
      local problem =
        here.fail(('project({ name = "web", path = %q, setup = function() end })'):format(path))
      contains(problem.message, "nothing replaces")
      assert.truthy(problem.position, path)
    end
  end)

  -- Prompts that are made anew, before the hook and after it.
  local prompts = {
    bash = {
      "make() { PS1='P> '; }; PROMPT_COMMAND=make",
      "make() { PS1='P> '; }; PROMPT_COMMAND=(make)",
      "make() { PS1='P> '; }; PROMPT_COMMAND='make; # all'",
      after = {
        "make() { PS1='P> '; }; PROMPT_COMMAND+=';make'",
        "make() { PS1='P> '; }; PROMPT_COMMAND=(true \"$PROMPT_COMMAND\" make)",
        "make() { PS1='P> '; }; PROMPT_COMMAND=\"$PROMPT_COMMAND; make\"",
      },
    },
    zsh = {
      'precmd() { PS1="P> " }',
      'make() { PS1="P> " }; precmd_functions=(make)',
      after = {
        'make() { PS1="P> " }; precmd_functions+=(make)',
        'make() { PS1="P> " }; precmd_functions=(make $precmd_functions); precmd() { make }',
      },
    },
  }
  for name, variants in pairs(prompts) do
    local it_there = process.has(name) and process.has("script") and it or pending
    local lines = { "cd ~/web", "true", 'echo "<${PS1}>"', "cd ~", "true", 'echo "<${PS1}>"' }

    it_there(name .. " marks prompts that are made at each prompt", function()
      here.apply(
        [[project({ name = "web", path = "~/web", setup = function() env({ W = "1" }) end })]]
      )
      local hook = get_hook(name)
      local texts = {}
      for _, variant in ipairs(variants) do
        texts[#texts + 1] = variant .. "\n" .. hook
      end
      for _, variant in ipairs(variants.after) do
        texts[#texts + 1] = hook .. "\n" .. variant
      end
      for _, text in ipairs(texts) do
        local _, all = projects.run_started(here, name, text, lines)
        -- What is shown ends with a mark of its own.
        local shown = {}
        for found in all:gmatch("<([^<$\r\n]*P> )>") do
          shown[#shown + 1] = found
        end
        assert.same({ "(web) P> ", "P> " }, shown, all)
      end
    end)

    it_there(name .. " takes marks out of prompts that others saved", function()
      here.apply(
        [[project({ name = "web", path = "~/web", setup = function() env({ W = "1" }) end })]]
      )
      here.write(
        "activate",
        [[
OLD="$PS1"; PS1="(venv) $PS1"
deactivate() { PS1="$OLD"; }
]]
      )
      local text = "PS1='P: '\n" .. get_hook(name)
      local shown = projects.run_started(here, name, text, {
        "cd ~/web",
        ". " .. here.directory .. "/activate",
        'echo "<$PS1>"',
        "cd ~",
        'echo "<$PS1>"',
        "deactivate",
        'echo "<$PS1>"',
      })
      assert.same({ "(venv) (web) P: ", "(venv) P: ", "P: " }, shown)
    end)
  end
end)
