--- What only its owner can read, in a config of root: all users can read root's store, and its
-- environment.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")

describe("a private file in a config of root #root #once", function()
  local here = machine.for_each_test(function(here)
    here.write("k", "s3cr et\n")
    here.write("t/k", "s3cr et\n")
    here.write("t/open", "open\n")
    here.shell("chmod 600 k t/k; chmod 644 t/open; chmod 755 . t")
  end)

  local refused = {
    ["its own derivation"] = [[derive {
      name = "d", opts = { s = source("k") },
      config = function(opts, ctx) ctx.copy(opts.s, ctx.out) end,
    }]],
    ["a derivation of its tree"] = [[derive {
      name = "d", opts = { s = source("t") },
      config = function(opts, ctx) ctx.copy(opts.s, ctx.out) end,
    }]],
    ["a text in opts"] = [[derive {
      name = "d", opts = { deep = { s = "x" .. lib.read("k") .. "y" } },
      config = function(opts, ctx) ctx.write(ctx.out, opts.deep.s) end,
    }]],
    ["a variable"] = [[env { K = (lib.read("k"):gsub("\n", "")) }]],
    ["an entry of a list"] = [[env { PATH = { "/" .. lib.read("k"):gsub("\n", "") } }]],
    ["an alias"] = [[alias { k = "echo " .. lib.read("k"):gsub("\n", "") }]],
    ["a function"] = [[alias { k = { sh = "echo " .. lib.read("k"):gsub("\n", "") } }]],
    ["a file"] = [[file { path = "~/x", content = lib.read("k") }]],
    ["a source"] = [[file { path = "~/x", source = "k" }]],
    ["a template"] = [[file { path = "~/x", template = "k", values = {} }]],
    ["a tree"] = [[file { path = "~/x", source = "t", recursive = true }]],
  }

  for name, declared in pairs(refused) do
    it("is refused as " .. name, function()
      here.write_config("local lib = syslua.lib\n" .. declared)
      for _, command in ipairs({ "plan", "apply" }) do
        local result = here.run(command, "init.lua")
        assert.equal(1, result.code, result.stdout)
        contains(result.stderr, "only its owner can read", "init.lua:", "hint: ")
      end
      assert.equal("", here.shell("grep -rl s3cr root 2>/dev/null").stdout)
    end)
  end

  it("is accepted when a filter excludes it, or when all users can read it", function()
    local declared = [[derive {
      name = "d", opts = { s = source("t"%s) },
      config = function(opts, ctx) ctx.copy(opts.s, ctx.out) end,
    }]]
    local filter = ', { filter = function(path) return path ~= "k" end }'
    here.write_config(declared:format(filter))
    here.must("apply", "init.lua")
    here.shell("chmod 644 t/k")
    here.write_config(declared:format(""))
    here.must("apply", "init.lua")
  end)
end)
