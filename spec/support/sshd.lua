--- An ssh server on this machine, for the user who runs the specs, with keys that are made for it.

local daemon = require("spec.support.daemon")
local process = require("spec.support.process")

local sshd = {}

local prepare = [[
set -e
mkdir -p ssh && cd ssh
ssh-keygen -q -t ed25519 -N '' -f host
ssh-keygen -q -t ed25519 -N '' -f user
cp user.pub authorized
echo "[127.0.0.1]:%s $(cut -d' ' -f1,2 host.pub)" >known
cat >config <<END
Port %s
ListenAddress 127.0.0.1
HostKey $PWD/host
AuthorizedKeysFile $PWD/authorized
PidFile $PWD/pid
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AcceptEnv GIT_PROTOCOL
Subsystem sftp internal-sftp
%s
END
]]

---@class spec.Sshd
---@field port string
---@field command string the ssh that logs in there, as `core.sshCommand` has it
---@field user string
---@field stop fun()

--- Starts it; its files are below a directory.
---@param directory string
---@param extra string? more lines of its configuration
---@return spec.Sshd
function sshd.start(directory, extra)
  local port = daemon.find_ports(1)[1]
  local made = process.run_line(prepare:format(port, port, extra or ""), { directory = directory })
  assert(made.code == 0, made.stderr)
  local server = daemon.start({ "/usr/sbin/sshd", "-D", "-e", "-f", directory .. "/ssh/config" })
  daemon.wait_for_port(port)
  local user = process.run({ "id", "-un" }).stdout:gsub("\n", "")
  local options = (
    "-F none -i %s/ssh/user -o UserKnownHostsFile=%s/ssh/known -o " .. "IdentitiesOnly=yes"
  ):format(directory, directory)
  return { port = port, user = user, command = "ssh " .. options, stop = server.stop }
end

return sshd
