--- `directory{}`: what it makes, changes and leaves.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("directory{}", function()
  local here = machine.for_each_test()

  local function mode_of(path)
    return here.shell("stat -c %a " .. path).stdout:gsub("\n", "")
  end

  it(
    "makes directories with their modes, whatever the umask, and removes them when they are empty",
    function()
      here.write_config([[
      directory { path = "~/.private/deep", mode = "700" }
      directory { path = "~/.plain" }
      directory { path = "~/.shared", mode = "2775" }
      file { path = "~/.private/deep/below/file", content = "text" }
    ]])
      local lua = require("spec.support.interpreter").name
      local result = here.shell("umask 027; " .. lua .. " -l syslua apply init.lua")
      assert.equal(0, result.code, result.stderr)
      assert.equal("700", mode_of("~/.private/deep"))
      assert.equal("2775", mode_of("~/.shared"))
      assert.equal("text", here.read("home/.private/deep/below/file"))
      assert.equal(0, here.run("status").code)
      matches(here.run("apply", "init.lua").stdout, "^Nothing changed")
      here.shell("chmod 755 ~/.private/deep; rmdir ~/.plain")
      assert.equal(3, here.run("status").code)
      here.must("apply", "init.lua")
      assert.equal("700", mode_of("~/.private/deep"))
      assert.truthy(here.exists("home/.plain"))
      here.write("home/.shared/mine", "mine\n")
      here.apply("")
      assert.equal(".shared\n", here.shell("ls -A ~").stdout)
      assert.equal("mine\n", here.read("home/.shared/mine"))
    end
  )

  it("keeps others out of directories that programs want so, unless told otherwise", function()
    here.write_config([[
      for _, place in ipairs({ "~/.ssh", "~/.ssh/sockets", "~/.gnupg", "~/.config/sops/age" }) do
        directory { path = place }
      end
      directory { path = "~/.password-store", mode = "750" }
    ]])
    local lua = require("spec.support.interpreter").name
    for _, umask in ipairs({ "000", "022" }) do
      local result = here.shell(("umask %s; %s -l syslua apply init.lua"):format(umask, lua))
      assert.equal(0, result.code, result.stderr)
      for _, place in ipairs({ ".ssh", ".ssh/sockets", ".gnupg", ".config/sops/age" }) do
        assert.equal("700", mode_of("~/" .. place), place)
      end
      assert.equal("750", mode_of("~/.password-store"))
      here.must("destroy", "--yes")
    end
  end)

  it("gives a directory of the user other rights, and brings its own back", function()
    here.shell(
      "mkdir -m 750 ~/.mine; echo mine >~/.mine/file; echo file >~/.file; mkdir ~/real; "
        .. "ln -s real ~/.link"
    )
    local before = here.list("home")
    here.apply([[
      directory { path = "~/.mine", mode = "700" }
      directory { path = "~/.file" }
      directory { path = "~/.link" }
    ]])
    assert.equal("700", mode_of("~/.mine"))
    assert.equal("mine\n", here.read("home/.mine/file"))
    assert.equal("directory\n", here.shell("stat -c %F ~/.file").stdout)
    assert.equal("real", here.read_link("home/.link"))
    here.apply([[directory { path = "~/.mine", mode = "710" }]])
    assert.equal("710", mode_of("~/.mine"))
    here.must("destroy", "--yes")
    assert.equal(before, here.list("home"))
  end)

  it("is refused when it is declared twice with different rights, which are named", function()
    for first, one in ipairs({ "", 'mode = "700"', 'mode = "755"' }) do
      for second, other in ipairs({ "", 'mode = "700"', 'mode = "755"' }) do
        here.write_config(
          ('directory { path = "~/d", %s }\ndirectory { path = "~/d", %s }'):format(one, other)
        )
        local result = here.run("plan", "init.lua")
        assert.equal(first == second and 0 or 1, result.code, one .. other .. result.stderr)
        if first ~= second then
          local modes = { "no mode", "mode 700", "mode 755" }
          contains(
            result.stderr,
            "is declared twice, with different modes:",
            ("a directory, %s at init.lua:2"):format(modes[first]),
            ("a directory, %s at init.lua:3"):format(modes[second]),
            "or make their modes equal"
          )
        end
      end
    end
  end)

  it("is refused where it cannot be", function()
    for _, path in ipairs({ "relative", "~", "/", "~/..", "/dev/x", "/proc/x", "/sys/x" }) do
      here.write_config(("directory { path = %q }"):format(path))
      local result = here.run("plan", "init.lua")
      assert.equal(1, result.code, path)
      contains(result.stderr, "init.lua:")
    end
  end)
end)
