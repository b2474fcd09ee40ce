--- `adopt` refuses what should stay private, by name and by content, wherever it is and whatever it
--- is called.

local contains = require("spec.support.text_checks").contains
local machine = require("spec.support.machine")
local process = require("spec.support.process")

describe("adopt of what should stay private #once", function()
  local here = machine.for_each_test(function(here)
    here.environment.SYSLUA_CONFIG = here.directory .. "/config/init.lua"
    here.write_config("  -- adopt: here", "config/init.lua")
  end)

  local function characters(random, count, alphabet)
    local result = {}
    for index = 1, count do
      local place = random(#alphabet)
      result[index] = alphabet:sub(place, place)
    end
    return table.concat(result)
  end

  local upper, lower, digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"
  local alphanumeric = upper .. lower .. digits

  -- Contents that are private under any name.
  local function make_contents(random)
    local function some(count)
      return characters(random, count, alphanumeric) .. "7Q"
    end
    local body = some(64) .. "\n" .. some(64) .. "\n"
    local function pem(kind)
      return ("-----BEGIN %s-----\n%s-----END %s-----\n"):format(kind, body, kind)
    end
    return {
      pem("PRIVATE KEY"),
      pem("RSA PRIVATE KEY"),
      pem("EC PRIVATE KEY"),
      pem("OPENSSH PRIVATE KEY"),
      pem("ENCRYPTED PRIVATE KEY"),
      pem("PGP PRIVATE KEY BLOCK"),
      pem("CERTIFICATE") .. pem("PRIVATE KEY"),
      "# created: 2026\nAGE-SECRET-KEY-1" .. characters(random, 58, upper .. digits) .. "\n",
      "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n" .. body,
      "-----BEGIN PRIVATE KEY-----\r\n" .. some(70):gsub(".", "%0") .. "\r\n",
      "-----BEGIN PRIVATE KEY-----\n" .. body:gsub(".", "%0\0"),
      ("-----BEGIN PRIVATE KEY-----\n"):gsub(".", "%0\0"),
      "export GITHUB_TOKEN=ghp_" .. some(36) .. "\n",
      "token: gho_" .. some(36) .. "\n",
      "x github_pat_" .. some(22) .. "_" .. some(59) .. "\n",
      "[gitlab]\ntoken = glpat-" .. some(20) .. "\n",
      "[default]\naws_access_key_id = AKIA" .. characters(random, 16, upper .. digits) .. "\n",
      "aws_secret_access_key = " .. some(38) .. "\n",
      "let token = 'eyJ" .. some(20) .. ".eyJ" .. some(60) .. "." .. some(43) .. "'\n",
      "slack xoxb-" .. characters(random, 12, digits) .. "-" .. some(24) .. "\n",
      "//registry.example.org/:_authToken=npm_" .. some(36) .. "\n",
      "//registry.example.org/:_authToken=" .. some(20) .. "\n",
      '{ "auths": { "https://index.docker.io/v1/": { "auth": "' .. some(20) .. '==" } } }\n',
      "https://me:" .. some(20) .. "@github.com\n",
      "machine = x\npassword = " .. some(12) .. "\n",
      "account default\nuser me\npassword " .. some(12) .. "\n",
      'client_secret: "' .. some(24) .. '"\n',
      "OPENAI_API_KEY=sk-proj-" .. some(40) .. "\n",
      "key: AIza" .. characters(random, 33, alphanumeric) .. "7Q\n",
      "[Interface]\nPrivateKey = " .. characters(random, 43, alphanumeric) .. "=\n",
      "client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQ" .. some(40) .. "\n",
      "root:$6$" .. some(16) .. "$" .. some(80) .. ":19000:0:99999:7:::\n",
      "STRIPE=sk_live_" .. some(24) .. "\n",
      'hf = "hf_' .. some(34) .. '"\n',
      "<server><password>" .. some(12) .. "</password></server>\n",
      "curl -H 'Authorization: Bearer " .. some(30) .. "' https://example.org\n",
      "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
      "machine api.example.org\n  login me\n  password hunter\n",
      'password: "correcthorsebatterystaple"\n',
      "github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5" .. some(44) .. "\n",
      "|1|"
        .. some(26)
        .. "=|"
        .. some(26)
        .. "= ecdsa-sha2-nistp256 AAAAE2VjZHNh"
        .. some(40)
        .. "\n",
      '{"version":3,"crypto":{"cipher":"aes-128-ctr","ciphertext":"'
        .. some(60)
        .. '","kdfparams":{}}}\n',
      "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU" .. some(60) .. "\n",
      -- Not the first of its line, or without a sign between.
      '{"user":"me","password":"' .. some(12) .. '"}\n',
      '{"tokens":{"refresh_token":"1//0' .. some(30) .. '"}}\n',
      "- { user: me, password: " .. some(12) .. " }\n",
      'login = { user = "me", password = "' .. some(12) .. '" }\n',
      'return { host = "x", auth = { token = "' .. some(20) .. '" } }\n',
      "export A=1 API_TOKEN=" .. some(20) .. "\n",
      "set -gx API_TOKEN " .. some(20) .. "\n",
      "setenv API_TOKEN " .. some(20) .. "\n",
      '(setq api-token "' .. some(20) .. '")\n',
      "<gui><apikey>" .. some(32) .. "</apikey></gui>\n",
      "remotepass = " .. some(12) .. "\n",
      '{"ServerApp":{"password":"argon2:$argon2id$v=19$m=10240,t=10,p=8$' .. some(20) .. '"}}\n',
    }
  end

  -- Names that tell, with a content that does not.
  local private_names = {
    ".ssh/id_ed25519",
    ".ssh/id_rsa",
    ".ssh/id_ecdsa_sk",
    ".ssh/id_work",
    ".ssh/known_hosts",
    ".ssh/known_hosts.old",
    "server.pem",
    "server.key",
    "client.p12",
    "client.pfx",
    "store.jks",
    "putty.ppk",
    ".netrc",
    ".authinfo",
    ".git-credentials",
    ".config/git/credentials",
    ".pgpass",
    ".my.cnf",
    ".mylogin.cnf",
    ".pypirc",
    ".aws/credentials",
    ".aws/sso/cache/abc.json",
    ".azure/msal_token_cache.json",
    ".config/gcloud/credentials.db",
    ".config/gcloud/application_default_credentials.json",
    ".config/gcloud/legacy_credentials/me/adc.json",
    ".kube/config",
    ".config/containers/auth.json",
    ".config/gh/hosts.yml",
    ".config/github-copilot/hosts.json",
    ".cargo/credentials.toml",
    ".gem/credentials",
    ".config/composer/auth.json",
    ".vault-token",
    ".terraform.d/credentials.tfrc.json",
    "terraform.tfstate",
    ".gnupg/private-keys-v1.d/0A.key",
    ".gnupg/secring.gpg",
    ".gnupg/trustdb.gpg",
    ".config/sops/age/keys.txt",
    ".local/share/keyrings/login.keyring",
    ".local/share/kwalletd/kdewallet.kwl",
    "passwords.kdbx",
    ".mozilla/firefox/abc.default/cookies.sqlite",
    ".mozilla/firefox/abc.default/key4.db",
    ".mozilla/firefox/abc.default/logins.json",
    ".config/chromium/Default/Cookies",
    ".config/chromium/Default/Login Data",
    ".erlang.cookie",
    ".config/pulse/cookie",
    ".bash_history",
    ".zsh_history",
    ".python_history",
    ".psql_history",
    ".local/share/fish/fish_history",
    ".viminfo",
    ".bitcoin/wallet.dat",
    ".electrum/wallets/default_wallet",
    ".config/solana/id.json",
    ".ethereum/keystore/UTC--2020-01-01--abc",
    ".Xauthority",
    ".password-store/mail.gpg",
    ".config/rclone/rclone.conf",
    ".smbcredentials",
    "secrets.yaml",
  }

  -- What people keep in their dotfiles.
  local public = {
    [".bashrc"] = "export EDITOR=vim\nexport GITHUB_TOKEN=$(pass show github)\n"
      .. "alias pw='pass show'\n",
    [".zshrc"] = 'HISTFILE=~/.zsh_history\nexport API_KEY="$(cat ~/.key)"\n'
      .. 'bindkey "^[[A" up-line\n',
    [".gitconfig"] = "[user]\n\tname = Me\n\tsigningkey = 0123456789ABCDEF\n[credential]\n"
      .. "\thelper = store\n",
    [".ssh/config"] = "Host *\n  IdentityFile ~/.ssh/id_ed25519\n"
      .. "  UserKnownHostsFile ~/.ssh/known_hosts\n",
    [".ssh/id_ed25519.pub"] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@host\n",
    [".config/git/allowed_signers"] = "me@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ\n",
    [".ssh/authorized_keys"] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@host\n",
    [".gnupg/gpg.conf"] = "keyserver hkps://keys.openpgp.org\ndefault-key 0123456789ABCDEF\n",
    [".gnupg/gpg-agent.conf"] = "default-cache-ttl 600\npinentry-program /usr/bin/pinentry\n",
    [".npmrc"] = "prefix=~/.npm\n//registry.example.org/:_authToken=${NPM_TOKEN}\n",
    [".docker/config.json"] = '{ "credsStore": "secretservice", "psFormat": "table" }\n',
    [".aws/config"] = "[default]\nregion = eu-central-1\ncredential_process = /usr/bin/aws-creds\n",
    [".config/nvim/init.lua"] = 'local token = os.getenv("TOKEN")\nlocal keys = require("keys")\n',
    [".config/nvim/lua/keys.lua"] = 'return { token = nil, password = prompt("Password: ") }\n',
    [".muttrc"] = 'set imap_pass = "`pass show mail`"\nset smtp_url = "smtp://me@example.org"\n',
    [".vimrc"] = '" let g:token = "secret"\nset history=1000\nsyntax on\n',
    [".psqlrc"] = "\\set HISTSIZE 2000\n\\set PROMPT1 '%n@%/%R%# '\n",
    [".env.example"] = "API_TOKEN=your-token-here\nDB_PASSWORD=changeme\n",
    [".env"] = "EDITOR=vim\nPORT=3000\n",
    [".tmux.conf"] = "set -g prefix C-a\nbind-key r source-file ~/.tmux.conf\n",
    [".config/gh/config.yml"] = "git_protocol: ssh\nprompt: enabled\n",
    [".cargo/config.toml"] = '[registry]\ndefault = "crates-io"\n[net]\n'
      .. "git-fetch-with-cli = true\n",
    ["ca.pem"] = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    ["release.key"] = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n",
    ["secrets.yaml"] = "password: ENC[AES256_GCM,data:abc,iv:abc,tag:abc,type:str]\nsops:\n"
      .. "    mac: ENC[x]\n",
    [".config/app/keys.json"] = '{"user":"me","token":"$TOKEN","tokenFile":"~/.token"}\n',
    [".config/fish/config.fish"] = "set -gx API_TOKEN (pass show api)\nset -gx BYPASS never1234\n",
    [".emacs.d/init.el"] = "(setq auth-source-save-behavior nil)\n(setq password-cache t)\n",
    [".config/app.yml"] = "keymap: { toggle_token: Ctrl+Shift+T, encompass: abcdefgh12 }\n",
    [".msmtprc"] = "account me\nuser me\npasswordeval pass show mail\n",
  }

  -- Returns a function that adopts and expects a refusal which names a file, and leaves nothing of
  -- it.
  local function expect_refused(words, name, message)
    local result = here.run("adopt", "--write", words)
    assert.equal(1, result.code, message .. ": " .. result.stdout)
    contains(result.stderr, "should stay private", name, "--force")
    assert.is_false(here.exists("config/files"), message)
  end

  it("goes by the name", function()
    for _, name in ipairs(private_names) do
      here.write("home/" .. name, "nothing to see\n")
    end
    for _, name in ipairs(private_names) do
      expect_refused("home/" .. name, name, name)
    end
  end)

  it("goes by the content, whatever a file is called and wherever it is", function()
    local seed = os.time()
    math.randomseed(seed)
    local names = {
      "notes.txt",
      "README.md",
      "a/b/c.conf",
      "photo.jpg",
      "x",
      "key.pub",
      "deep/er/config",
      ".profile",
      "ä b",
    }
    for index, content in ipairs(make_contents(math.random)) do
      local message = ("seed %d, content %d: %s"):format(seed, index, content)
      local name = ("%d/%s"):format(index, names[math.random(#names)])
      -- Somewhere in the file, also where it is read in pieces.
      local before = ("# a comment\n"):rep(
        math.random(3) == 1 and math.random(87000, 87500) or math.random(0, 5)
      )
      here.write("home/" .. name, before .. content .. "# the end\n")
      expect_refused("home/" .. name, name, message)
      -- In a directory among others, and through links.
      here.write(("home/%d/plain"):format(index), "plain\n")
      expect_refused(("home/%d"):format(index), name, message)
      here.shell(
        ("ln -s %s ~/link-%d; ln -s %d ~/directory-%d"):format(
          process.quote(name),
          index,
          index,
          index
        )
      )
      expect_refused(("home/link-%d"):format(index), ("link-%d"):format(index), message)
      expect_refused(
        ("home/directory-%d/%s"):format(index, name:match("/(.*)")),
        "directory-",
        message
      )
    end
  end)

  it("knows the forms of binary keys", function()
    local tail = ("x"):rep(100)
    for index, begin in ipairs({
      "0\130\4\190\2\1\0000\r\6\9*\134H\134\247\r\1\1\1\5\0",
      '0\46\2\1\0000\5\6\3+ep\4"\4 ',
      "0\129\135\2\1\0000\19\6\7*\134H\206=\2\1",
      "0\130\4\163\2\1\0\2\130\1\1\0",
      "\149\3\152\4",
      "\197\88\4",
      "\3\217\162\154",
      "\254\237\254\237\0\0\0\2",
      "GnomeKeyring\n\r\0\n",
      "# Netscape HTTP Cookie File\n",
    }) do
      local name = ("binary-%d.dat"):format(index)
      here.write("home/" .. name, begin .. tail)
      expect_refused("home/" .. name, name, name)
    end
    -- A certificate is none, and neither is a picture.
    here.write("home/certificate.der", "0\130\3\150\0480\130\2~\160\3\2\1\2\2\20" .. tail)
    here.write("home/picture.png", "\137PNG\r\n\26\n\0\0\0\rIHDR" .. tail)
    here.must("adopt", "home/certificate.der", "home/picture.png")
  end)

  it("lets everything else through", function()
    for name, text in pairs(public) do
      here.write("home/" .. name, text)
    end
    for name in pairs(public) do
      local result = here.run("adopt", "home/" .. name)
      assert.equal(0, result.code, name .. ": " .. result.stderr)
    end
  end)

  it("lets through what the user insists on, and goes by the name no more", function()
    here.write("home/.netrc", "machine x login y password z\n")
    here.shell("chmod 600 ~/.netrc")
    here.must("adopt", "--force", "--write", "home/.netrc")
    here.must("apply")
    assert.equal("machine x login y password z\n", here.read("home/.netrc"))
  end)

  it("looks at edits of managed files too", function()
    here.write("config/app", "plain\n")
    here.write_config(
      'file { path = "~/.app", source = "app" }\n  -- adopt: here',
      "config/init.lua"
    )
    here.must("apply")
    os.remove(here.home .. "/.app")
    here.write("home/.app", "token = ghp_0123456789abcdefghijABCDEFGHIJ012345\n")
    local result = here.run("adopt", "home/.app")
    assert.equal(1, result.code)
    contains(result.stderr, "~/.app (a GitHub token) should stay private")
    assert.equal("plain\n", here.read("config/app"))
    here.must("adopt", "--force", "home/.app")
  end)

  it("names some of many", function()
    for index = 1, 9 do
      here.write(("home/keys/id_rsa_%d"):format(index), "x\n")
    end
    local result = here.run("adopt", "home/keys")
    assert.equal(1, result.code)
    contains(result.stderr, "~/keys/id_rsa_1 (an SSH key), ", " should stay private, and 4 more")
  end)
end)

describe("adopt of what apply could not manage #once", function()
  it("is refused before anything is copied", function()
    local here = machine.new()
    here.environment.SYSLUA_CONFIG = here.directory .. "/config/init.lua"
    here.write_config("  -- adopt: here", "config/init.lua")
    here.write("closed/one", "one\n")
    here.write("closed/in/two", "two\n")
    here.shell("chmod 555 closed closed/in")
    if here.shell("id -u").stdout ~= "0\n" then
      for _, name in ipairs({ "closed/one", "closed/in", "closed/in/two", "/etc/hostname" }) do
        local result = here.run("adopt", "--write", name)
        assert.equal(1, result.code, name)
        assert.is_false(here.exists("config/files"), name)
      end
    end
    here.shell("chmod -R u+w closed")
    here.must("adopt", "closed/one")
    here.remove()
  end)
end)
