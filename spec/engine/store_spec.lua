--- What becomes of a build: objects that work where they are, are shared, and look the same on
-- every machine.

local machine = require("spec.support.machine")
local ordered_pairs = require("syslua.util.ordered_pairs")
local process = require("spec.support.process")
local text_checks = require("spec.support.text_checks")

local contains, contains_none, matches =
  text_checks.contains, text_checks.contains_none, text_checks.matches

local it_with_nix = process.has("nix-hash") and it or pending
local it_with_cc = process.has("cc") and it or pending
local can_trace = process.has("strace")
  and process.run_line("strace -f -o /dev/null true").code == 0
local it_with_strace = can_trace and it or pending

describe("the store #once", function()
  local here = machine.for_each_test()

  -- Builds what a script makes with `build(spec, options)`; returns what it printed.
  local function run(text)
    local result = here.script([[
      local function build(spec, options)
        return syslua.build(syslua.derive(spec), options)
      end
    ]] .. text)
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
    return result.stdout
  end

  -- Builds one derivation whose `config` has these lines; returns the paths of its outputs, in
  -- order.
  local function build(lines, outputs, options)
    local stdout = run(([[
      local outputs = { %s }
      local paths = build({ name = "one", outputs = outputs, config = function(opts, ctx)
        %s
      end }, %s)
      for _, output in ipairs(outputs) do
        print(paths[output])
      end
    ]]):format(outputs or '"out"', lines, options or "nil"))
    local paths = {}
    for path in stdout:gmatch("[^\n]+") do
      paths[#paths + 1] = path
    end
    return (table.unpack or unpack)(paths)
  end

  -- Expects that a build fails and leaves the store as it was, but for its log.
  local function fail(lines, outputs)
    run([[build({ name = "other", config = function(_, ctx) ctx.write(ctx.out, "other") end })]])
    local function list()
      return here.shell(
        [[cd root && find . \( \( -name log -o -name locks \) -prune -o -name '*.drv' \) -o ]]
          .. [[-print | sort]]
      ).stdout
    end
    local before = list()
    local result = here.script(([[
      syslua.build(syslua.derive({ name = "one", outputs = { %s }, config = function(opts, ctx)
        %s
      end }))
    ]]):format(outputs or '"out"', lines))
    assert.not_equal(0, result.code)
    assert.equal(before, list())
    matches(result.stderr, "script.lua:[234]")
    return result.stderr
  end

  local function expect_sound()
    local result = here.run("verify")
    assert.equal(0, result.code, result.stdout .. result.stderr)
  end

  local function get_info(path)
    return here.read("root/store/info/" .. path:match("[^/]+$") .. ".json")
  end

  local function is_here(text, whole)
    contains(whole, text)
  end

  describe("lets an object refer to itself:", function()
    it("a script by its own path", function()
      local path = build([[
        ctx.write(ctx.out .. "/lib/text", "found\n")
        ctx.write(ctx.out .. "/bin/inner", "#!/bin/sh\ncat " .. ctx.out .. "/lib/text\n")
        ctx.write(ctx.out .. "/bin/outer", "#!" .. ctx.out .. "/bin/shell\nexec " .. ctx.out
          .. "/bin/inner\n")
        ctx.run("cp /bin/sh $out/bin/shell; chmod 755 $out/bin/*")
      ]])
      local result = process.run({ path .. "/bin/outer" })
      assert.equal("found\n", result.stdout, result.stderr)
      is_here(path:match("[^/]+$"), get_info(path))
      expect_sound()
    end)

    it("a link by its own path, and a name that holds it", function()
      local path = build([[
        ctx.write(ctx.out .. "/deep/text", "found\n")
        ctx.run("ln -s $out/deep $out/link")
        ctx.run("n=$(basename $out); mkdir -p $out/d/$n/$n; echo x > $out/d/$n/$n/f-$n")
      ]])
      assert.equal("found\n", here.read(path .. "/link/text"))
      assert.equal(path .. "/deep", here.read_link(path .. "/link"))
      local name = path:match("[^/]+$")
      assert.equal("x\n", here.read(("%s/d/%s/%s/f-%s"):format(path, name, name, name)))
      expect_sound()
    end)

    it_with_cc("a program that loads a library of its own", function()
      local path = build([[
        ctx.write("say.c", '#include <stdio.h>\nvoid say(void) { puts("from the library"); }\n')
        ctx.write("main.c", 'void say(void);\nint main(void) { say(); return 0; }\n')
        ctx.mkdir(ctx.out .. "/lib")
        ctx.mkdir(ctx.out .. "/bin")
        ctx.run("cc -shared -fPIC -o $out/lib/libsay.so say.c")
        ctx.run("cc -o $out/bin/main main.c -L$out/lib -lsay -Wl,-rpath,$out/lib")
      ]])
      local result = process.run({ path .. "/bin/main" })
      assert.equal("from the library\n", result.stdout, result.stderr)
      expect_sound()
    end)

    it("wherever in a large file its name is", function()
      local path = build([[
        ctx.run("head -c 2097152 /dev/zero | tr '\\0' x > $out")
        for place = 1, 16 do
          ctx.run("printf %s $out | dd of=$out bs=1 conv=notrunc status=none seek="
            .. place * 131072 - 7 * place)
        end
      ]])
      local text = here.read(path)
      for place = 1, 16 do
        local from = place * 131072 - 7 * place
        assert.equal(path, text:sub(from + 1, from + #path))
      end
      is_here('"references": [\n    "' .. path:match("[^/]+$") .. '"\n  ]', get_info(path))
      expect_sound()
    end)

    it("under one name, whichever recipe built it", function()
      local stdout = run([[
        for index = 1, 2 do
          print(build({
            name = "one",
            opts = { index },
            config = function(_, ctx) ctx.write(ctx.out .. "/text", ctx.out) end,
          }).out)
        end
      ]])
      local first, second = stdout:match("^(.-)\n(.-)\n$")
      assert.equal(first, second)
      assert.equal(first, here.read(first .. "/text"))
    end)
  end)

  describe("lets the outputs of a derivation", function()
    it("refer to one another", function()
      local out, dev, doc = build(
        [[
          ctx.write(ctx.outputs.dev .. "/header", "header\n")
          ctx.write(ctx.outputs.doc .. "/text", "see " .. ctx.outputs.dev .. "/header and "
            .. ctx.outputs.doc)
          ctx.write(ctx.out .. "/paths", ctx.outputs.dev .. "\n" .. ctx.outputs.doc .. "\n"
            .. ctx.out .. "\n")
          ctx.symlink(ctx.outputs.dev .. "/header", ctx.out .. "/header")
        ]],
        '"out", "dev", "doc"'
      )
      assert.equal(("%s\n%s\n%s\n"):format(dev, doc, out), here.read(out .. "/paths"))
      assert.equal("header\n", here.read(out .. "/header"))
      assert.equal(("see %s/header and %s"):format(dev, doc), here.read(doc .. "/text"))
      for _, path in ipairs({ out, dev, doc }) do
        is_here(path:match("[^/]+$"), get_info(out))
      end
      is_here('"references": []', get_info(dev))
      expect_sound()
    end)

    it("not refer to each other in a circle, and names two files", function()
      local message = fail(
        [[
          ctx.write(ctx.out .. "/share/to-dev", ctx.outputs.dev)
          ctx.write(ctx.outputs.dev .. "/lib/to-out", ctx.out)
        ]],
        '"out", "dev"'
      )
      for _, text in ipairs({ "`out`", "`dev`", "/share/to-dev", "/lib/to-out" }) do
        is_here(text, message)
      end
    end)

    it("not refer to each other in a larger circle", function()
      local message = fail(
        [[
          ctx.write(ctx.out .. "/to-dev", ctx.outputs.dev)
          ctx.write(ctx.outputs.dev .. "/to-doc", ctx.outputs.doc)
          ctx.symlink(ctx.out .. "/to-dev", ctx.outputs.doc .. "/to-out")
        ]],
        '"out", "dev", "doc"'
      )
      local _, files = message:gsub("/to%-%l+", "")
      assert.is_true(files >= 2, message)
    end)
  end)

  describe("shares", function()
    it("one object between recipes with equal content, built at once", function()
      here.write_config([[
        for index = 1, 24 do
          derive({
            name = "same",
            opts = { index },
            config = function(_, ctx)
              ctx.run("mkdir $out; sleep 0.1; echo content > $out/text; ln -s $out/text $out/link")
            end,
          })
        end
      ]])
      local result = here.run("apply", "init.lua")
      assert.equal(0, result.code, result.stderr)
      assert.equal(
        "1 1 24\n",
        here.shell("cd root/store; for d in obj info drv; do ls $d | wc -l; done | xargs").stdout
      )
      assert.equal("", here.shell("ls -A root/store/staging").stdout)
      expect_sound()
    end)

    it("nothing between content of different names, versions or modes", function()
      local stdout = run([[
        for _, spec in ipairs({
          { name = "one" },
          { name = "two" },
          { name = "one", version = "1" },
          { name = "one", opts = { mode = "755" } },
        }) do
          spec.config = function(opts, ctx)
            ctx.write(ctx.out, "same")
            ctx.chmod(ctx.out, opts and opts.mode or "644")
          end
          print(build(spec).out)
        end
      ]])
      local seen, count = {}, 0
      for path in stdout:gmatch("[^\n]+") do
        count = count + (seen[path] and 0 or 1)
        seen[path] = true
      end
      assert.equal(4, count)
    end)
  end)

  describe("builds nothing above a dependency whose content stayed the same:", function()
    -- How the second derivation names the first.
    local ways = {
      ["a handle in opts"] = "opts = { d = d },",
      ["a path in a string of opts"] = 'opts = { "-I" .. d.out },',
      ["a captured handle"] = "",
      ["a captured string"] = "",
      ["a dependency of a dependency"] = "opts = { e },",
    }
    local captured = {
      ["a captured handle"] = "local x = d",
      ["a captured string"] = 'local x = "-I" .. d.out',
    }
    local function write(number, way)
      here.write_config(([[
        local d = derive({
          name = "d",
          opts = { number = %d },
          config = function(_, ctx) ctx.write(ctx.out .. "/text", "equal\n") end,
        })
        local e = derive({
          name = "e",
          opts = { d },
          config = function(opts, ctx)
            ctx.run("echo marker-e >&2; cp " .. opts[1].out .. "/text $out")
          end,
        })
        %s
        derive({
          name = "top",
          %s
          config = function(_, ctx)
            ctx.run("echo marker-top >&2; echo top > $out")
            return x
          end,
        })
      ]]):format(number, captured[way] or "local x = 1", ways[way]))
      local result = here.shell(
        "strace -f -qq -s 1000 -e trace=execve -o trace $LUA -l syslua apply init.lua && cat trace"
      )
      assert.equal(0, result.code, result.stdout .. result.stderr)
      return result.stdout
    end
    for way in ordered_pairs(ways) do
      it_with_strace(way, function()
        local trace = write(1, way)
        is_here("marker-top", trace)
        is_here("marker-e", trace)
        trace = write(2, way)
        is_here("execve(", trace)
        contains_none(trace, "marker")
        assert.equal("3\n", here.shell("ls root/store/obj | wc -l").stdout)
      end)
    end

    it("but what is above one whose content changed", function()
      local text = [[
        local d = syslua.derive({
          name = "d",
          config = function(_, ctx) ctx.write(ctx.out, "%s") end,
        })
        local path = build({
          name = "e",
          opts = { d },
          config = function(opts, ctx) ctx.copy(opts[1].out, ctx.out) end,
        }).out
        io.write(io.open(path):read("*a"))
      ]]
      assert.equal("a", run(text:format("a")))
      assert.equal("b", run(text:format("b")))
      assert.equal("a", run(text:format("a")))
    end)
  end)

  describe("makes the same of", function()
    it("every mode and time", function()
      -- The sandbox refuses special modes.
      local path = build(
        [[
        ctx.run("umask 0; mkdir -p $out/d/e")
        for mode in ("400 444 600 640 644 666 700 711 755 777 4755 2755 6711 1644"):gmatch("%d+") do
          ctx.run(("echo x > $out/d/%s; chmod %s $out/d/%s"):format(mode, mode, mode))
        end
        ctx.run("chmod 2777 $out/d; chmod 1700 $out/d/e; chmod 755 $out")
        ctx.run("touch -d 2001-02-03 $out/d/644; ln -s nowhere $out/link")
      ]],
        nil,
        '{ sandbox = "off" }'
      )
      local lines = here.shell(
        ("find %s ! -type l -printf '%%y %%m %%T@ %%P\\n' | sort -k 4"):format(process.quote(path))
      ).stdout
      for line in lines:gmatch("[^\n]+") do
        local kind, mode, time, name = line:match("^(%S+) (%S+) (%S+) (.*)$")
        local given = name:match("%d+$")
        local is_program = kind == "d" or given:find("[1357]%d%d$") ~= nil
        assert.equal(is_program and "555" or "444", mode, line)
        assert.equal(1, tonumber(time), line)
      end
      local link = here.shell(("stat -c '%%Y' %s/link"):format(process.quote(path))).stdout
      assert.equal("1\n", link)
      expect_sound()
    end)

    it("what its owner may not read", function()
      local path = build([[
        ctx.run("mkdir -p $out/closed/inner; echo $out > $out/closed/inner/none; "
          .. "echo x > $out/closed/program")
        ctx.run("chmod 0 $out/closed/inner/none $out/closed/inner; "
          .. "chmod 111 $out/closed/program $out/closed")
      ]])
      assert.equal(path .. "\n", here.read(path .. "/closed/inner/none"))
      local stat = here.shell(("stat -c %%a %s/closed/*"):format(process.quote(path))).stdout
      assert.equal("555\n555\n", stat)
      expect_sound()
    end)

    it("what its owner may not write", function()
      local path = build([[
        ctx.run("mkdir -p $out/fixed; echo $out > $out/fixed/text; "
          .. "ln $out/fixed/text $out/fixed/other")
        ctx.run("ln -s $out/fixed $out/fixed/$(basename $out); chmod 444 $out/fixed/text")
        ctx.run("chmod 555 $out/fixed $out")
      ]])
      assert.equal(path .. "\n", here.read(path .. "/fixed/text"))
      assert.equal(path .. "\n", here.read(path .. "/fixed/" .. path:match("[^/]+$") .. "/other"))
      expect_sound()
    end)

    it("files with several names", function()
      local path = build([[
        ctx.run("mkdir $out; echo $out > $out/a; ln $out/a $out/b; echo kept > scratch")
        -- In a jail, the build directory and the outputs are mounts of their own.
        ctx.run("chmod 755 scratch; ln scratch $out/c 2>/dev/null || cp scratch $out/c")
        ctx.run("ln $out/c $out/d; ln scratch e")
      ]])
      local stat = here.shell(("stat -c '%%h %%a' %s/*"):format(process.quote(path))).stdout
      assert.equal("1 444\n1 444\n1 555\n1 555\n", stat)
      assert.equal(path .. "\n", here.read(path .. "/a"))
      assert.equal(path .. "\n", here.read(path .. "/b"))
      assert.equal("kept\n", here.read(path .. "/c"))
      expect_sound()
    end)

    it_with_nix("sparse files, odd names and files of every size", function()
      local path = build([[
        ctx.run("mkdir $out; truncate -s 3000001 $out/sparse")
        for _, size in ipairs({ 0, 1, 7, 8, 9, 4095, 4096, 4097, 131071, 131072, 131073 }) do
          ctx.write(ctx.out .. "/" .. size, ("y"):rep(size))
        end
        for _, name in ipairs({ "latin-\233", "two\nlines", " ", "-d", '"', "A", "a" }) do
          ctx.write(ctx.out .. "/" .. name, name)
        end
        ctx.symlink("\255", ctx.out .. "/link")
      ]])
      local result = here.shell("nix-hash --type sha256 " .. process.quote(path))
      assert.equal(result.stdout, get_info(path):match('"nar": *"(%x+)"') .. "\n")
      for _, name in ipairs({ "latin-\233", "two\nlines", "A", "a" }) do
        assert.equal(name, here.read(path .. "/" .. name))
      end
      assert.equal("\255", here.read_link(path .. "/link"))
      expect_sound()
    end)
  end)

  describe("refuses, and keeps nothing but the log of,", function()
    local cases = {
      ["a named pipe"] = { 'ctx.run("mkdir $out; mkfifo $out/pipe")', "/pipe", "named pipe" },
      ["a socket"] = {
        [[ctx.run("mkdir $out; cd $out; python3 -c 'import os; os.mknod(\"socket\", 0o140600)'")]],
        "/socket",
      },
      ["an output that was not made"] = { 'ctx.write("x", "y")', "`out`" },
      ["one good output and one that is missing"] = {
        'ctx.write(ctx.out, "y")',
        "`zzz`",
        outputs = '"out", "zzz"',
      },
      ["the directory that it was built in"] = {
        'ctx.run("mkdir $out; dirname $out > $out/note")',
        "/note contains `store/b",
        "the build directory",
      },
      ["a link to the directory that it was built in"] = {
        'ctx.run("mkdir $out; ln -s $(dirname $out)/other $out/link")',
        "/link contains `store/b",
      },
      ["one good output and one with a named pipe"] = {
        'ctx.write(ctx.out, "y"); ctx.run("mkfifo $zzz")',
        "named pipe",
        outputs = '"out", "zzz"',
      },
      ["one good output and one with a placeholder"] = {
        'ctx.write(ctx.out, "y"); ctx.run("printf /syslua-placeholder/%040d 7 > $zzz")',
        "placeholder",
        outputs = '"out", "zzz"',
      },
      ["a build that closed its directories"] = {
        [[ctx.run("mkdir -p $out/a/b d; touch $out/a/b/c d/x")
        ctx.run("chmod 0 $out/a/b; chmod 555 $out/a; chmod 0 d; exit 5")]],
        "exit code 5",
      },
    }
    for name, case in ordered_pairs(cases) do
      it(name, function()
        local message = fail(case[1], case.outputs)
        for index = 2, #case do
          is_here(case[index], message)
        end
      end)
    end
  end)

  it("makes two processes that want one derivation build it once", function()
    here.write(
      "twice.lua",
      [[
        local syslua = require("syslua")
        local started, waited = 0, 0
        local one = syslua.derive({
          name = "one",
          config = function(_, ctx)
            ctx.run("echo run >&2; sleep 1; date +%s%N > $out")
          end,
        })
        local path = syslua.build(one, { on_event = function(event)
          started = started + (event.kind == "build_started" and 1 or 0)
          waited = waited + (event.kind == "waiting" and 1 or 0)
        end }).out
        print(path, started, waited > 0)
      ]]
    )
    local result = here.shell("for n in 1 2 3; do $LUA twice.lua >$n & done; wait; cat 1 2 3")
    assert.equal("", result.stderr)
    local paths, built, waiting = {}, 0, 0
    for path, started, waited in result.stdout:gmatch("(%S+)\t(%d)\t(%a+)\n") do
      paths[#paths + 1] = path
      built = built + tonumber(started)
      waiting = waiting + (waited == "true" and 1 or 0)
    end
    assert.equal(3, #paths, result.stdout)
    assert.is_true(paths[1] == paths[2] and paths[2] == paths[3], result.stdout)
    assert.equal(1, built, result.stdout)
    assert.equal(2, waiting, result.stdout)
    assert.equal("1\n", here.shell("ls root/store/obj | wc -l").stdout)
    assert.equal("1\n", here.shell("cat root/store/log/* | grep -c '^run$'").stdout)
    assert.equal("", here.shell("ls -A root/store/staging").stdout)
  end)

  describe("hashes as Nix does", function()
    -- The same trees on every machine and every Lua; the products stay below 2^53.
    local state = 20260
    local function random(most)
      state = state * 16807 % 2147483647
      return state % most + 1
    end

    local letters = "abcAB09-._ ~\"'$\\\n\128\200\255"
    local function random_name()
      local bytes = {}
      for index = 1, random(9) == 1 and 60 or random(5) do
        local place = random(#letters)
        bytes[index] = letters:sub(place, place)
      end
      local name = table.concat(bytes)
      return (name == "." or name == "..") and "dots" or name
    end

    local function random_text()
      local size = ({ 0, 1, 7, 8, 9, 31, 64, 1000, 4096, 70000 })[random(10)]
      local piece = string.char(random(256) - 1, random(256) - 1, random(256) - 1)
      return (piece:rep(math.floor(size / 3) + 1):sub(1, size))
    end

    -- Adds what a tree needs: directories, links, texts of files, and which of these are programs.
    local function add_tree(path, depth, made)
      local kind = random(depth == 0 and 10 or 12)
      if depth == 0 and kind > 1 or depth > 0 and depth < 5 and kind > 10 then
        made.directories[#made.directories + 1] = process.quote(path)
        local seen = {}
        for _ = 1, random(6) do
          local name = random_name()
          if not seen[name] then
            seen[name] = true
            add_tree(path .. "/" .. name, depth + 1, made)
          end
        end
      elseif kind == 8 and depth > 0 then
        local names = { process.quote(random_name()), process.quote(path) }
        made.links[#made.links + 1] = "ln -s -- " .. table.concat(names, " ")
      else
        made.texts[path] = random_text()
        if kind < 4 then
          made.programs[#made.programs + 1] = process.quote(path)
        end
      end
    end

    it_with_nix("on 200 random trees", function()
      local made = { directories = {}, links = {}, texts = {}, programs = {} }
      for index = 1, 200 do
        add_tree(("%s/tree-%d"):format(here.directory, index), 0, made)
      end
      local function make(lines)
        here.write("make.sh", lines)
        assert.equal("", here.shell("sh -e make.sh").stderr)
      end
      make("mkdir -p -- " .. table.concat(made.directories, " "))
      make(table.concat(made.links, "\n"))
      for path, text in pairs(made.texts) do
        here.write(path, text)
      end
      make("chmod 755 -- " .. table.concat(made.programs, " "))
      here.write_config([[
        for index = 1, 200 do
          local tree = source("tree-" .. index)
          derive({
            name = "tree",
            version = tostring(index),
            opts = { tree = tree },
            config = function(opts, ctx) ctx.copy(opts.tree, ctx.out) end,
          })
        end
      ]])
      local stdout = run([[
        local manifest = syslua.evaluate("init.lua")
        syslua.apply(manifest)
        for _, derivation in ipairs(manifest.derivations) do
          print(derivation.version, syslua.build(derivation.hash).out)
        end
      ]])
      local words, recorded = {}, {}
      for version, path in stdout:gmatch("(%d+)\t(%S+)\n") do
        words[#words + 1] = ("tree-%s %s"):format(version, path)
        local nar = get_info(path):match('"nar": *"(%x+)"')
        recorded[#recorded + 1] = nar .. "\n" .. nar .. "\n"
      end
      assert.equal(200, #words)
      local result = here.shell("nix-hash --type sha256 " .. table.concat(words, " "))
      assert.equal(table.concat(recorded), result.stdout)
      expect_sound()
    end)
  end)
end)
