--- Comments, strings and pages keep to docs/contributing/style.md.
--
-- No place may have a banned word, but for what `except` names.

local prose = require("spec.support.prose")
local tree = require("spec.support.tree")

local banned = {
  { word = "whoever" },
  { word = "somebody" },
  { word = "nobody", except = { "nobody:x:", "nobody:/" } }, -- a line of /etc/passwd
  { word = "anybody" },
  { word = "everybody" },
  { word = "for ever" },
  { word = "those who" },
  { word = "whom" },
  { word = "what it is that" },
  { word = "one that" },
  { word = "of which" },
  { word = "meanwhile" },
  { word = "so many" },
  { word = "is no %w+", except = { "there is no ", "is no longer" } },
  -- The name of a function of the engine is data.
  { word = "stands?", except = { "stands? for", "stand%-in", "^stands$", "@field stands" } },
  { word = "stood" },
  { word = "lies?" },
  { word = "go on" },
  { word = "goes on" },
  { word = "going on" },
  { word = "we" },
  { word = "us" },
  -- Word order of another language.
  { word = "that is none" },
  { word = "that are none" },
  { word = "it is none" },
  { word = "of before" },
  { word = "of then" },
  { word = "of theirs" },
  { word = "the very" },
  { word = "but for" },
  { word = "all the same" },
  { word = "by itself" },
  -- Variables of scripts.
  { word = "ours?", except = { "%$ours", "ours:", '"ours"', "_ours", "^ours$" } },
}

local function is_source(name)
  local ending = name:match("%.(%l+)$")
  -- What tests say is data of theirs, and the page of the style quotes what it bans.
  return (ending == "rs" or ending == "lua" or ending == "md")
    and not name:find("tests[./]")
    and not name:find("_spec%.lua$")
    and name ~= "docs/contributing/style.md"
end

local function get_sources()
  local names = { "README.md", "CONTRIBUTING.md", "CHANGELOG.md" }
  for _, name in ipairs(tree.list({ "src", "lua", "docs", "types", "pkgs", "examples" })) do
    if is_source(name) then
      names[#names + 1] = name
    end
  end
  return names
end

describe("the English of #once", function()
  local pieces = {}
  for _, name in ipairs(get_sources()) do
    for _, piece in ipairs(prose.read(name, tree.read(name))) do
      piece.name = name
      pieces[#pieces + 1] = piece
    end
  end

  it("is found in code and pages", function()
    assert.is_true(#pieces > 10000)
  end)

  for _, ban in ipairs(banned) do
    it(("code and pages does without `%s`"):format(ban.word), function()
      local places = {}
      for _, piece in ipairs(pieces) do
        for _, line in ipairs(prose.find(piece, "%f[%w]" .. ban.word .. "%f[%W]", ban.except)) do
          places[#places + 1] = piece.name .. ":" .. line
        end
      end
      assert.same({}, places)
    end)
  end
end)

describe("functions of Lua #once", function()
  it("have verbs with one meaning", function()
    local banned_verbs = { find = true, take = true, hold = true, holds = true, look = true }
    local places = {}
    for _, name in ipairs(tree.list({ "lua", "pkgs" }, ".lua")) do
      for called in tree.read(name):gmatch("\n%s*l?o?c?a?l? ?function ([%w_.:]+)%(") do
        -- A function of the module that scripts call, and one of a page's JavaScript.
        local is_known = called == "store.hold" or name:find("graph_page.lua", 1, true)
        if banned_verbs[called:match("(%l+)[%w_]*$")] and not is_known then
          places[#places + 1] = name .. ": " .. called
        end
      end
    end
    assert.same({}, places)
  end)
end)

describe("the reader of prose #once", function()
  local function read(name, text)
    local found = {}
    for index, piece in ipairs(prose.read(name, text)) do
      found[index] = piece.text
    end
    return found
  end

  it("finds comments and strings of Lua", function()
    local text =
      'local a = b - c -- One\n-- two `nobody`.\nf("x\\"y", \'z\', [[w]], t[1])\n--[[ v ]]'
    assert.same({ " one\n two ``.", 'x\\"y', "z", "w", " v " }, read("a.lua", text))
  end)

  it("finds comments and strings of Rust, but no tests, characters and lifetimes", function()
    local text = "//! One\nfn f<'a>(c: &'a str) { '\"'; '\\''; '\\n'; \"x\\\n   y\"; r#\"z\"#; }\n"
      .. '#[cfg(test)]\nmod tests { "nobody" }'
    assert.same({ " one", "", "", "", "xy", "z" }, read("a.rs", text))
  end)

  it("leaves out fences and code of pages, and keeps their lines", function()
    local piece = prose.read("a.md", "One\n```sh\nnobody\n```\n\nthere is\nnobody `nobody`\n")[1]
    assert.same({ 7 }, prose.find(piece, "%f[%w]nobody"))
    assert.same({}, prose.find(piece, "%f[%w]nobody", { "is nobody" }))
  end)
end)
