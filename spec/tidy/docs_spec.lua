--- The examples in README and docs work: each page is read from top to bottom, in a home of its
--- own.
--
-- A fence whose first line is a comment `file: NAME` is that file. A fence of Lua that returns a
-- table is the config `init.lua`; another one is part of a `setup`, or a script when it requires
-- syslua. Configs are evaluated, and what they derive is built unless it needs the network. In a
-- fence `console`, the lines after `$ ` run in a shell, and the lines below are what they print, to
-- whichever stream; in these, a line `...` stands for any lines.

local contains_none = require("spec.support.text_checks").contains_none
local syslua = require("syslua")
local tree = require("spec.support.tree")

local interpreter = os.getenv("SYSLUA_TEST_LUA") or "lua5.4"

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- What a command prints to both streams.
local function run(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1 </dev/null"))
  local output = assert(pipe:read("*a"))
  pipe:close()
  return output
end

local function write(name, text)
  run("mkdir -p " .. quote(name:match("^(.*)/")))
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
end

---@return { language: string, text: string, line: integer }[]
local function read_fences(page)
  local fences, current = {}, nil
  for number, line in ipairs(tree.lines(tree.read(page))) do
    local language = line:match("^```(%l*)$")
    if current and language then
      current.text = table.concat(current.lines, "\n") .. "\n"
      fences[#fences + 1], current = current, nil
    elseif language then
      current = { language = language, line = number, lines = {} }
    elseif current then
      current.lines[#current.lines + 1] = line
    end
  end
  assert.is_nil(current, page .. " has a fence without end")
  return fences
end

local function new_place()
  local base = os.tmpname()
  os.remove(base)
  local command = 'mkdir -p BASE/home/dotfiles BASE/bin && ln -s "$(command -v LUA)" BASE/bin/lua'
  -- The interpreter has the name that the pages call it by.
  run((command:gsub("BASE", base):gsub("LUA", interpreter)))
  return base
end

local function remove_place(base)
  run(("chmod -R u+rwX %s; rm -rf %s"):format(quote(base), quote(base)))
end

-- The shell that a page's commands run in.
local function in_shell(base, command)
  local lines = {
    "unset XDG_DATA_HOME XDG_CONFIG_HOME SYSLUA_CONFIG",
    ("export HOME=%s/home PATH=%s/bin:$PATH"):format(base, base),
    "export SYSLUA_ROOT=$HOME/.local/share/syslua",
    "cd ~/dotfiles",
    command,
  }
  return run(table.concat(lines, "\n"))
end

-- Times and parts of hashes differ from run to run, or with the place of the store; so does where
-- two builds differ.
local function settle(text, base)
  local settled = text:gsub(base:gsub("%p", "%%%0") .. "/home", "/home/ada")
  settled = settled:gsub("from position %d+", "from position #")
  return (settled:gsub("%-%x%x%x%x%x%x%x%x%x%f[^%x]", "-#########"):gsub("%s+\n", "\n"))
end

-- Whether lines are as expected; "..." stands for any number of lines.
local function matches(expected, found)
  local function from(i, j)
    if expected[i] == nil then
      return found[j] == nil
    elseif expected[i] == "..." then
      for k = j, #found + 1 do
        if from(i + 1, k) then
          return true
        end
      end
      return false
    end
    return found[j] ~= nil and expected[i] == found[j] and from(i + 1, j + 1)
  end
  return from(1, 1)
end

local function check_console(page, fence, base)
  local command, expected = nil, {}
  local function check()
    if command then
      local found = settle(in_shell(base, command), base):gsub("\n+$", "")
      local wanted = settle(table.concat(expected, "\n"), base):gsub("\n+$", "")
      if not matches(tree.lines(wanted), tree.lines(found)) then
        assert.equal(wanted, found, ("%s:%d: $ %s"):format(page, fence.line, command))
      end
    end
  end
  for _, line in ipairs(tree.lines((fence.text:gsub("\n$", "")))) do
    local typed = line:match("^%$ (.*)")
    if typed then
      check()
      command, expected = typed, {}
    else
      expected[#expected + 1] = line
    end
  end
  check()
end

local function evaluate(name, text, base)
  local manifest = syslua.evaluate(name)
  -- What is built needs no network.
  if not text:find("https?://") then
    for _, derivation in ipairs(manifest.derivations) do
      -- Releases of packages are downloaded.
      if not tostring((derivation.opts or {}).url):find("^https?://") then
        syslua.build(derivation.hash, { root = base .. "/root" })
      end
    end
  end
end

local function check_lua(fence, base)
  local text = fence.text
  local example = base .. "/home/dotfiles/example.lua"
  if text:find("^return {") or text:find("\nreturn {\n") then
    example = base .. "/home/dotfiles/init.lua"
    write(example, text)
    evaluate(example, text, base)
  elseif text:find('require("syslua")', 1, true) then
    write(example, text)
    local output = in_shell(base, "lua example.lua init.lua || echo FAILED")
    contains_none(output, "FAILED")
  else
    write(example, "return { setup = function()\n" .. text .. "end }\n")
    evaluate(example, text, base)
  end
end

local function check_fence(page, fence, base)
  local name = fence.text:match("^%-%- file: (%S+)\n") or fence.text:match("^# file: (%S+)\n")
  if name then
    local full = base .. "/home/dotfiles/" .. name
    write(full, fence.text)
    if fence.language == "lua" and name:find("init%.lua$") and not name:find("^pkgs/") then
      evaluate(full, fence.text, base)
    end
  elseif fence.language == "lua" then
    check_lua(fence, base)
  elseif fence.language == "console" then
    check_console(page, fence, base)
  end
end

describe("the examples of #once", function()
  local pages = tree.list({ "docs" }, ".md")
  table.insert(pages, 1, "README.md")

  for _, page in ipairs(pages) do
    it(page, function()
      local fences = read_fences(page)
      local base = new_place()
      local ok, problem = pcall(function()
        for _, fence in ipairs(fences) do
          local succeeded, cause = pcall(check_fence, page, fence, base)
          if not succeeded then
            -- Failures of busted are tables of its own.
            if type(cause) == "table" and cause.kind then
              cause = syslua.error(cause).position .. ": " .. syslua.error(cause).message
            end
            if type(cause) == "string" then
              cause = ("%s:%d: %s"):format(page, fence.line, cause)
            end
            error(cause, 0)
          end
        end
      end)
      remove_place(base)
      if not ok then
        error(problem, 0)
      end
    end)
  end
end)
