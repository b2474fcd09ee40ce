--- Redirects, logins and exceptions from proxies as curl takes them: random ones, side by side.

local contains_none = require("spec.support.text_checks").contains_none
local daemon = require("spec.support.daemon")
local interpreter = require("spec.support.interpreter")
local machine = require("spec.support.machine")
local tree = require("spec.support.tree")

if interpreter.name ~= "lua5.4" then
  return
end

-- `SYSLUA_SWEEP=all` tries more; another seed finds others: SYSLUA_SEED.
local count = os.getenv("SYSLUA_SWEEP") and 1000 or 60
local few = os.getenv("SYSLUA_SWEEP") and 200 or 12
local seed = os.getenv("SYSLUA_SEED") or "1"
local tool = "python3 " .. tree.root .. "spec/support/curl_server.py "

-- Fetches `/N/NAME` for each number in a list; prints what was asked for, as the server tells.
local script = [[
local port, name = arg[1], arg[2]
for number in arg[3]:gmatch("%d+") do
  local pipe = io.popen("printf 'content %s\n' " .. number .. " | sha256sum")
  local hash = pipe:read("*a"):match("%x+")
  pipe:close()
  local url = ("http://127.0.0.1:%s/%s/%s"):format(arg[4] or port, number, name)
  local built, problem = pcall(function()
    return syslua.build(syslua.derive({
      name = "fetched-" .. number,
      opts = { url = url, hash = hash },
      config = function(opts, ctx)
        ctx.copy(ctx.fetch_url(opts.url, opts.hash), ctx.out)
      end,
    })).out
  end)
  pipe = io.popen("curl -q -s --noproxy '*' http://127.0.0.1:" .. port .. "/asked")
  local asked = pipe:read("*a")
  pipe:close()
  print(number .. "\t" .. (built and asked or "FAILED") .. "\t"
    .. (tostring(problem):gsub("%s+", " ")))
end
]]

describe("as curl does it, #once", function()
  local here, server, port

  setup(function()
    here = machine.new()
    here.environment.SYSLUA_DOWNLOAD_RETRIES = "0"
    server = daemon.start({
      "python3",
      "-u",
      tree.root .. "spec/support/curl_server.py",
      "serve",
      seed,
      tostring(count),
    })
    port = server.wait_for("(%d+)\n")
  end)

  teardown(function()
    server.stop()
    here.remove()
  end)

  it("redirects are followed", function()
    local theirs = here.shell(tool .. ("curl %s %s %d"):format(port, seed, count))
    assert.equal(0, theirs.code, theirs.stderr)
    local numbers = {}
    for number = 0, count - 1 do
      numbers[#numbers + 1] = tostring(number)
    end
    local ours = here.script(script, port, "start", table.concat(numbers, " "))
    assert.equal(0, ours.code, ours.stderr)
    local outcomes, followed = {}, 0
    for number, asked, problem in ours.stdout:gmatch("(%d+)\t([^\t]*)\t([^\n]*)\n") do
      outcomes[number] = { asked = asked, problem = problem }
    end
    for number, asked, header in theirs.stdout:gmatch("(%d+)\t([^\t]*)\t([^\n]*)\n") do
      local ours_of = outcomes[number] or {}
      local about = ("Location: %s (number %s of seed %s)\n%s"):format(
        header,
        number,
        seed,
        ours_of.problem
      )
      -- What curl refuses may be taken here, but not the other way round.
      if asked ~= "FAILED" then
        followed = followed + 1
        assert.equal(asked, ours_of.asked, about)
      end
      contains_none(ours_of.problem or "", "pass@")
    end
    assert.truthy(followed > count / 3, followed .. " were followed")
  end)

  it("logins of netrc files are sent", function()
    for number = 2001, 2000 + few do
      here.write("netrc", here.shell(tool .. ("netrc %s %d"):format(seed, number)).stdout)
      local url = ("http://127.0.0.1:%s/%d/file"):format(port, number)
      assert.equal(0, here.shell("curl -q -sS --netrc-file netrc " .. url).code)
      local asked = here.shell("curl -q -s http://127.0.0.1:" .. port .. "/asked").stdout
      here.environment.NETRC = here.directory .. "/netrc"
      local ours = here.script(script, port, "file", tostring(number)).stdout
      here.environment.NETRC = nil
      local about = ("number %d of seed %s: %s\n%s"):format(number, seed, ours, here.read("netrc"))
      assert.equal(asked, ours:match("^%d+\t([^\t]*)\t"), about)
    end
  end)

  it("the lists of no_proxy count", function()
    local by_proxy = 0
    for number = 1001, 1000 + few do
      local list = here.shell(tool .. ("no_proxy %s %d"):format(seed, number)).stdout
      local variables = { http_proxy = "http://127.0.0.1:" .. port, no_proxy = list }
      -- Nobody listens there: only the proxy has it.
      here.shell(("curl -q -sS -o /dev/null http://127.0.0.1:1/%d/file"):format(number), variables)
      local asked = here.shell("curl -q -s http://127.0.0.1:" .. port .. "/asked").stdout
      for name, value in pairs(variables) do
        here.environment[name] = value
      end
      local ours = here.script(script, port, "file", tostring(number), "1").stdout
      here.environment.http_proxy, here.environment.no_proxy = nil, nil
      by_proxy = by_proxy + (asked == "" and 0 or 1)
      local about = ("no_proxy=%s (number %d of seed %s): %s"):format(list, number, seed, ours)
      local found = ours:match("^%d+\t([^\t]*)\t")
      assert.equal(asked == "" and "FAILED" or asked, found, about)
    end
    assert.truthy(by_proxy > 0 and by_proxy < few, by_proxy .. " by the proxy")
  end)
end)
