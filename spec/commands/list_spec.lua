--- `list` shows what is in the store, `info` one object or the root.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

local config = [[
  local low = derive({ name = "low", config = function(_, ctx)
    ctx.write(ctx.out, ("x"):rep(1234))
  end })
  local tool = derive({
    name = "tool",
    version = "1.0",
    outputs = { "out", "doc" },
    opts = { low = low },
    config = function(opts, ctx)
      ctx.write(ctx.out .. "/data", opts.low.out)
      ctx.write(ctx.outputs.doc, "text\n")
    end,
  })
  file({ path = "~/.tool", source = tool.out })
]]

local function get_lines(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  return lines
end

local function width(line)
  return #line:gsub("[\128-\191]", "")
end

describe("the store", function()
  local here, low, tool, doc

  local function expect(code, ...)
    local result = here.run(...)
    assert.equal(code, result.code, result.stdout .. result.stderr)
    return result.stdout, result.stderr
  end

  setup(function()
    here = machine.new()
    here.write_config(config)
    expect(0, "apply", "init.lua")
    low = machine.get_object(here, "low")
    doc = machine.get_object(here, "tool-1.0-doc")
    -- Which of the two comes first varies with the hash; `doc` begins with a digit too.
    tool = here.shell("ls $SYSLUA_ROOT/store/obj").stdout:match("tool%-1%.0%-" .. ("%x"):rep(9))
  end)

  teardown(function()
    here.remove()
  end)

  describe("is listed:", function()
    it("name, version, size, references, and what is current", function()
      local size = #(here.root .. "/store/obj/" .. low)
      local function row(mark, name, version, object, shown_size, references)
        local line = "%s %-8s  %-7s  %s  %6s  %s"
        return (
          line:format(mark, name, version, object:sub(-9), shown_size, references):gsub(" +$", "")
        )
      end
      local lines = get_lines(expect(0, "list", "--all"))
      assert.equal(row(" ", "NAME", "VERSION", "OBJECT   ", "SIZE", "REFERENCES"), lines[1])
      local rows = {}
      for index = 2, 4 do
        rows[lines[index]] = true
      end
      assert.same({
        [row(" ", "low", "", low, "1.2 kB", "")] = true,
        [row("*", "tool", "1.0", tool, size .. " B", low)] = true,
        [row("*", "tool:doc", "1.0", doc, "5 B", "")] = true,
      }, rows)
      matches(lines[5], "^3 objects, 1%.%d kB; 2 in the current snapshot")
      assert.equal(5, #lines)
    end)

    it("for programs", function()
      local document = expect(0, "list", "--all", "--json")
      matches(document, '^{"command":"list","objects":%[{')
      contains(
        document,
        '"object":"' .. tool .. '"',
        '"references":["' .. low .. '"]',
        '"size":1234',
        '"version":"1.0"',
        '"output":"doc"',
        '"current":false'
      )
    end)

    it("within 80 columns, whole with --verbose", function()
      local other = machine.new()
      other.write_config([[
        local needed = {}
        for index = 1, 5 do
          needed[index] = derive({
            name = ("needed-%d-with-a-name-that-is-rather-long"):format(index),
            version = ("2026.01.02.%d-with-a-suffix"):format(index),
            config = function(_, ctx) ctx.write(ctx.out, "text\n") end,
          })
        end
        derive({ name = "last", opts = { needed = needed }, config = function(opts, ctx)
          for index, one in ipairs(opts.needed) do
            ctx.write(ctx.out .. "/" .. index, one.out)
          end
        end })
      ]])
      assert.equal(0, other.run("build", "init.lua").code)
      -- Programs get it whole.
      assert.equal(
        other.run("list", "--all", "--verbose").stdout,
        other.run("list", "--all").stdout
      )
      local listed = other.show("list --all")
      for _, line in ipairs(get_lines(listed)) do
        assert.is_true(width(line) <= 80, line)
      end
      matches(
        listed,
        "  needed%-1%-with%-a%-name%-that%-?…  2026%.01%.02%.1%-…",
        " B  needed%-%d[%l%-]*…"
      )
      listed = other.run("list", "--all", "--verbose").stdout
      contains(listed, "needed-5-with-a-name-that-is-rather-long  ")
      other.remove()
    end)

    it("also when it is empty", function()
      local other = machine.new()
      assert.equal("The store is empty.\n", other.run("list", "--all").stdout)
      contains(other.run("list", "--all", "--json").stdout, '"objects":[]')
      contains(other.run("info").stdout, "Store     0 objects, 0 B")
      assert.is_false(other.exists("root"))
      other.remove()
    end)

    it("leaves out an object whose record is damaged", function()
      local record = "root/store/info/" .. low .. ".json"
      local text = here.read(record)
      here.write(record, "{")
      local result = here.run("list", "--all")
      here.write(record, text)
      assert.equal(0, result.code, result.stderr)
      contains(result.stdout, "tool")
    end)
  end)

  describe("tells about", function()
    it("an object by name, beginning, digits, package and path", function()
      for _, word in ipairs({
        low,
        low:sub(1, 8),
        low:sub(-9),
        "low",
        here.root .. "/store/obj/" .. low,
        "root/store/obj/" .. low .. "/",
        "…/" .. low,
      }) do
        local lines = get_lines(expect(0, "info", word))
        assert.equal("Object     " .. low, lines[1])
        assert.equal("Path       " .. here.root .. "/store/obj/" .. low, lines[2])
      end
      local shown = expect(0, "info", "root/store/obj/" .. tool .. "/data")
      contains(
        shown,
        "Name       tool 1.0\n",
        "Refers to  " .. low .. "\n",
        "Current    yes\n",
        "Movable    no"
      )
      contains(expect(0, "info", low), "Used by    " .. tool .. "\n")
      contains(expect(0, "info", doc), "tool 1.0, output doc\n")
    end)

    it("an object for programs", function()
      local document = expect(0, "info", low, "--json")
      contains(document, '"referrers":["' .. tool .. '"]', '"object":{"content":"')
      contains(expect(0, "info", tool, "--json"), '"referrers":[]')
    end)

    it("nothing that may be several objects, or is none", function()
      local _, talk = expect(2, "info", "tool")
      contains(talk, "may be any of 2 objects", tool, doc)
      _, talk = expect(2, "info", "nosuch")
      contains(talk, "the store has no object `nosuch`")
      _, talk = expect(2, "info", "/etc/hostname")
      contains(talk, "is not in the store")
      expect(2, "info", here.root .. "/store/obj/nosuch")
      expect(2, "info", here.root .. "/store/obj")
    end)
  end)
end)
