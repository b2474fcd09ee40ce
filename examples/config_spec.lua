-- Tests a config: what it declares is plain data, and finding out changes nothing on the machine.
--
--   busted examples/config_spec.lua

local syslua = require("syslua")

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"

-- Returns the first activation that has all the given fields.
local function find(manifest, fields)
  for _, activation in ipairs(manifest.activations) do
    local matches = true
    for name, value in pairs(fields) do
      matches = matches and activation[name] == value
    end
    if matches then
      return activation
    end
  end
  return nil
end

describe("the dotfiles", function()
  local manifest

  before_each(function()
    manifest = syslua.evaluate(here .. "dotfiles")
  end)

  it("link four files into the home", function()
    for _, target in ipairs({ "~/.bashrc", "~/.zshrc", "~/.gitconfig", "~/.config/git/ignore" }) do
      assert.is_table(find(manifest, { kind = "symlink", target = target }), target)
    end
  end)

  it("leave the zshrc where it can be edited", function()
    assert.is_true(find(manifest, { target = "~/.zshrc" }).mutable)
    assert.is_nil(find(manifest, { target = "~/.bashrc" }).mutable)
  end)

  it("build the other three files", function()
    local names = {}
    for _, derivation in ipairs(manifest.derivations) do
      names[#names + 1] = derivation.name
    end
    table.sort(names)
    assert.same({ "bashrc", "gitconfig", "ignore" }, names)
  end)

  it("set the editor and put a directory on PATH", function()
    assert.equal("vim", find(manifest, { name = "EDITOR" }).value)
    assert.same({ "~/.local/bin" }, find(manifest, { name = "PATH" }).value.entries)
  end)

  it("say which line declared what", function()
    local positions = find(manifest, { target = "~/.bashrc" }).positions
    assert.truthy(positions[1]:find("^init%.lua:%d+$"))
  end)

  it("are the same on a Mac", function()
    local options = { sys = { os = "darwin", arch = "aarch64" } }
    assert.same(
      manifest.activations[1].target,
      syslua.evaluate(here .. "dotfiles", options).activations[1].target
    )
  end)
end)
