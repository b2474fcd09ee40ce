--- Waits for the user to confirm a switch; a separate process undoes it otherwise. This room does
-- not know what the switch did.

local confirmation = {}

local bindings = require("syslua.bindings")
local failure = require("syslua.util.failure")
local terminal = require("syslua.cli.terminal")

-- The code of the process: it finds the module in the same place, whatever its environment says.
local watcher = [[package.path, package.cpath = %q, %q; require("syslua"); ]]
  .. [[require("syslua.cli.confirmation").run(%q, %q)]]

--- Starts the process that undoes the switch. It outlives this process, the terminal and the
-- session.
---@param result syslua.Applied
---@param options table
function confirmation.watch(result, options)
  local text = watcher:format(package.path, package.cpath, result.confirmation, result.root)
  local words = { "-e", text }
  local started, problem = bindings.spawn_interpreter(words)
  if not started then
    bindings.call("revert", result.confirmation, options)
    failure.raise({
      kind = "switch",
      message = "cannot start the process that waits for the confirmation: " .. tostring(problem),
      hint = "nothing was changed; apply without --confirm",
    })
  end
end

--- What the process does: it takes the switch back when its time is over.
---@param mark string which switch
---@param root string
function confirmation.run(mark, root)
  bindings.leave_session()
  io.stdout:write("ready\n")
  io.stdout:flush()
  local ok = pcall(bindings.call, "watch", mark, { root = root })
  os.exit(ok and 0 or 1)
end

--- Asks on a terminal whether the new state is to stay; elsewhere it says how to confirm.
---@param result syslua.Applied
---@param args syslua.cli.Args
---@param options table
---@return integer code
function confirmation.ask(result, args, options)
  local seconds = args.confirm
  if not (bindings.is_terminal(0) and bindings.is_terminal(1)) then
    terminal.write({
      ("Run `%s confirm` within %.0f s to keep the changes; otherwise they are undone."):format(
        args.program,
        seconds
      ),
    })
    return 0
  end
  terminal.put(("Keep the changes? They are undone in %.0f s. [y/N] "):format(seconds))
  terminal.flush()
  local answer = bindings.wait_for_input(seconds + 1) and io.read("*l") or nil
  if answer and answer:find("^[yY]") then
    bindings.call("confirm", options)
    terminal.write({ "Confirmed." })
    return 0
  end
  -- It may have been confirmed elsewhere in the meantime.
  local _, was_reverted = pcall(bindings.call, "revert", result.confirmation, options)
  local status = bindings.call("status", options)
  if status.snapshot.id == result.new_snapshot then
    terminal.write({ "", "Another process confirmed the changes." })
    return 0
  end
  local text = (answer or was_reverted == nil) and "Taken back."
    or "No answer: " .. "the changes are undone."
  terminal.write({ answer and text or "\n" .. text })
  return 1
end

return confirmation
