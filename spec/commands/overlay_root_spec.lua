--- A home on an overlay, as in a container: the directories of its lower layers cannot be renamed.
--- A plan says so.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

describe("#root overlays #once", function()
  local here

  before_each(function()
    here = machine.new()
    local made = here.shell([[
      mkdir -p lower/image/deep layers && mount -t tmpfs none layers &&
        mkdir layers/upper layers/work
      echo original >lower/image/deep/file; mkdir lower/merged; echo below >lower/merged/below
      echo one >lower/file
      mount -t overlay overlay home \
        -o lowerdir=$PWD/lower,upperdir=$PWD/layers/upper,workdir=$PWD/layers/work &&
        mkdir -p home/new/deep && echo new >home/new/file && echo above >home/merged/above
    ]])
    assert.equal(0, made.code, made.stderr)
  end)

  after_each(function()
    here.shell("for place in home layers; do while umount -l $place 2>/dev/null; do :; done; done")
    here.remove()
  end)

  local function list_home()
    return here.shell([[
      cd ~ && find . -path ./root -prune -o -printf '%y %m %U %p %l\n' | LC_ALL=C sort
      find . -path ./root -prune -o -type f -exec sha256sum {} + | LC_ALL=C sort
    ]]).stdout
  end

  -- What the root is on: the overlay, so that it is a rename within one mount, or another file
  -- system.
  for name, root in pairs({ ["in the home"] = true, elsewhere = false }) do
    it("say before anything is touched what they cannot move, with the root " .. name, function()
      if root then
        here.environment.SYSLUA_ROOT = here.directory .. "/home/root"
      end
      here.apply('file({ path = "~/.first", content = "first" })')
      for _, place in ipairs({ "image/deep", "merged", "image" }) do
        here.write_config(([[
          file({ path = "~/.first", content = "second" })
          file({ path = "~/%s", content = "ours" })
        ]]):format(place))
        local before = list_home()
        for _, command in ipairs({ { "plan" }, { "apply" } }) do
          local result = here.run(command[1], "init.lua")
          assert.equal(1, result.code)
          contains(
            result.stderr,
            ("/home/%s cannot be moved away: it belongs to a lower layer"):format(place),
            "init.lua:"
          )
        end
        assert.equal(before, list_home())
        -- The remedy of the message.
        local remedy = here.run("plan", "init.lua").stderr:match("cp %-a [^\n]+")
        assert.equal(0, here.shell(remedy).code)
        local furnished = here.shell("cd ~; find image merged -type f -exec cat {} + | sort").stdout
        assert.equal("above\nbelow\noriginal\n", furnished)
        here.must("apply", "init.lua")
        assert.equal("ours", here.read("home/" .. place))
        here.must("rollback", "1", "--yes")
        assert.equal(
          furnished,
          here.shell("cd ~; find image merged -type f -exec cat {} + | sort").stdout
        )
      end
    end)
  end

  it("give up their own directories, and files of any layer", function()
    local before = list_home()
    here.apply([[
      file({ path = "~/new", content = "ours" })
      file({ path = "~/file", content = "ours" })
      file({ path = "~/image/deep/file", content = "ours" })
    ]])
    assert.equal("ours", here.read("home/new"))
    here.must("destroy", "--yes")
    assert.equal(before, list_home())
  end)
end)
