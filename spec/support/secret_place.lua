--- A throw-away machine with an identity, and documents of SOPS for it, for specs of secrets.

local luassert = require("luassert")
local machine = require("spec.support.machine")

local secret_place = {}

--- Who can decrypt the documents: the recipient of the test vectors' identity.
secret_place.recipient = "age1fm04afyk2yvux4cluqw83g4vx5cqvfdkle3r7qpx6nsm8yw6vcvstu8dzn"

--- What must be nowhere but where it belongs.
secret_place.canary = "CANARY-5f2a9c"

--- Makes a machine whose documents are encrypted to the identity in `key.txt`.
function secret_place.new()
  local here = machine.new()
  here.copy("src/secrets/tests/vectors/key.txt", "key.txt")
  here.environment.SOPS_AGE_KEY_FILE = here.directory .. "/key.txt"
  here.environment.SOPS_AGE_RECIPIENTS = secret_place.recipient

  --- Without the identity, until `with_identity`.
  function here.without_identity()
    here.environment.SOPS_AGE_KEY_FILE = here.directory .. "/none.txt"
  end

  --- With the identity again.
  function here.with_identity()
    here.environment.SOPS_AGE_KEY_FILE = here.directory .. "/key.txt"
  end

  --- Sets a value of `secrets.yaml`.
  function here.set(key, value, ...)
    here.must("secrets", "set", key, value, "--file", "secrets.yaml", ...)
  end

  --- Writes a config whose `setup` has these lines; `s` is `secrets.yaml` there.
  function here.declare(body)
    here.write(
      "init.lua",
      ('local s = sops.load("secrets.yaml")\nreturn { setup = function()\n%s\nend }\n'):format(body)
    )
  end

  --- Checks that what commands printed and all files of the root are without the canary, but those
  --- that are meant to have it.
  function here.check_nowhere(...)
    for index = 1, select("#", ...) do
      local result = select(index, ...)
      luassert.is_nil((result.stdout .. result.stderr):find(secret_place.canary, 1, true))
    end
    local found = here.shell("grep -rlF -e " .. secret_place.canary .. " root || true").stdout
    for line in found:gmatch("[^\n]+") do
      luassert.truthy(
        line:find("^root/secrets/") or line:find("^root/backups/displaced/"),
        line .. " has the value"
      )
    end
  end

  return here
end

return secret_place
