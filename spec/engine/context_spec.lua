--- `ctx` refuses what makes no sense, by name and line, and loses nothing.

local machine = require("spec.support.machine")
local text_checks = require("spec.support.text_checks")

local contains, matches = text_checks.contains, text_checks.matches

describe("ctx", function()
  local here = machine.for_each_test(function(here)
    here.write("outside/canary", "alive\n")
  end)

  -- Builds several configs in one run of Lua; each fails. Gives name -> "message|position|hint".
  local function failures_of(configs)
    local lines = {}
    for name, config in pairs(configs) do
      lines[#lines + 1] = ("try(%q, function(_, ctx) local outside = %q; %s end)"):format(
        name,
        here.directory .. "/outside",
        type(config) == "table" and config[1] or config
      )
    end
    local result = here.script(([[
      local function try(name, config)
        local ok, caught = pcall(function()
          local opts = { name = name }
          return syslua.build(syslua.derive({ name = "one", opts = opts, config = config }))
        end)
        local failure = ok and { message = "nothing was refused" } or syslua.error(caught)
        local position, hint = failure.position or "", failure.hint or ""
        print(("%%s\1%%s\1%%s\1%%s\2"):format(name, failure.message, position, hint))
      end
      %s
    ]]):format(table.concat(lines, "\n")))
    assert.equal(0, result.code, result.stderr)
    local failures = {}
    for name, message, position, hint in
      result.stdout:gmatch("([^\1\2]*)\1([^\1]*)\1([^\1]*)\1([^\1\2]*)\2\n")
    do
      failures[name] = { message = message, position = position, hint = hint }
    end
    return failures
  end

  local function expect(expected)
    local failures = failures_of(expected)
    for name, words in pairs(expected) do
      local found = assert(failures[name], name)
      assert.equal(
        "cannot build one: " .. words[2]:gsub("OUTSIDE", here.directory .. "/outside"),
        found.message,
        name
      )
      matches(found.position, "script%.lua:%d+$")
      if words[3] then
        assert.equal(words[3], found.hint, name)
      end
    end
    -- Nothing outside has changed, and nothing is left of the builds.
    assert.equal("alive\n", here.read("outside/canary"))
    assert.equal("canary\n", here.shell("ls outside").stdout)
    assert.equal(
      "",
      here.shell(
        "ls root/store/obj root/store/staging root/store/b?? root/store/tmp | grep -v : | grep ."
      ).stdout
    )
  end

  it("refuses to write outside of the build, by whatever way", function()
    local refused =
      " is outside of the build: a build writes only below its outputs and its build directory"
    local hint = "write below ctx.out, or use a relative path for scratch files"
    expect({
      write = { 'ctx.write(outside .. "/canary", "")', "OUTSIDE/canary" .. refused, hint },
      ["write through .."] = {
        'ctx.write(ctx.out .. "/../../../../outside/canary", "")',
        "OUTSIDE/canary" .. refused,
      },
      ["write through a link"] = {
        'ctx.symlink(outside, "link") ctx.write("link/canary", "")',
        "link/canary leads elsewhere through a link: OUTSIDE/canary" .. refused,
      },
      copy = {
        'ctx.write("a", "") ctx.copy("a", outside .. "/canary")',
        "OUTSIDE/canary" .. refused,
      },
      move = { 'ctx.write("a", "") ctx.move("a", outside .. "/a")', "OUTSIDE/a" .. refused },
      ["move from outside"] = {
        'ctx.move(outside .. "/canary", "a")',
        "OUTSIDE/canary" .. refused,
      },
      symlink = { 'ctx.symlink("a", outside .. "/a")', "OUTSIDE/a" .. refused },
      mkdir = { 'ctx.mkdir(outside .. "/a")', "OUTSIDE/a" .. refused },
      chmod = { 'ctx.chmod(outside .. "/canary", "777")', "OUTSIDE/canary" .. refused },
      cwd = { 'ctx.run("rm canary", { cwd = outside })', "OUTSIDE" .. refused },
    })
  end)

  it("refuses to read what is not declared", function()
    local refused = " is not declared: a build reads only its sources, downloads and dependencies"
    local hint = 'declare it: opts = { file = source("./path") }'
    expect({
      read = { 'ctx.read(outside .. "/canary")', "OUTSIDE/canary" .. refused, hint },
      list = { "ctx.list(outside)", "OUTSIDE" .. refused, hint },
      exists = { "ctx.exists(outside)", "OUTSIDE" .. refused, hint },
      copy = { 'ctx.copy(outside .. "/canary", ctx.out)', "OUTSIDE/canary" .. refused, hint },
      ["read through a link"] = {
        'ctx.symlink(outside, "link") ctx.read("link/canary")',
        "link/canary leads elsewhere through a link: OUTSIDE/canary" .. refused,
        hint,
      },
      ["read of a link"] = {
        'ctx.symlink("/etc/../etc/passwd", "one") ctx.symlink("one", "two") ctx.read("two")',
        "two leads elsewhere through a link: /etc/passwd" .. refused,
        hint,
      },
      ["list of a link"] = {
        'ctx.symlink(outside, "link") ctx.list("link")',
        "link leads elsewhere through a link: OUTSIDE" .. refused,
        hint,
      },
      ["read of the system"] = { 'ctx.read("/etc/passwd")', "/etc/passwd" .. refused, hint },
    })
  end)

  it("reads of the store only what the build depends on, and what that refers to", function()
    local result = here.script([[
      local function write(name, text, opts)
        return syslua.derive({ name = name, opts = opts or {}, config = function(opts, ctx)
          ctx.write(ctx.out, opts.below and text .. opts.below.out or text)
        end })
      end
      local stranger = write("stranger", "strange")
      local base = write("base", "base")
      local middle = write("middle", "on ", { below = base })
      local paths = {}
      for name, handle in pairs({ stranger = stranger, base = base, middle = middle }) do
        paths[name] = syslua.build(handle).out
      end
      local objects = paths.base:match("^(.*)/")
      local function try(what, use, path)
        local ok, caught = pcall(function()
          return syslua.build(syslua.derive({ name = "one", opts = { middle, path, what },
            config = use }))
        end)
        print(what .. ": " .. (ok and "ok"
          or syslua.error(caught).message:gsub(objects:gsub("%p", "%%%0"), "OBJ")))
      end
      local function read(opts, ctx) ctx.write(ctx.out, ctx.read(opts[2])) end
      local function list(opts, ctx) ctx.write(ctx.out, table.concat(ctx.list(opts[2]))) end
      local function exists(opts, ctx) ctx.write(ctx.out, tostring(ctx.exists(opts[2]))) end
      local function copy(opts, ctx) ctx.copy(opts[2], ctx.out) end
      local function through(opts, ctx) ctx.symlink(opts[2], "link") ctx.copy("link", ctx.out) end
      try("middle", read, paths.middle)
      try("base", read, paths.base)
      try("read", read, paths.stranger)
      try("copy", copy, paths.stranger)
      try("exists", exists, paths.stranger)
      try("missing", exists, objects .. "/none-012345678")
      try("link", through, paths.stranger)
      try("store", list, objects)
      try("dots", list, objects .. "/x/..")
    ]])
    assert.equal(0, result.code, result.stderr)
    local lines = result.stdout:gsub("(%-)%x%x%x%x%x%x%x%x%x%f[%X]", "%1HASH")
    local refused = ": cannot build one: the build does not depend on OBJ/%s\n"
    assert.equal(
      "middle: ok\nbase: ok\n"
        .. "read"
        .. refused:format("stranger-HASH")
        .. "copy"
        .. refused:format("stranger-HASH")
        .. "exists"
        .. refused:format("stranger-HASH")
        .. "missing"
        .. refused:format("none-HASH")
        .. "link: cannot build one: link leads elsewhere through a link: the build does not depend "
        .. "on OBJ/stranger-HASH\nstore"
        .. refused:format(""):gsub("OBJ/\n", "OBJ\n")
        .. "dots"
        .. refused:format(""):gsub("OBJ/\n", "OBJ\n"),
      lines
    )
  end)

  it("names the file that is missing or in the way, as the config does", function()
    local itself = ": a file or tree cannot become part of itself"
    expect({
      read = { 'ctx.read("none")', "cannot read none: No such file or directory" },
      ["read a directory"] = { 'ctx.mkdir("d") ctx.read("d")', "cannot read d: Is a directory" },
      list = { 'ctx.list("none")', "cannot list none: No such file or directory" },
      ["list a file"] = { 'ctx.write("f", "") ctx.list("f")', "cannot list f: Not a directory" },
      copy = { 'ctx.copy("none", "a")', "cannot copy none: there is no such file or directory" },
      ["copy into itself"] = {
        'ctx.mkdir("a") ctx.copy("a", "a/b")',
        "cannot copy a to a/b" .. itself,
      },
      ["copy into itself through a link"] = {
        'ctx.mkdir("a") ctx.symlink("a", "l") ctx.copy("a", "l/b")',
        "cannot copy a to l/b" .. itself,
      },
      ["copy onto itself"] = {
        'ctx.write("a", "") ctx.copy("a", "a")',
        "cannot copy a to a" .. itself,
      },
      ["copy a file to a directory"] = {
        'ctx.write("a", "") ctx.mkdir("d") ctx.copy("a", "d")',
        "cannot copy a to d: there is a directory: name the file in it",
      },
      move = { 'ctx.move("none", "a")', "cannot move none: there is no such file or directory" },
      ["move into itself"] = {
        'ctx.mkdir("a") ctx.move("a", "a/b")',
        "cannot move a to a/b" .. itself,
      },
      ["move onto a directory"] = {
        'ctx.mkdir("a") ctx.mkdir("b/c") ctx.move("a", "b")',
        "cannot move a to b: there is a directory that is not empty",
      },
      symlink = {
        'ctx.write("a", "") ctx.symlink("x", "a")',
        "cannot create the link a: File exists",
      },
      write = { 'ctx.mkdir("d") ctx.write("d", "")', "cannot write d: Is a directory" },
      chmod = {
        'ctx.chmod("none", "755")',
        "cannot change the mode of none: No such file or directory",
      },
    })
  end)

  it("refuses arguments that make no sense", function()
    local octal = 'write them in octal as a string, such as "755"'
    expect({
      ["no path"] = { "ctx.read()", "`path` in ctx.read: expected a path, got nil" },
      ["an empty path"] = {
        'ctx.mkdir("")',
        "`path` in ctx.mkdir: expected a path, got an empty string",
      },
      ["a NUL byte"] = {
        'ctx.write("a\\0b", "")',
        "`path` in ctx.write: expected a path, got a NUL byte",
      },
      ["no text"] = { 'ctx.write("a", 5)', "`text` in ctx.write: expected a string, got a number" },
      ["a word as mode"] = {
        'ctx.chmod("a", "u+x")',
        "`mode` in ctx.chmod: expected permission bits, got u+x",
        octal,
      },
      ["decimal digits as mode"] = {
        'ctx.chmod("a", 755)',
        "`mode` in ctx.chmod: expected permission bits, got 755",
        octal,
      },
      ["setuid as mode"] = {
        'ctx.chmod("a", "4755")',
        "`mode` in ctx.chmod: expected permission bits, got 4755",
        octal,
      },
      ["an unknown call"] = {
        'ctx.rum("x")',
        "`ctx` has no call or field `rum`",
        "did you mean `run`?",
      },
      ["an unknown output"] = {
        "ctx.write(ctx.outputs.doc, '')",
        "the derivation has no output called `doc`",
      },
      ["no environment"] = {
        'ctx.env = 5 ctx.run("true")',
        "`ctx.env` is a number: expected a table of variables",
      },
      hostname = {
        "return ctx.sys.hostname",
        "`sys.hostname` is not the same on every machine: a build cannot ask for it",
        "pass it in: opts = { hostname = syslua.hostname }",
      },
      username = {
        "return ctx.sys.username",
        "`sys.username` is not the same on every machine: a build cannot ask for it",
        "pass it in: opts = { username = syslua.username }",
      },
    })
  end)

  it("takes modes in octal and as numbers", function()
    local result = here.script([[
      local path = syslua.build(syslua.derive({ name = "one", config = function(_, ctx)
        for name, mode in pairs({ a = "755", b = "0755", c = 0x1ED, d = "644", e = 0 }) do
          ctx.write(ctx.out .. "/" .. name, "")
          ctx.chmod(ctx.out .. "/" .. name, mode)
        end
      end })).out
      print(path)
    ]])
    local path = result.stdout:match("[^\n]+")
    assert.equal(
      "a 555\nb 555\nc 555\nd 444\ne 444\n",
      here.shell("cd " .. path .. " && stat -c '%n %a' *").stdout
    )
  end)

  it("cannot be used after the build has ended", function()
    -- A build that leaves it behind fails, in a variable as in a library.
    local result = here.script([[
      local kept = {}
      local function build(steal)
        local ok, caught = pcall(syslua.build,
          syslua.derive({ name = "two", config = function(_, ctx)
          ctx.write(ctx.out, "")
          steal(ctx)
        end }))
        local message = syslua.error(caught).message
        print(ok, message:match("changed"), message:match("`kept")
          or message:match("`string.stolen`"))
      end
      build(function(ctx)
        kept.ctx = ctx
      end)
      local ok, caught = pcall(kept.ctx.write, kept.ctx.out, "changed")
      print(ok, syslua.error(caught).message)
      build(function(ctx)
        string.stolen = ctx
      end)
      string.stolen = nil
    ]])
    assert.equal(
      "false\tchanged\t`kept\n"
        .. "false\t`ctx` was used after the build had ended\n"
        .. "false\tchanged\t`string.stolen`\n",
      result.stdout,
      result.stderr
    )
  end)

  it("has to make every output", function()
    here.write_config([[
      derive({ name = "one", outputs = { "out", "doc" }, config = function(_, ctx)
        ctx.write(ctx.out, "")
      end })
    ]])
    local result = here.run("build", "init.lua")
    assert.equal(1, result.code)
    contains(
      result.stderr,
      "the build did not create its output `doc` (",
      "\n  at init.lua:2\n",
      "hint: `ctx.out` and `ctx.outputs` say where outputs belong"
    )
    assert.equal(
      "",
      here
        .shell("ls root/store/obj root/store/staging root/store/b??").stdout
        :gsub("[^\n]*:\n", "")
        :gsub("\n", "")
    )
  end)

  it("has no such names as would lead elsewhere", function()
    for _, field in ipairs({ "name", "version", "outputs" }) do
      for name, why in pairs({
        ["a/b"] = "contains '/'",
        [".."] = "begins with a dot or a hyphen",
        ["a\nb"] = "contains '\\n'",
        ["a\0b"] = "contains '\\0'",
        [""] = "is empty",
      }) do
        local value = field == "outputs" and ("{ %q }"):format(name) or ("%q"):format(name)
        local result = here.script(([[
          local spec = { name = "one", config = function() end }
          spec.%s = %s
          local ok, caught = pcall(syslua.derive, spec)
          print(ok, syslua.error(caught).message)
        ]]):format(field, value))
        matches(result.stdout, "^false")
        contains(result.stdout, why)
      end
    end
  end)
end)

describe("output_sha256", function()
  local here
  -- Of a file that holds "x".
  local right = "2ca0b8ce996f865db37619bfe91023559305aad8158042fc6ddb0ef1d43c5b67"

  before_each(function()
    here = machine.new()
  end)

  after_each(function()
    here.remove()
  end)

  local function build(hash, config, more)
    here.write_config(
      (
        [[derive({ name = "one", output_sha256 = %q, %s config = function(_, ctx) ]]
        .. [[%s end })]]
      ):format(hash, more or "", config or 'ctx.write(ctx.out, "x")')
    )
    return here.run("build", "init.lua")
  end

  it("is what the result must be, in hexadecimal or SRI", function()
    for _, hash in ipairs({ right, "sha256-LKC4zplvhl2zdhm/6RAjVZMFqtgVgEL8bdsO8dQ8W2c=" }) do
      local result = build(hash)
      assert.equal(0, result.code, result.stderr)
      assert.equal("x", here.read(result.stdout:match("[^\n]+")))
    end
  end)

  it("names both hashes when it is wrong, and leaves nothing", function()
    local result = build(("0"):rep(64))
    assert.equal(1, result.code)
    contains(
      result.stderr,
      "\n    declared sha256 " .. ("0"):rep(64),
      "built    sha256 " .. right,
      "at init.lua:2"
    )
    assert.equal(
      "",
      here.shell(
        "ls root/store/obj root/store/drv-out root/store/staging root/store/b?? | "
          .. "grep -v : | grep ."
      ).stdout
    )
  end)

  it("is part of the recipe", function()
    local result = here.script(([[
      local function hash(sha256)
        return syslua.derive({ name = "one", output_sha256 = sha256, config = function() end }).hash
      end
      print(hash(nil) ~= hash(%q), hash(%q) == hash(%q), hash(%q) ~= hash(("0"):rep(64)))
    ]]):format(right, right, right, right))
    assert.equal("true\ttrue\ttrue\n", result.stdout, result.stderr)
  end)

  it("is refused when it is no hash, or there are other outputs", function()
    local result = build("abc")
    contains(result.stderr, "`output_sha256`: `abc` is not a SHA-256")
    result = build(right, nil, 'outputs = { "out", "doc" },')
    contains(result.stderr, "`output_sha256` is the hash of the output `out`")
  end)

  it("opens the network to programs, and nothing else", function()
    local result = build(
      "b81ed80e6104ac81b4ba9c9e1e0af4e95de3d1ec6e17a7a1ee3cf1bbf9a5ed0d",
      [[ctx.run("python3 -c 'import socket; socket.socket().bind((\"127.0.0.1\", 0))' && ! cat ]]
        .. here.home
        .. [[/x 2>/dev/null && touch $out")]]
    )
    assert.equal(1, result.code)
    contains(result.stderr, "another content than declared")
  end)
end)
