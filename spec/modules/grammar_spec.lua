--- What modules write means to the programs what the config says, whatever characters are in it.

local hostile = require("spec.support.hostile_texts")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local random = require("spec.support.random")
local text_checks = require("spec.support.text_checks")

local contains, contains_none = text_checks.contains, text_checks.contains_none

local new_texts, to_lua = hostile.make, hostile.to_lua

describe("what is written for #once", function()
  local here = machine.for_each_test()

  local function must(line)
    local result = here.shell(line)
    assert.equal("", result.stderr)
    assert.equal(0, result.code, result.stdout)
    return result.stdout
  end

  local function get_failure(lines)
    return here.fail(lines).message
  end

  it("git has each value, byte for byte", function()
    local texts = new_texts(random.new(11), 60, { "\n", "\b", "\r" })
    local lines = {}
    for index, text in ipairs(texts) do
      lines[index] = ("key%d = %s"):format(index, to_lua(text))
    end
    here.apply(([[
      require("modules.programs.git").setup {
        settings = { test = { %s }, ["sub.a.b\"c\\d ]"] = { x = "1" } } }
    ]]):format(table.concat(lines, ", ")))
    local listed = must("git config --file ~/.config/git/config --list -z")
    for index, text in ipairs(texts) do
      local line = ("test.key%d\n%s\0"):format(index, text)
      contains(listed, line)
    end
    contains(listed, 'sub.a.b"c\\d ].x\n1\0')
  end)

  it("git has sections however they are given, and includes last", function()
    here.write("home/work", "[user]\n\temail = work\n[core]\n\teditor = work\n[zzz]\n\ta = work\n")
    here.apply([[
      require("modules.programs.git").setup {
        user_email = "home", editor = "home", includes = { "~/work" },
        settings = {
          zzz = { a = "home" },
          remote = { origin = { url = "u", fetch = { "a", "b" } } },
          ["branch.main.rebase"] = true,
          ["http.postBuffer"] = 1e6,
          ["includeIf.gitdir:~/src/"] = { path = "~/other" },
          Include = { path = "~/missing" },
        },
        extra = { "[last]", "\tx = 1" },
      }
    ]])
    local expected = {
      ["user.email"] = "work",
      ["core.editor"] = "work",
      ["zzz.a"] = "work",
      ["remote.origin.url"] = "u",
      ["branch.main.rebase"] = "true",
      ["http.postBuffer"] = "1000000",
      ["last.x"] = "1",
    }
    for name, value in pairs(expected) do
      assert.equal(value .. "\n", must("git config " .. name), name)
    end
    assert.equal("a\nb\n", must("git config --get-all remote.origin.fetch"))
    local text = here.read("home/.config/git/config")
    local first = text:lower():find("[include", 1, true)
    contains_none(text:lower():sub(first), "[zzz]")
    contains(text, "[last]\n\tx = 1\n")
  end)

  it("git is refused what it cannot have", function()
    local wrong = {
      '["a b"] = { x = 1 }',
      'a = { ["x y"] = 1 }',
      'a = { ["1x"] = 1 }',
      'a = { x = "\\0" }',
      'a = "b"',
      '["a.b\\nc"] = { x = 1 }',
      "a = { [2] = 1, x = {} }",
    }
    for _, settings in ipairs(wrong) do
      local setup = [[require("modules.programs.git").setup { settings = { %s } }]]
      local message = get_failure(setup:format(settings))
      contains(message, "git")
    end
  end)

  describe("tmux", function()
    if not process.has("tmux") then
      pending("tmux is not installed")
      return
    end

    local function ask(lines)
      local script = [[
        tmux() { command tmux -S "$TMPDIR/tmux" -f /dev/null "$@"; }
        tmux new-session -d 'sleep 30' || exit
        tmux source-file ~/.config/tmux/tmux.conf
        %s
        tmux kill-server
      ]]
      return must(script:format(lines))
    end

    it("has each key of a keyboard", function()
      local binds, expected = {}, {}
      for byte = 33, 126 do
        local key = string.char(byte)
        binds[#binds + 1] = ("[%s] = 'display-message key%d'"):format(to_lua(key), byte)
        expected[#expected + 1] = ("key%d"):format(byte)
      end
      for _, key in ipairs({ "C-a", "M-;", "Space", "Enter", "C-M-Left", "F5", "M-#", "C-\\" }) do
        binds[#binds + 1] = ("[%s] = { 'display-message', 'name %d' }"):format(
          to_lua(key),
          #expected
        )
        expected[#expected + 1] = ('"name %d"'):format(#expected)
      end
      here.apply(([[
        require("modules.programs.tmux").setup { binds = { %s },
          tables = { ["copy-mode-vi"] = { ["\""] = "send-keys -X cancel",
            [";"] = "send-keys -X cancel" } } }
      ]]):format(table.concat(binds, ", ")))
      local listed = ask("tmux list-keys -T prefix; tmux list-keys -T copy-mode-vi")
      for _, command in ipairs(expected) do
        contains(listed, "display-message " .. command .. "\n")
      end
      for byte = 33, 126 do
        -- As tmux shows a key: some with a backslash.
        local found = listed:match(("%%-T prefix +(%%S+) +display%%-message key%d\n"):format(byte))
        assert.equal(string.char(byte), (found:gsub("^\\", "", #found > 1 and 1 or 0)))
      end
      local _, count = listed:gsub('copy%-mode%-vi +\\[";] +send%-keys %-X cancel\n', "")
      assert.equal(2, count, listed)
    end)

    it("has each value, byte for byte", function()
      local texts = new_texts(random.new(12), 60, { "\n" })
      local lines, questions = {}, {}
      for index, text in ipairs(texts) do
        lines[index] = ("['@key%d'] = %s"):format(index, to_lua(text))
        questions[index] = ("tmux show -gv @key%d; printf '\\0'"):format(index)
      end
      here.apply(([[
        require("modules.programs.tmux").setup { settings = { %s,
          ["terminal-overrides"] = { "a:b", "c:d,e:f" },
          ["status-left"] = "-x",
          ["update-environment"] = { "A", "B" } } }
      ]]):format(table.concat(lines, ", ")))
      local found = ask(
        table.concat(questions, "\n")
          .. "\ntmux show -gv status-left; tmux show -gv update-environment"
      )
      for index, text in ipairs(texts) do
        local value = found:match("^([^%z]*)\n%z")
        assert.equal(text, value, ("%d: %q"):format(index, text))
        found = found:gsub("^[^%z]*%z", "", 1)
      end
      assert.equal("-x\nA\nB\n", found)
    end)

    it("gives each word of a command to it, byte for byte", function()
      local texts = { ";", "a;", "a;;", "a\\;", "a\\\\;", "; a", "echo hi; ", "'x';", "a\n;" }
      for _, text in ipairs(new_texts(random.new(21), 40, { "\n" })) do
        -- What begins with `-` is a flag of the command.
        text = text:gsub("^%-", "=")
        texts[#texts + 1] = text .. ";"
        texts[#texts + 1] = text
      end
      local tables, values, questions = {}, {}, {}
      for index, text in ipairs(texts) do
        tables[index] = ("t%d = { a = { 'set-option', '-g', '@word%d', %s } }"):format(
          index,
          index,
          to_lua(text)
        )
        values[index] = ("['@key%d'] = %s"):format(index, to_lua(text))
        -- What the key does is done as tmux itself writes it.
        questions[index] = ([[
          tmux list-keys -T t%d | sed 's/^bind-key *-T t%d *a *//' >"$TMPDIR/line"
          tmux source-file "$TMPDIR/line"
          tmux show -gv @word%d; printf '\0'; tmux show -gv @key%d; printf '\0'
        ]]):format(index, index, index, index)
      end
      here.apply(([[
        require("modules.programs.tmux").setup { tables = { %s }, settings = { %s } }
      ]]):format(table.concat(tables, ", "), table.concat(values, ", ")))
      local found = ask(table.concat(questions, "\n"))
      for index, text in ipairs(texts) do
        for _, what in ipairs({ "word", "key" }) do
          assert.equal(text, found:match("^([^%z]*)\n%z"), ("%s %d: %q"):format(what, index, text))
          found = found:gsub("^[^%z]*%z", "", 1)
        end
      end
    end)

    it("is refused keys that are none", function()
      for _, binds in ipairs({ "'kill-pane'", "['x'] = {}", "['x'] = ''", "[''] = 'x'" }) do
        local setup = [[require("modules.programs.tmux").setup { binds = { %s } }]]
        assert.truthy(get_failure(setup:format(binds)))
      end
    end)
  end)

  describe("ssh", function()
    if not process.has("ssh") then
      pending("ssh is not installed")
      return
    end

    -- What `ssh -G` says of a host: a set of lines.
    local function ask(host)
      local lines = {}
      for line in must("ssh -T -F ~/.ssh/config -G " .. host):gmatch("[^\n]+") do
        lines[line] = true
      end
      return lines
    end

    it("has each argument", function()
      local texts, lines = {}, {}
      -- It expands `%` and `$` in names of files itself, and knows no tabs in them.
      for _, text in ipairs(new_texts(random.new(13), 80, {})) do
        local is_plain = not text:find("[%%$~\t]") and text:find("[^%s]") and not text:find("^%s")
        if is_plain and not text:find("%s$") then
          texts[#texts + 1] = text
          lines[#lines + 1] = to_lua("/" .. text)
        end
      end
      assert.is_true(#texts > 20)
      here.apply(([[
        require("modules.programs.ssh").setup { hosts = { web = { IdentityFile = { %s } } } }
      ]]):format(table.concat(lines, ", ")))
      local found = ask("web")
      for _, text in ipairs(texts) do
        assert.is_true(found["identityfile /" .. text], text)
      end
    end)

    it("has several arguments, several lines and blocks", function()
      here.apply([[
        require("modules.programs.ssh").setup {
          hosts = {
            web = {
              LocalForward = "8080 localhost:80",
              RemoteForward = { "9090 localhost:90", "9091 localhost:91",
                { 9092, "localhost:92" } },
              SetEnv = { "FIRST=a b", "SECOND=2" },
              SendEnv = "LANG LC_*",
              UserKnownHostsFile = { "/a b", "/c" },
              CanonicalDomains = { "example.org", "example.com" },
              IPQoS = "lowdelay throughput",
              DynamicForward = 1080,
              ProxyCommand = 'sh -c "nc # %h" \'x\'',
              RemoteCommand = "echo \"a b\" # c",
              Compression = true,
            },
            pair = { LocalForward = { "8080", "localhost:80" }, SetEnv = { THIRD = "c d" } },
            ["*.example.org"] = { User = "general" },
            ["*.deep.example.org"] = { User = "deep" },
            ["a* b"] = { Port = 7 },
          },
          matches = {
            { match = "host web,pair exec \"true\"", Port = 2222 },
            { match = "host other", Port = 3333, LocalForward = { "1 a:1", "2 b:2" } },
          },
          extra = { "ServerAliveInterval 77", "Host last", "  User last" },
        }
      ]])
      local web = ask("web")
      for _, line in ipairs({
        "localforward 8080 [localhost]:80",
        "remoteforward 9090 [localhost]:90",
        "remoteforward 9091 [localhost]:91",
        "remoteforward 9092 [localhost]:92",
        "setenv FIRST=a b",
        "setenv SECOND=2",
        "sendenv LANG",
        "sendenv LC_*",
        "userknownhostsfile /a b /c",
        "canonicaldomains example.org example.com",
        "ipqos lowdelay throughput",
        "dynamicforward 1080",
        "proxycommand sh -c \"nc # %h\" 'x'",
        'remotecommand echo "a b" # c',
        "compression yes",
        "port 2222",
        "serveraliveinterval 77",
      }) do
        assert.is_true(web[line], line)
      end
      local pair = ask("pair")
      assert.is_true(pair["localforward 8080 [localhost]:80"])
      assert.is_true(pair["setenv THIRD=c d"])
      assert.is_true(ask("other")["localforward 2 [b]:2"])
      assert.is_true(ask("x.deep.example.org")["user deep"])
      assert.is_true(ask("x.example.org")["user general"])
      assert.is_true(ask("axe")["port 7"])
      assert.is_true(ask("last")["user last"])
    end)

    it("is refused what would be another line", function()
      local wrong = {
        'hosts = { web = { User = "a\\nPort 1" } }',
        'hosts = { web = { ["User x"] = 1 } }',
        'hosts = { ["web\\nPort 1"] = {} }',
        'hosts = { web = { User = "" } }',
        "matches = { { User = 'x' } }",
        "hosts = { web = { User = function() end } }",
      }
      for _, options in ipairs(wrong) do
        assert.truthy(get_failure(('require("modules.programs.ssh").setup { %s }'):format(options)))
      end
    end)
  end)
end)
