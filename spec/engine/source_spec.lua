--- What a build sees of a source: its content, and nothing of where it lies.
local machine = require("spec.support.machine")
local matches = require("spec.support.text_checks").matches

describe("a source in a build", function()
  local here = machine.for_each_test()

  -- Builds a config's derivations and returns their contents, in the order of their names.
  local function built(text)
    here.write_config(text)
    local result = here.shell("$LUA -l syslua build init.lua >&2 && cat root/store/obj/*")
    assert.equal(0, result.code, result.stderr)
    return result.stdout
  end

  it("is called by its content and extension, wherever it lies", function()
    here.write("a/one.txt", "text")
    here.write("b/two.txt", "text")
    local place = [[
      derive({
        name = "place",
        opts = { s = source("%s") },
        config = function(opts, ctx)
          ctx.write(ctx.out, opts.s:match("[^/]*$") .. "\n")
          ctx.run({ "cat", opts.s })
        end,
      })
    ]]
    local first = built(place:format("a/one.txt"))
    matches(first, "^source%-%x+%.txt\n$")
    assert.equal(first, built(place:format("b/two.txt")))
    local objects = here.shell("ls root/store/obj | wc -l").stdout
    assert.equal("1", objects:match("%d+"))
  end)

  it("is another input under another extension", function()
    here.write("a.c", "text")
    here.write("a.cc", "text")
    built([[
      local function of(path)
        return derive({ name = "x", opts = { s = source(path) }, config = function(_, ctx)
          ctx.write(ctx.out, "")
        end })
      end
      assert(of("a.c").hash ~= of("a.cc").hash)
    ]])
  end)

  it("has no file that its filter left out, for programs neither", function()
    here.write("tree/keep.c", "kept")
    here.write("tree/drop.o", "dropped")
    local output = built([[
      derive({
        name = "listing",
        opts = { s = source("tree", { filter = function(path) return not path:find("%.o$") end }) },
        config = function(opts, ctx)
          ctx.write(ctx.out, ctx.run({ "ls", opts.s }) .. table.concat(ctx.list(opts.s), ","))
        end,
      })
    ]])
    assert.equal("keep.c\nkeep.c", output)
  end)

  it("can be changed by the build without harm", function()
    here.write("text", "first\n")
    local output = built([[
      derive({
        name = "changed",
        opts = { s = source("text") },
        config = function(opts, ctx)
          ctx.write(opts.s, ctx.read(opts.s) .. "second\n")
          ctx.copy(opts.s, ctx.out)
        end,
      })
    ]])
    assert.equal("first\nsecond\n", output)
    assert.equal("first\n", here.read("text"))
  end)

  it("that was copied to an output may be changed there", function()
    here.write("text", "kept\n")
    for _, case in ipairs({
      { [[ctx.run("echo more >>$out")]], "kept\nmore\n" },
      { [[ctx.write(ctx.out, "other\n")]], "other\n" },
      { [[ctx.move(ctx.out, "t"); ctx.run("echo new >t"); ctx.move("t", ctx.out)]], "new\n" },
    }) do
      local change, expected = case[1], case[2]
      local text = built(([[
        derive({
          name = "one",
          opts = { text = source("text") },
          config = function(opts, ctx)
            ctx.copy(opts.text, ctx.out)
            %s
          end,
        })
      ]]):format(change))
      assert.equal(expected, text:sub(-#expected))
      local result = here.run("verify")
      assert.equal(0, result.code, result.stdout .. result.stderr)
      here.shell("$LUA -l syslua destroy --yes; chmod -R u+w root; rm -rf root")
    end
  end)
end)
