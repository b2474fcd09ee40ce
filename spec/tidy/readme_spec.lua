--- README and docs name only what exists: targets of `make`, commands, files behind links.

local commands = require("syslua.cli.commands")
local contains = require("spec.support.text_checks").contains
local tree = require("spec.support.tree")

local function get_pages()
  local pages = tree.list({ "docs" }, ".md")
  for _, name in ipairs({ "README.md", "CONTRIBUTING.md", "CHANGELOG.md" }) do
    pages[#pages + 1] = name
  end
  return pages
end

-- What stands in fences and between backticks: where commands are.
local function get_code(text)
  local parts = {}
  text = text:gsub("```%l*\n(.-)```", function(fence)
    parts[#parts + 1] = fence
    return ""
  end)
  for code in text:gmatch("`([^`\n]+)`") do
    parts[#parts + 1] = code
  end
  return parts
end

-- Every page with what stands in it as code.
local function each_code(visit)
  for _, page in ipairs(get_pages()) do
    for _, code in ipairs(get_code(tree.read(page))) do
      for _, line in ipairs(tree.lines(code)) do
        visit(page, line)
      end
    end
  end
end

-- "the-way-of-the-data" of "The way of the data", as code hosts make anchors.
local function to_anchor(title)
  return (title:lower():gsub("[^%w%s_%-\128-\255]", ""):gsub("%s", "-"))
end

local function has_anchor(text, anchor)
  for _, line in ipairs(tree.lines((text:gsub("```.-```", "")))) do
    local title = line:match("^#+ (.*)")
    if title and to_anchor(title) == anchor then
      return true
    end
  end
  return false
end

local function resolve(directory, target)
  local path = directory .. target
  local count
  repeat
    path, count = path:gsub("[^/]+/%.%./", "", 1)
  until count == 0
  return (path:gsub("^%./", ""))
end

describe("README and docs #once", function()
  it("name targets that the Makefile has", function()
    local targets, count = {}, 0
    for names in ("\n" .. tree.read("Makefile")):gmatch("\n([%l][%l -]*):") do
      for name in names:gmatch("[%l-]+") do
        targets[name] = true
      end
    end
    each_code(function(page, line)
      for target in line:gmatch("%f[%w]make (%l[%l-]*)") do
        count = count + 1
        assert.truthy(targets[target], ("%s: there is no `make %s`"):format(page, target))
      end
    end)
    assert.is_true(count > 0)
  end)

  it("name commands that exist", function()
    local count = 0
    each_code(function(page, line)
      for _, pattern in ipairs({ "^%$? ?sys (%l[%w./]*)", "lua%S* %-l syslua (%l[%w./]*)" }) do
        local word = line:match(pattern)
        -- A script has a dot or a slash.
        if word and not word:find("[./]") then
          count = count + 1
          assert.is_true(commands.exists(word), ("%s: there is no command `%s`"):format(page, word))
        end
      end
    end)
    assert.is_true(count > 0)
  end)

  it("link to what is there", function()
    for _, page in ipairs(get_pages()) do
      local text = tree.read(page):gsub("```.-```", "")
      local directory = page:match("^(.*/)[^/]*$") or ""
      for link in text:gmatch("%]%(([^)]+)%)") do
        if not link:find("^%a+:") then
          local target, anchor = link:match("^([^#]*)#?(.*)$")
          local name = target == "" and page or resolve(directory, target)
          assert.is_true(tree.exists(name), ("%s links to %s"):format(page, link))
          if anchor ~= "" then
            assert.is_true(
              has_anchor(tree.read(name), anchor),
              ("%s links to %s"):format(page, link)
            )
          end
        end
      end
    end
  end)

  it("name files that exist", function()
    for _, page in ipairs(get_pages()) do
      for code in tree.read(page):gsub("```.-```", ""):gmatch("`([^`\n]+)`") do
        local name = code:match("^[%l]+/[%w_./%-]+$")
        local first = name and name:match("^[^/]+")
        -- `store/obj` and the like are places on the user's machine.
        if first and (first == "lua" or first == "spec" or first == "src" or first == "types") then
          assert.is_true(tree.exists(name), ("%s names %s"):format(page, name))
        end
      end
    end
  end)

  it("name a spec for each thing that setups need", function()
    local rows = {}
    for _, line in ipairs(tree.lines(tree.read("docs/guide/what-setups-need.md"))) do
      local need, way, proof = line:match("^| (.-) | (.-) | (.-) |$")
      if need and need ~= "they need" then
        local name = proof:match("^`(spec/[%w_/]+_spec%.lua)`$")
        assert.truthy(name, line)
        assert.is_true(tree.exists(name), line)
        assert.is_nil(rows[need], line)
        rows[need] = way
      end
    end
    -- What the table has to speak of, whatever its rows are called.
    local all = ""
    for need, way in pairs(rows) do
      all = all .. need .. " " .. way .. "\n"
    end
    for word in
      (
        "link recursive exclude include rename optional overlay template host ask merge secret "
        .. "alias service tools copy mode absent inputs on_change import"
      ):gmatch("%S+")
    do
      contains(all, word)
    end
  end)

  -- The lists of rooms in docs/architecture.md: a section a directory, a file or directory a line.
  it("name every room, and no other", function()
    local directory, rooms = nil, {}
    for _, line in ipairs(tree.lines(tree.read("docs/architecture.md"))) do
      directory = line:match("^### `([^`]+)`$") or (not line:find("^## ") and directory or nil)
      -- The room is the first thing in backticks.
      local room = directory and line:match("^|[^`]*`([^`]+)`")
      if room then
        assert.is_true(tree.exists(directory .. "/" .. room), directory .. "/" .. room)
        rooms[directory .. "/" .. room] = true
      end
    end
    for _, name in
      ipairs(tree.list({
        "src/archive/src",
        "src/reading/src",
        "src/fetch/src",
        "src/secrets/src",
        "src/merge/src",
        "src/services/src",
        "src/packages/src",
        "src/lua_source/src",
        "src/engine/src",
        "src/module/src",
        "lua/syslua",
      }))
    do
      local known = rooms[name]
        or rooms[name:match("^%a+/%a+/src/[%w_]+/") or name:match("^lua/syslua/[%w_]+/")]
      assert.truthy(known, "docs/architecture.md does not name " .. name)
    end
  end)

  it("have every page on the map", function()
    local map = tree.read("docs/README.md")
    for _, page in ipairs(tree.list({ "docs" }, ".md")) do
      if page ~= "docs/README.md" then
        local link = "](" .. page:sub(#"docs/" + 1) .. ")"
        contains(map, link)
      end
    end
  end)
end)
