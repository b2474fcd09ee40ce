--- `adopt`: files of the user become files of the config, and edits go back to their sources.

local machine = require("spec.support.machine")
local random = require("spec.support.random")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

local unpack = table.unpack or unpack

describe("adopt #once", function()
  local here = machine.for_each_test(function(here)
    here.environment.SYSLUA_CONFIG = here.directory .. "/config/init.lua"
  end)

  local function write_config(lines)
    here.write_config((lines or "") .. "\n  -- adopt: here", "config/init.lua")
  end

  local function refuses(words, ...)
    local before, home = here.list("config"), here.list("home")
    local result = here.run("adopt", unpack(words))
    assert.equal(1, result.code, result.stdout)
    contains(result.stderr, ...)
    assert.equal(before, here.list("config"))
    assert.equal(home, here.list("home"))
  end

  -- Adopts, applies, and expects that everything in the home reads as before; then that all comes
  -- back.
  local function adopt_and_apply(...)
    local function read_home()
      return here.shell("cd ~ && find -L . -type f -exec sha256sum {} + | LC_ALL=C sort").stdout
    end
    local content, before = read_home(), here.list("home")
    local result = here.must("adopt", "--write", ...)
    assert.equal(before, here.list("home"))
    here.must("apply")
    assert.equal(content, read_home())
    assert.equal(0, here.run("status").code)
    matches(here.must("apply").stdout, "^Nothing changed")
    local config = here.read("config/init.lua")
    write_config()
    here.must("apply")
    assert.equal(before, here.list("home"))
    here.write("config/init.lua", config)
    here.must("apply")
    return result
  end

  it("copies a file and prints the line for it, and changes nothing else", function()
    write_config()
    here.write("home/.bashrc", "alias ll='ls -l'\n")
    local home, config = here.list("home"), here.read("config/init.lua")
    local result = here.must("adopt", "home/.bashrc")
    contains(
      result.stdout,
      "copied ~/.bashrc to files/bashrc",
      "Add to `setup` in " .. here.directory .. "/config/init.lua:",
      '\n    file { path = "~/.bashrc", source = "files/bashrc" }\n'
    )
    assert.equal("alias ll='ls -l'\n", here.read("config/files/bashrc"))
    assert.equal(home, here.list("home"))
    assert.equal(config, here.read("config/init.lua"))
    -- Again it is the same copy.
    here.must("adopt", "home/.bashrc")
    assert.equal("bashrc\n", here.shell("ls config/files").stdout)
  end)

  it(
    "adds the lines above the marker with --write, and what was there comes back when they go",
    function()
      write_config()
      here.shell(
        "chmod 640 config/init.lua; mkdir ~/.config; echo one >~/.config/one; echo two >~/.two; "
          .. "chmod 755 ~/.two"
      )
      local result = adopt_and_apply("home/.config/one", "home/.two")
      contains(result.stdout, "added to")
      contains(
        here.read("config/init.lua"),
        '\n  file { path = "~/.config/one", source = "files/config/one" }\n'
          .. '  file { path = "~/.two", source = "files/two" }\n  -- adopt: here\n'
      )
      contains(here.list("config"), "f 640 ./init.lua", "f 755 ./files/two")
      assert.truthy(here.read_link("home/.two"))
      assert.equal("", here.shell("[ -x ~/.two ] || echo not executable").stdout)
    end
  )

  it("takes names that hurt, and never overwrites another file", function()
    write_config()
    here.write("config/files/a", "another\n")
    here.shell([[
      echo dot >~/.a; echo plain >~/a
      printf x >"$(printf 'home/q"u\\o\nnew')"; printf y >"$(printf 'home/\377z')"
      echo ü >~/ü; printf '%s' "]] .. ("long"):rep(10) .. [[" >~/--flag
    ]])
    adopt_and_apply(
      "home/.a",
      "home/a",
      'home/q"u\\o\nnew',
      "home/\255z",
      "home/ü",
      "--",
      "home/--flag"
    )
    assert.equal("another\n", here.read("config/files/a"))
    assert.equal("dot\n", here.read("config/files/a-2"))
    assert.equal("plain\n", here.read("config/files/a-3"))
    contains(
      here.read("config/init.lua"),
      [[path = "~/q\"u\\o\nnew"]],
      [[path = "~/\255z"]],
      [[path = "~/ü"]]
    )
  end)

  it("installs what others cannot read, with its mode", function()
    write_config()
    here.write("home/.netrc", "secret\n")
    here.shell(
      "chmod 600 ~/.netrc; mkdir -m 700 ~/.keys; echo key >~/.keys/id; chmod 400 ~/.keys/id; "
        .. "echo pub >~/.keys/id.pub"
    )
    adopt_and_apply("--force", "home/.netrc", "home/.keys")
    contains(
      here.read("config/init.lua"),
      'file { path = "~/.netrc", source = "files/netrc", mode = "600" }',
      'file { path = "~/.keys/id", source = "files/keys/id", mode = "400" }',
      'file { path = "~/.keys/id.pub", source = "files/keys/id.pub" }'
    )
    contains(here.list("home"), "f 600 ./.netrc 7", "f 400 ./.keys/id 4")
    contains(here.list("config"), "f 600 ./files/netrc", "d 700 ./files/keys")
  end)

  it("takes a directory file by file, links in it included", function()
    write_config()
    here.shell([[
      mkdir -p ~/.config/app/sub/empty; cd ~/.config/app; echo one >one; echo two >sub/two
      chmod +x sub/two
      ln -s sub/two way
    ]])
    adopt_and_apply("home/.config/app")
    contains(
      here.read("config/init.lua"),
      'file { path = "~/.config/app", source = "files/config/app", recursive = true }'
    )
    -- A file that is new in it needs no line.
    here.write("home/.config/app/three", "three\n")
    local result = here.must("adopt", "home/.config/app/three")
    contains(result.stdout, "copied ~/.config/app/three to files/config/app/three")
    contains_none(result.stdout, "file {")
    here.must("apply")
    assert.truthy(here.read_link("home/.config/app/three"))
  end)

  it("leaves a directory alone with a link out of it, which a tree may not have", function()
    write_config()
    here.shell(
      "mkdir -p ~/.config/app ~/.other; echo one >~/.config/app/one; "
        .. "ln -s /etc/hostname ~/.config/app/absolute; ln -s ~/.config/app ~/.other/up; "
        .. "echo two >~/.other/two"
    )
    refuses(
      { "--write", "home/.config/app" },
      "~/.config/app/absolute is a link out of ~/.config/app, to /etc/hostname"
    )
    refuses({ "home/.other" }, "~/.other/up is a link out of ~/.other, to ~/.config/app")
  end)

  it("leaves the links on the way of a link as they are", function()
    write_config()
    here.shell("cd; mkdir -p v1/bin v2/bin; ln -s v1 now; ln -s now/bin tool; ln -s tool last")
    here.must("adopt", "--write", "home/tool", "home/last")
    here.must("apply")
    here.shell("ln -sfn v2 ~/now")
    for _, name in ipairs({ "tool", "last" }) do
      assert.equal(here.home .. "/v2/bin", here.shell("readlink -f ~/" .. name).stdout:match("%S+"))
    end
  end)

  -- A path that is named twice, in other words, or is in a directory that is named too.
  for seed = 1, 3 do
    it("adopts a path once, however often it is named: seed " .. seed, function()
      local pick = random.new(seed)
      write_config()
      here.shell([[
        cd; mkdir -p d/sub e; echo 1 >a; echo 2 >d/b; echo 3 >d/sub/c; echo 4 >e/f; chmod 600 a
        ln -s a link; ln -s d way
      ]])
      local names = { "a", "d", "d/b", "d/sub", "d/sub/c", "e", "e/f", "link", "way/b", "way/sub" }
      local forms = { "home/%s", "./home/%s", "home//%s", "home/e/../%s", here.home .. "/%s" }
      local words = {}
      for index = 1, pick(8) + 1 do
        words[index] = forms[pick(#forms)]:format(names[pick(#names)])
      end
      adopt_and_apply(unpack(words))
    end)
  end

  it("keeps links as links to where they lead", function()
    write_config()
    here.write("home/dotfiles/vimrc", "vim\n")
    here.write("config/mine", "mine\n")
    here.shell("ln -s dotfiles/vimrc ~/.vimrc; ln -s $PWD/config/mine ~/.mine")
    adopt_and_apply("home/.vimrc", "home/.mine")
    contains(
      here.read("config/init.lua"),
      'file { path = "~/.vimrc", source = "~/dotfiles/vimrc", mutable = true }',
      'file { path = "~/.mine", source = "mine", mutable = true }'
    )
    assert.is_false(here.exists("config/files"))
  end)

  it("takes paths outside of the home", function()
    write_config()
    here.write("elsewhere/etc/conf", "conf\n")
    local result = here.must("adopt", here.directory .. "/elsewhere/etc/conf")
    contains(
      result.stdout,
      ('file { path = "%s/elsewhere/etc/conf", source = "files%s/elsewhere/etc/conf" }'):format(
        here.directory,
        here.directory
      )
    )
  end)

  describe("of an edit", function()
    local function edit(name, text)
      os.remove(here.home .. "/" .. name)
      here.write("home/" .. name, text)
    end

    before_each(function()
      here.write("config/linked", "old\n")
      here.write("config/real", "old\n")
      here.write("config/tree/one", "old\n")
      here.write("config/tree/two", "old\n")
      here.write("outside", "old\n")
      write_config([[
        file { path = "~/.linked", source = "linked" }
        file { path = "~/.real", source = "real", mode = "644" }
        file { path = "~/.tree", source = "tree", recursive = true }
        file { path = "~/.whole", source = "tree" }
        file { path = "~/.text", content = "text\n" }
        file { path = "~/.outside", source = "../outside" }
        activate { config = function(_, ctx) ctx.symlink("/nowhere", "~/.own") end }
      ]])
      here.must("apply")
    end)

    it("writes it into its source, and keeps what that held", function()
      edit(".linked", "new\n")
      edit(".real", "new too\n")
      local result = here.must("adopt", "home/.linked", "home/.real")
      contains(
        result.stdout,
        "wrote ~/.linked into linked; what that held is kept at",
        "backups/displaced/"
      )
      contains_none(result.stdout, "file {")
      assert.equal("new\n", here.read("config/linked"))
      assert.equal("new too\n", here.read("config/real"))
      assert.equal("old\nold\n", here.shell("cat $SYSLUA_ROOT/backups/displaced/*").stdout)
      contains(here.run("status").stdout, "(from " .. here.directory .. "/config/linked)")
      here.must("apply")
      assert.equal("new\n", here.read("home/.linked"))
      assert.equal("new too\n", here.read("home/.real"))
      assert.equal(0, here.run("status").code)
      contains(here.must("adopt", "home/.linked").stdout, "~/.linked is unchanged since the apply")
    end)

    it("of trees: the files that differ, and whole directories", function()
      edit(".tree/two", "new\n")
      here.shell("rm ~/.whole; mkdir ~/.whole; echo three >~/.whole/three; echo one >~/.whole/one")
      local result = here.must("adopt", "home/.tree")
      contains(
        result.stdout,
        "~/.tree/one is unchanged since the apply",
        "wrote ~/.tree/two into tree/two"
      )
      assert.equal("new\n", here.read("config/tree/two"))
      assert.equal("old\n", here.read("config/tree/one"))
      here.must("adopt", "home/.whole")
      assert.equal("one\nthree\n", here.shell("cat config/tree/*").stdout)
      -- All that was there is kept.
      assert.equal(
        "new\nold\nold\n",
        here.shell("find root/backups/displaced -type f | xargs cat | sort").stdout
      )
    end)

    it("says where there is no source to write to", function()
      edit(".text", "new\n")
      refuses(
        { "home/.text" },
        "~/.text is declared by its `content`",
        "init.lua:6",
        "change the text there"
      )
      edit(".outside", "new\n")
      refuses(
        { "home/.outside" },
        "outside of the config's directory",
        "init.lua:7",
        "copy it there"
      )
      edit(".own", "new\n")
      refuses({ "home/.own" }, "no file{} of the config declares it", "init.lua:8")
      edit(".linked", "new\n")
      os.remove(here.home .. "/.linked")
      here.shell("mkdir ~/.linked")
      refuses(
        { "home/.linked" },
        "is now a directory, and its source linked is a file",
        "init.lua:2"
      )
      -- Nothing is written when one of several is refused.
      edit(".real", "new\n")
      refuses({ "home/.real", "home/.text" }, "~/.text")
      assert.equal("old\n", here.read("config/real"))
    end)
  end)

  it("refuses what cannot be taken, and says what to do", function()
    write_config('  file { path = "~/.declared", content = "x" }')
    here.shell([[
      mkfifo ~/.fifo; ln -s nowhere ~/.dangling; mkdir -p ~/.empty/in ~/.repo/.git ~/.out ~/.special
      ln -s ../.out ~/.out/way; echo x >~/.out/x; mkfifo ~/.special/fifo; echo x >~/.special/x
      echo x >~/.declared
      echo x >~/.unreadable; chmod 0 ~/.unreadable
    ]])
    refuses({ "home/.nothing" }, "there is nothing at ~/.nothing")
    refuses({ "home/.fifo" }, "not a file, directory or link")
    refuses({ "home/.dangling" }, "is a link to nowhere, which does not exist")
    refuses({ "home/.empty" }, "holds no file")
    refuses({ "home/.repo" }, "is or contains a git repository: ~/.repo/.git")
    refuses({ "home/.out" }, "~/.out/way is a link out of ~/.out, to ../.out")
    refuses({ "home/.special" }, "~/.special/fifo is not a file")
    refuses({ "home/.declared" }, "declared, but not applied yet", "init.lua:2")
    refuses({ "home/.unreadable" }, "/.unreadable: Permission denied")
    refuses({ "home" }, "contains your home directory")
    refuses({ "/" }, "contains your home directory")
    refuses({ "config/init.lua" }, "is already in the config's directory", 'source = "init.lua"')
    here.must("apply")
    here.shell("ln -s $SYSLUA_ROOT/store/obj ~/.store")
    refuses({ "home/.store" }, "where sys.lua keeps its own files")
    local object = here.read_link("home/.declared")
    refuses({ object }, "is in " .. here.root, "`why`")
  end)

  it(
    "refuses a config without a marker before it copies, and takes back what makes it fail",
    function()
      here.write("home/.file", "mine\n")
      here.write_config("", "config/init.lua")
      refuses({ "--write", "home/.file" }, "has no line `-- adopt:`", "are printed")
      for _, case in ipairs({
        { "return { setup = function() end }\n-- adopt: here\n", "it fails: " },
        {
          "return { setup = function()\n  if false then\n    -- adopt: here\n  end\nend }\n",
          "evaluation does not reach them",
        },
      }) do
        here.write("config/init.lua", case[1])
        local result = here.run("adopt", "--write", "home/.file")
        assert.equal(1, result.code)
        contains(result.stderr, "was restored", case[2], 'file { path = "~/.file"')
        assert.equal(case[1], here.read("config/init.lua"))
      end
      os.remove(here.directory .. "/config/init.lua")
      refuses({ "home/.file" }, "cannot open the config", "create it")
    end
  )

  it("works with what `init` writes, and answers in JSON", function()
    here.must("init", "config")
    here.write("home/.file", "mine\n")
    local result = here.must("adopt", "--json", "--write", "-c", "config", "home/.file")
    contains(
      result.stdout,
      '"command":"adopt"',
      '"action":"copy"',
      '"lines":["file { path = \\"~/.file\\", source = \\"files/file\\" }"]',
      '"written":true'
    )
    here.must("apply", "config")
    assert.equal("mine\n", here.read("home/.file"))
    result = here.must("adopt", "--json", "home/.file")
    contains(result.stdout, '"action":"nothing"', '"lines":[]', '"written":false')
  end)

  it("encrypts private files into secrets.yaml", function()
    here.copy("src/secrets/tests/vectors/key.txt", "key.txt")
    here.environment.SOPS_AGE_KEY_FILE = here.directory .. "/key.txt"
    here.environment.SOPS_AGE_RECIPIENTS =
      "age1fm04afyk2yvux4cluqw83g4vx5cqvfdkle3r7qpx6nsm8yw6vcvstu8dzn"
    write_config()
    local key = "-----BEGIN OPENSSH PRIVATE KEY-----\nCANARY-77\n"
    here.write("home/.ssh/id_test", key)
    here.shell("chmod 700 home/.ssh; chmod 600 home/.ssh/id_test")
    local refused = here.run("adopt", here.home .. "/.ssh/id_test")
    assert.equal(1, refused.code)
    contains(refused.stderr, "--encrypt")
    contains(here.must("adopt", "--encrypt", here.home .. "/.ssh/id_test").stdout, "secrets.yaml")
    here.must("adopt", "--encrypt", "--write", here.home .. "/.ssh/id_test")
    contains(here.read("config/init.lua"), 'sops.load("secrets.yaml").files[".ssh/id_test"]')
    assert.equal(key, here.read("home/.ssh/id_test"))
    here.must("apply")
    assert.equal(key, here.read("home/.ssh/id_test"))
    assert.truthy(here.read_link("home/.ssh/id_test"))
    assert.equal("", here.shell("grep -rlF CANARY config root/store || true").stdout)
    here.must("destroy", "--yes")
    assert.equal(key, here.read("home/.ssh/id_test"))
    assert.is_nil(here.read_link("home/.ssh/id_test"))
  end)

  -- What is there, what the config declares, and what is adopted.
  for name, case in pairs({
    ["a link and its file"] = { "ln -s .config/rc .rc", "", "~/.config/rc ~/.rc" },
    ["a link and its file, the other way"] = { "ln -s .config/rc .rc", "", "~/.rc ~/.config/rc" },
    ["a link and the directory of its file"] = { "ln -s .config/rc .rc", "", "~/.rc ~/.config" },
    ["a link to a directory and a file in it"] = { "ln -s .config .c", "", "~/.c ~/.config/rc" },
    ["a chain of links and its end"] = {
      "ln -s .config/rc .one; ln -s .one .two",
      "",
      "~/.two ~/.config/rc",
    },
    ["what the config reads"] = {
      "true",
      'file { path = "~/.x", source = "~/.config/rc", mutable = true }',
      "~/.config/rc",
    },
    ["what is in a directory that the config reads"] = {
      "true",
      'file { path = "~/.x", source = "~/.config", recursive = true, mutable = true }',
      "~/.config/rc",
    },
    ["a link to what is declared"] = {
      "ln -s .config/rc .rc",
      'file { path = "~/.config/rc", content = "1" }',
      "~/.rc",
    },
  }) do
    it("makes no config that plan refuses: " .. name .. " #once", function()
      here.shell("cd ~ && mkdir .config && echo 1 >.config/rc && " .. case[1])
      write_config(case[2])
      local before, home = here.list("config"), here.list("home")
      local result = here.shell("$LUA -l syslua adopt --write " .. case[3])
      assert.equal(1, result.code, result.stdout .. result.stderr)
      contains(result.stderr, "would be a target")
      assert.equal(before, here.list("config"))
      assert.equal(home, here.list("home"))
      here.must("plan")
    end)
  end

  it("takes a link and a file that have nothing to do with each other #once", function()
    here.shell("cd ~ && mkdir .config && echo 1 >.config/rc && echo 2 >o && ln -s .config/rc .rc")
    write_config()
    adopt_and_apply(here.home .. "/.rc", here.home .. "/o")
  end)

  it("shows names with control characters on one line #once", function()
    here.write("home/a\nb", "1")
    write_config()
    local result = here.must("adopt", "--write", here.home .. "/a\nb")
    contains(result.stdout, "copied ~/a\\x0ab to files/a\\x0ab")
    here.must("plan")
  end)
end)
