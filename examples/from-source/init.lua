-- Building from source: a C library out of a git repository, and what others do with it.
--
-- The files of the repository are in `repository/` beside this file. To create it, as its author
-- did elsewhere:
--
--   sh examples/from-source/make-repository /tmp/counting.git
--
-- and then:
--
--   lua -l syslua apply examples/from-source . ~/.local/share/syslua/env.sh tally "how many words"
--   "are these"
--
-- The compiler is the system's (`apt install gcc make libc6-dev`): a build sees `/usr`, but neither
-- your home nor the network.

-- The file `release.lua`: what changes from one release to the next.
local release = require("release")

return {
  setup = function()
    -- Fetches, compiles, checks and installs. `make` gets a copy: what was fetched is read-only,
    -- and shared.
    local counting = derive({
      name = "counting",
      version = release.version,
      opts = release,
      config = function(opts, ctx)
        ctx.copy(ctx.fetch_git(opts.url, opts.rev, opts.sha256), "counting")
        ctx.run({ "make", "-j2" }, { cwd = "counting" })
        local counted = ctx.run("./count", { cwd = "counting", stdin = "three small words\n" })
        if counted ~= "3 three small words\n" then
          error("the program cannot count: " .. counted)
        end
        ctx.run({ "make", "install", "PREFIX=" .. ctx.out }, { cwd = "counting" })
      end,
    })

    -- Uses its program during the build: a build dependency, which the result does not contain.
    local poem = derive({
      name = "poem",
      opts = { counting = counting },
      config = function(opts, ctx)
        ctx.env.PATH = opts.counting.out .. "/bin:" .. ctx.env.PATH
        local lines = "Roses are red\nviolets are blue\n"
        ctx.write(ctx.out .. "/share/poem", ctx.run("count | sort -n", { stdin = lines }))
      end,
    })

    -- Is linked with its shared library. The path of the library is in the program (`rpath`), so
    -- that it is found wherever the program runs, and is kept as long as the program is.
    local tally = derive({
      name = "tally",
      opts = { counting = counting, main = source("tally.c") },
      config = function(opts, ctx)
        local prefix = opts.counting.out
        ctx.mkdir(ctx.out .. "/bin")
        ctx.run({
          "cc",
          "-O2",
          "-I" .. prefix .. "/include",
          "-o",
          ctx.out .. "/bin/tally",
          opts.main,
          "-L" .. prefix .. "/lib",
          "-Wl,-rpath," .. prefix .. "/lib",
          "-lcount",
        })
      end,
    })

    activate({
      config = function(_, ctx)
        ctx.add_to_path(tally.out .. "/bin")
        ctx.symlink(poem.out .. "/share/poem", "~/poem.txt")
      end,
    })
  end,
}
