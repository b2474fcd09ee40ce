local progress = require("syslua.cli.progress")
local terminal = require("syslua.cli.terminal")

local function render(event, args, seen)
  return progress.render(event, seen or {}, args or {}, terminal.plain)
end

describe("cli.progress", function()
  it("tells what begins", function()
    local started = { kind = "build_started", name = "greet", version = "1.0" }
    assert.same({ "building greet 1.0" }, render(started))
    assert.same({}, render(started, { quiet = true }))
    assert.same({}, render(started, { json = true }))
  end)

  it("tells a download once", function()
    local seen = {}
    local event = { kind = "download", url = "http://x/y", bytes = 0 }
    assert.same({ "downloading http://x/y" }, render(event, {}, seen))
    assert.same({}, render(event, {}, seen))
  end)

  it("tells who holds a lock", function()
    assert.same(
      { "waiting for process 12, which holds switch.lock" },
      render({ kind = "waiting", lock = "switch.lock", pid = 12 })
    )
  end)

  it("warns even when quiet", function()
    assert.same(
      { "warning: careful" },
      render({ kind = "warning", message = "careful" }, { quiet = true })
    )
  end)

  it("leaves out what it does not know", function()
    assert.same({}, render({ kind = "new_in_some_later_version" }))
  end)
end)
