--- `import stow`, `chezmoi` and `dotfiles`: the config that they write changes no byte
-- of a target, and a destroy afterwards gives the home back as it was.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local random_numbers = require("spec.support.random")
local syslua = require("syslua")

local quote, spread = process.quote, require("syslua.util.table").unpack

describe("import", function()
  local here = machine.for_each_test()

  -- Every file of the home by its path and bytes, with links followed.
  local function read_home()
    return here.shell(
      "cd home && find -L . -path ./dotfiles -prune -o -path ./.local/share -prune "
        .. "-o -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum -z | tr '\\0' '\\n'"
    ).stdout
  end

  -- What stands in the home to the last link, without what other tools keep there.
  local function list_home()
    return here.list("home")
  end

  -- Imports, applies, and destroys; the home stays as it is, and is as it was. Returns the report.
  local function round_trip(...)
    local bytes, all = read_home(), list_home()
    local words = { "import", ... }
    words[#words + 1] = "--output"
    words[#words + 1] = "moved"
    words[#words + 1] = "--json"
    local report = syslua.lib.fromJSON(here.must(spread(words)).stdout)
    assert.equal(all, list_home())
    here.must("apply", "moved")
    assert.equal(bytes, read_home())
    contains(here.must("apply", "moved").stdout, "Nothing changed")
    here.must("destroy", "--yes")
    assert.equal(all, list_home())
    return report
  end

  local function count_left(report, pattern)
    local count = 0
    for _, left in ipairs(report.left_out) do
      count = count + (left.reason:find(pattern, 1, true) and 1 or 0)
    end
    return count
  end

  describe("stow", function()
    local names =
      { ".config", ".vim", "app", "lua", "rc", "sp ace", "it's", "\195\164", "..x", "dot", ".n" }

    -- Makes packages with random files; no two have a file where another has a directory.
    local function furnish(random, packages, count)
      local lines, taken = { "set -e; mkdir -p home/dotfiles; cd home/dotfiles" }, {}
      for index = 1, packages do
        for number = 1, count do
          local path = ""
          for depth = 1, random(4) do
            path = path .. (depth > 1 and "/" or "") .. names[random(#names)]
          end
          path = path .. number .. "-" .. index
          local place = ("p%d/%s"):format(index, path)
          if not taken[path] then
            taken[path] = true
            lines[#lines + 1] = ("mkdir -p -- %s"):format(quote(place:match("^(.*)/")))
            lines[#lines + 1] = ("echo %d >%s"):format(random(99), quote(place))
            if random(5) == 1 then
              lines[#lines + 1] = "chmod 755 " .. quote(place)
            end
          end
        end
      end
      assert.equal(0, here.shell(table.concat(lines, "\n")).code)
    end

    local function stow(words)
      local result = here.shell("cd home/dotfiles && stow " .. words)
      assert.equal(0, result.code, result.stderr)
    end

    if not process.has("stow") then
      return
    end

    it("takes over 200 links of ten packages", function()
      furnish(random_numbers.new(1), 10, 20)
      here.write("home/.config/own", "mine\n")
      stow("p*")
      local report = round_trip("stow", "home/dotfiles")
      assert.equal(0, #report.left_out)
      assert.is_true(report.declared > 0)
    end)

    it("takes over whatever Stow made of random directories", function()
      for seed = 1, 6 do
        local random = random_numbers.new(seed)
        furnish(random, random(3), random(8))
        -- Directories of the home keep Stow from folding.
        here.shell("mkdir -p home/.config home/app")
        here.shell("cd home/dotfiles; ln -s $(ls -A p1 | head -1) p1/link; echo x >p1/README.md")
        here.shell("cd home/dotfiles/p1; ln -s nowhere dangling; ln -s ../../none .dangling")
        stow((random(2) == 1 and "--no-folding " or "") .. "p*")
        local report = round_trip("stow", "home/dotfiles")
        assert.equal(0, count_left(report, "there is another file"), "seed " .. seed)
        assert.equal(2, count_left(report, "a link that leads nowhere"), "seed " .. seed)
        here.shell("rm -rf home moved; mkdir home")
      end
    end)

    it("names packages that are not stowed, and what stands in the way", function()
      furnish(random_numbers.new(2), 2, 3)
      stow("p1")
      local report = round_trip("stow", "home/dotfiles")
      assert.equal(1, count_left(report, "not stowed"))
      contains(here.read("moved/init.lua"), "-- file { path = ")
    end)

    it("writes over nothing unless told to", function()
      furnish(random_numbers.new(2), 1, 3)
      stow("p1")
      here.must("import", "stow", "home/dotfiles")
      local config = here.home .. "/.config/syslua"
      if syslua.username == "root" then
        config = "/etc/syslua"
      end
      local result = here.run("import", "stow", "home/dotfiles")
      assert.equal(1, result.code)
      contains(result.stderr, "already exists")
      assert.equal(0, here.run("import", "stow", "home/dotfiles", "--force").code)
      assert.equal(2, here.run("import", "stow").code)
      assert.equal(2, here.run("import", "stow", "nowhere").code)
      if syslua.username == "root" then
        here.shell("rm -r " .. config)
      end
    end)
  end)

  describe("dotfiles", function()
    it("takes over a tree that is linked or copied, dots or none", function()
      here.write("home/dotfiles/.bashrc", "b\n")
      here.write("home/dotfiles/.config/app/a", "a\n")
      here.write("home/dotfiles/.config/app/b", "b\n")
      here.write("home/dotfiles/.differs", "x\n")
      here.write("home/dotfiles/.run", "#!/bin/sh\n")
      here.write("home/dotfiles/vimrc", "v\n")
      here.write("home/dotfiles/README.md", "r\n")
      here.shell([[
        cd home; cp dotfiles/.bashrc .; mkdir -p .config/app; echo y >.differs
        ln -s ../../dotfiles/.config/app/a .config/app/a
        ln -s ~/dotfiles/.config/app/b .config/app/b
        ln -s dotfiles/vimrc .vimrc; cp dotfiles/.run .; chmod 755 .run
      ]])
      local report = round_trip("dotfiles", "home/dotfiles")
      assert.equal(1, count_left(report, "it differs"))
      contains(here.read("moved/init.lua"), ".vimrc")
      contains(here.read("moved/init.lua"), "recursive = true")
    end)

    it("says so when the home has no file of a tree", function()
      here.write("home/dotfiles/.bashrc", "b\n")
      local report = round_trip("dotfiles", "home/dotfiles")
      assert.equal(0, report.declared)
      assert.equal(1, count_left(report, "the home has none of its files"))
    end)

    it("takes over a bare repository whose work tree is the home", function()
      here.shell([[
        cd home; export GIT_CONFIG_NOSYSTEM=1
        git init -q --bare .dots; g() { git --git-dir=.dots --work-tree=. "$@"; }
        g config user.email a@b; g config user.name a
        echo b >.bashrc; mkdir -p .config/x bin; printf 'ä\n' >'.config/x/it'"'"'s'
        printf '#!/bin/sh\n' >bin/run; chmod 755 bin/run; ln -s .bashrc .link; echo g >.gone
        g add .bashrc .config bin .link .gone; g commit -qm 1; rm .gone
        echo edited >>.bashrc
      ]])
      local report = round_trip("dotfiles", "home/.dots")
      assert.equal(4, report.declared)
      assert.equal(1, count_left(report, "not in the home"))
    end)
  end)

  describe("chezmoi", function()
    -- Writes one entry of a source directory, and what chezmoi makes of it.
    local function add(source, target, text, options)
      options = options or {}
      here.write("home/.local/share/chezmoi/" .. source, text)
      if options.gives ~= false then
        here.write("home/" .. target, options.gives or text)
        if options.mode then
          here.shell(("chmod %s %s"):format(options.mode, quote("home/" .. target)))
        end
      end
    end

    it("takes over a source directory of 150 entries with random names", function()
      local random = random_numbers.new(5)
      here.write(
        "home/.config/chezmoi/chezmoi.toml",
        '[data]\nname = "Ada"\nemail = "ada@x"\n[data.git]\nkey = "\\u00e4\\"x"\n'
      )
      here.write("home/.local/share/chezmoi/.chezmoidata.yaml", "size: 12\nwide: true\n")
      local shown = {
        { "{{ .name }}", "Ada" },
        { "{{ .git.key }}", 'ä"x' },
        { "{{- .size -}}", "12" },
        { "{{.wide}}", "true" },
        { '{{ "{{" }}', "{{" },
        { "{{/* c */}}", "" },
        { "{% x %}{# y #}", "{% x %}{# y #}" },
        { "{{ .chezmoi.username }}", syslua.username },
      }
      local names = { "bashrc", "config", "a_b", "run", "x y", "it's", "literal", "Z.tmp" }
      for index = 1, 150 do
        local source, target = "", ""
        for _ = 1, random(3) - 1 do
          local name = names[random(#names)] .. "d"
          local is_hidden = random(2) == 1
          local exact = random(6) == 1 and "exact_" or ""
          source = source .. exact .. (is_hidden and "dot_" or "literal_") .. name .. "/"
          target = target .. (is_hidden and "." or "") .. name .. "/"
        end
        local name, is_hidden = names[random(#names)] .. index, random(2) == 1
        local base = (is_hidden and "dot_" or "literal_") .. name
        target = target .. (is_hidden and "." or "") .. name
        local kind = random(7)
        local text = ("text %d\n"):format(index)
        if kind == 1 then
          add(source .. "executable_" .. base, target, text, { mode = "755" })
        elseif kind == 2 and syslua.username ~= "root" then
          add(source .. "private_" .. base, target, text, { mode = "600" })
        elseif kind == 3 then
          add(source .. "empty_" .. base, target, "")
        elseif kind == 4 then
          local pick = shown[random(#shown)]
          add(source .. base .. ".tmpl", target, "a" .. pick[1] .. "b\n", {
            gives = "a" .. pick[2] .. "b\n",
          })
        elseif kind == 5 then
          add(source .. "readonly_" .. base .. ".literal", target, text, { mode = "444" })
        else
          add(source .. base, target, text)
        end
      end
      local report = round_trip("chezmoi")
      assert.equal(150, report.declared)
      assert.equal(0, count_left(report, "the present file is used"))
      assert.equal(#report.left_out, count_left(report, "exact_"))
      local config = here.read("moved/init.lua")
      contains(config, "local data = {", "username = syslua.username")
    end)

    it("changes no byte, whatever the names and attributes", function()
      local names = {
        "a",
        "a.in",
        'q"q',
        "it's",
        "back\\slash",
        "new\nline",
        "\255\254",
        "-dash",
        "{{x}}",
        "*",
        "$HOME",
        "~t",
        "\195\164",
        "..x",
        "#h",
        "%d",
        "]]",
        "tab\tx",
        "x.literal",
        "exact",
        "x.age",
        " ",
        "init.lua",
        "--]==]",
      }
      local prefixes = { "", "dot_", "literal_", "private_", "empty_", "executable_", "readonly_" }
      local first =
        { "", "", "", "create_", "modify_", "symlink_", "remove_", "run_", "encrypted_" }
      local texts = { "", "x\n", "no end", "\255\0\n", "a\r\n", "{% x %}", "---\n" }
      local parse = require("syslua.cli.import.chezmoi_names").parse_file
      local is_taken = {}
      for seed = 1, tonumber(os.getenv("SYSLUA_IMPORT_SEEDS")) or 2 do
        local random = random_numbers.new(seed)
        for _ = 1, 40 do
          local source, target = "", ""
          for _ = 1, random(3) - 1 do
            local name = names[random(#names)]
            local prefix = random(2) == 1 and "dot_" or "literal_"
            source = source .. prefix .. name .. "d/"
            target = target .. (prefix == "dot_" and "." or "") .. name .. "d/"
          end
          local name = first[random(#first)] .. prefixes[random(#prefixes)] .. names[random(#names)]
          name = name .. (random(4) == 1 and ".tmpl" or "")
          local parsed = parse(name)
          local place, text = target .. parsed.name, texts[random(#texts)]
          if not is_taken[place] and parsed.name ~= "" then
            is_taken[place] = true
            here.write("home/.local/share/chezmoi/" .. source .. name, text)
            local there = random(4)
            if there < 4 then
              here.write("home/" .. place, there == 1 and "another\n" or text)
            end
          end
        end
        local report = round_trip("chezmoi")
        assert.is_true(report.declared > 0)
        here.shell("rm -rf home moved; mkdir home")
        is_taken = {}
      end
    end)

    it("takes directories without files, where its config says that the source is", function()
      here.write("home/.config/chezmoi/chezmoi.yml", "sourceDir: ~/src\ndata: { name: Ada }\n")
      here.write("home/src/.chezmoidata.jsonc", '{"size": 1, /* c */ }\n')
      here.write("home/src/dot_cache/app/.keep", "")
      here.write("home/src/private_gone/.keep", "")
      here.write("home/src/dot_t.tmpl", "{{ .name }} {{ .size }}\n")
      here.write("home/src/dot_t.in", "another\n")
      here.write("home/.t", "Ada 1\n")
      here.write("home/.t.in", "another\n")
      here.write("home/.cache/app/other", "mine\n")
      here.shell("chmod 700 home/.cache/app")
      local report = round_trip("chezmoi")
      assert.equal(3, report.declared)
      assert.equal(1, #report.left_out)
      contains(report.left_out[1].reason, "not in the home")
      contains(here.read("moved/init.lua"), 'directory { path = "~/.cache/app" }')
    end)

    it("names what it cannot turn, and leaves it as it stands", function()
      add("dot_same", ".same", "x")
      add("dot_differs", ".differs", "x", { gives = "y" })
      add("dot_absent", ".absent", "x", { gives = false })
      add("modify_dot_m", ".m", "#!/bin/sh\n", { gives = "m" })
      add("create_dot_c", ".c", "c", { gives = "mine" })
      add("encrypted_dot_e.age", ".e", "age", { gives = "secret" })
      add("dot_if.tmpl", ".if", "{{ if true }}x{{ end }}", { gives = "x" })
      add("dot_pass.tmpl", ".pass", '{{ pass "x" }}', { gives = "secret" })
      add("run_once_before_install.sh", "", "#!/bin/sh\n", { gives = false })
      add("symlink_dot_l", ".l", ".same\n", { gives = false })
      add("symlink_dot_n", ".n", "nowhere\n", { gives = false })
      add("remove_dot_gone", ".gone", "", { gives = false })
      add("dot_nothing", ".nothing", "", { gives = false })
      add("external_dir/x", "dir/x", "x")
      add(".chezmoiexternal.toml", "", "", { gives = false })
      add(".hidden", "", "", { gives = false })
      here.shell("ln -s .same home/.l; ln -s nowhere home/.n")
      local report = round_trip("chezmoi", "home/.local/share/chezmoi")
      assert.equal(4, report.declared)
      local reasons = {}
      for _, left in ipairs(report.left_out) do
        reasons[left.path:match("[^/]+$")] = left.reason
      end
      for name, pattern in pairs({
        [".differs"] = "it differs",
        [".absent"] = "not in the home",
        [".m"] = "modify_",
        [".c"] = "create_",
        [".e"] = "encrypted",
        [".if"] = "{{ if true }}",
        [".pass"] = "secret",
        ["run_once_before_install.sh"] = "script",
        [".n"] = "nowhere",
        [".nothing"] = "empty_",
        dir = "external",
        [".chezmoiexternal.toml"] = "not part",
      }) do
        assert.matches(pattern, reasons[name] or "", 1, true, name)
      end
      assert.equal(1, here.shell("grep -rl secret moved/files").code)
    end)
  end)

  it("refuses kinds that it does not know", function()
    local result = here.run("import", "stov", "x")
    assert.equal(2, result.code)
    contains(result.stderr, "stow")
  end)
end)

describe("names of chezmoi", function()
  local names = require("syslua.cli.import.chezmoi_names")

  it("are read by the documented rules", function()
    for source, expected in pairs({
      dot_x = { name = ".x" },
      literal_dot_x = { name = "dot_x" },
      ["private_dot_x.tmpl"] = { name = ".x", private = true, template = true },
      ["x.tmpl.literal"] = { name = "x.tmpl" },
      ["x.literal.tmpl"] = { name = "x", template = true },
      ["encrypted_private_x.age"] = { name = "x", encrypted = true, private = true },
      private_encrypted_x = { name = "encrypted_x", private = true },
      empty_executable_dot_x = { name = ".x", empty = true, executable = true },
      executable_empty_x = { name = "empty_x", executable = true },
      ["run_once_before_x.sh.tmpl"] = {
        kind = "script",
        name = "x.sh",
        condition = "once",
        order = "before",
        template = true,
      },
      run_onchange_x = { kind = "script", name = "x", condition = "onchange" },
      symlink_dot_x = { kind = "symlink", name = ".x" },
      modify_private_x = { kind = "modify", name = "x", private = true },
      create_x = { kind = "create", name = "x" },
      remove_dot_x = { kind = "remove", name = ".x" },
    }) do
      local found = names.parse_file(source)
      assert.equal(expected.kind or "file", found.kind, source)
      for _, field in ipairs({ "name", "condition", "order" }) do
        assert.equal(expected[field], found[field], source .. ": " .. field)
      end
      for _, field in ipairs({ "encrypted", "private", "empty", "executable", "template" }) do
        assert.equal(expected[field] or false, found[field] or false, source .. ": " .. field)
      end
    end
    local directory = names.parse_directory("exact_private_dot_config")
    assert.same({ ".config", true, true }, { directory.name, directory.exact, directory.private })
  end)
end)
