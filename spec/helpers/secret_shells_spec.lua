--- Variables with secrets, in every shell that is there.

local process = require("spec.support.process")
local secret_place = require("spec.support.secret_place")

local canary = secret_place.canary

describe("secrets of shells #once", function()
  local here

  before_each(function()
    here = secret_place.new()
  end)

  after_each(function()
    here.remove()
  end)

  -- How a shell reads its script and prints a variable.
  local shells = {
    sh = "sh -c '. root/env.sh; printf %s \"$TOKEN\"'",
    bash = "bash --norc -c '. root/env.sh; printf %s \"$TOKEN\"'",
    zsh = "zsh -f -c '. root/env.sh; printf %s \"$TOKEN\"'",
    fish = "fish --no-config -c 'source root/env.fish; printf %s \"$TOKEN\"'",
    elvish = "elvish -norc -c 'eval (slurp < root/env.elv); print $E:TOKEN'",
    nu = "nu -n -c 'source root/env.nu; print -n $env.TOKEN'",
  }

  for shell, line in pairs(shells) do
    local program = "PATH=$PATH:/var/cache/syslua-tools/bin; command -v " .. shell
    local it_there = process.run_line(program).code == 0 and it or pending

    it_there("set variables: " .. shell, function()
      local values = {
        canary,
        "it's \"" .. canary .. '" $HOME `id` \\n \\ %s !! ; & | < > * ? [a] {b} ~ #',
        canary .. "\nsecond line\n",
        " " .. canary .. " ünïcode 🎉 ",
        "",
      }
      for index, value in ipairs(values) do
        here.write("value", value)
        local set_it = "printf '%s' \"$(cat value; echo .)\" | head -c -1 | "
          .. "$LUA -l syslua secrets set token --file secrets.yaml"
        assert.equal(0, here.shell(set_it).code)
        here.declare("syslua.lib.secret.env { TOKEN = s.token }")
        local applied = here.run("apply", "init.lua")
        assert.equal(0, applied.code, applied.stderr)
        local shown = here.shell("PATH=$PATH:/var/cache/syslua-tools/bin; " .. line)
        assert.equal(value, shown.stdout, ("value %d: %s"):format(index, shown.stderr))
        here.check_nowhere(applied, here.run("env"))
      end
      local modes = here.shell("find root/secrets -mindepth 2 -type f -exec stat -c %a {} +").stdout
      assert.equal("", (modes:gsub("600\n", "")))
    end)
  end
end)
