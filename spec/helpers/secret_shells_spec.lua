--- Variables with secrets, in every shell that is there.

local machine = require("spec.support.machine")
local process = require("spec.support.process")

local recipient = "age1fm04afyk2yvux4cluqw83g4vx5cqvfdkle3r7qpx6nsm8yw6vcvstu8dzn"
local vectors = "src/secrets/tests/vectors/"
local canary = "CANARY-5f2a9c"

describe("secrets of shells #once", function()
  local here

  before_each(function()
    here = machine.new()
    here.copy(vectors .. "key.txt", "key.txt")
    here.environment.SOPS_AGE_KEY_FILE = here.directory .. "/key.txt"
    here.environment.SOPS_AGE_RECIPIENTS = recipient
  end)

  after_each(function()
    here.remove()
  end)

  local function write(body)
    here.write(
      "init.lua",
      ('local s = sops.load("secrets.yaml")\nreturn { setup = function()\n%s\nend }\n'):format(body)
    )
  end

  local function check_nowhere(...)
    for index = 1, select("#", ...) do
      local result = select(index, ...)
      assert.is_nil((result.stdout .. result.stderr):find(canary, 1, true))
    end
    local found = here.shell("grep -rlF -e " .. canary .. " root || true").stdout
    for line in found:gmatch("[^\n]+") do
      assert.truthy(line:find("^root/secrets/"), line .. " has the value")
    end
  end

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
        write("syslua.lib.secret.env { TOKEN = s.token }")
        local applied = here.run("apply", "init.lua")
        assert.equal(0, applied.code, applied.stderr)
        local shown = here.shell("PATH=$PATH:/var/cache/syslua-tools/bin; " .. line)
        assert.equal(value, shown.stdout, ("value %d: %s"):format(index, shown.stderr))
        check_nowhere(applied, here.run("env"))
      end
      local modes = here.shell("find root/secrets -mindepth 2 -type f -exec stat -c %a {} +").stdout
      assert.equal("", (modes:gsub("600\n", "")))
    end)
  end
end)
