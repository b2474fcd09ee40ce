--- A machine with a root that an earlier version made: see `spec/fixtures/`. Its paths are
-- absolute, so there is one at a time.

local machine = require("spec.support.machine")
local process = require("spec.support.process")

local older_root = {}

-- Waits for another run of the specs. What one left that was killed is removed.
local take_place = [[
i=0
until mkdir %s 2>/dev/null; do
  if [ -n "$(find %s -maxdepth 0 -user "$(id -un)" -mmin +5)" ]; then chmod -R u+rwX %s
  rm -rf %s; fi
  i=$((i + 1)); [ $i -lt 600 ] || { echo "%s is in use: remove it" >&2; exit 1; }
  sleep 0.1
done
]]

-- A journal knows files by their inodes, which are others now.
local function give_new_inodes(here)
  local journal = here.read("root/store/metadata/journal")
  if not journal then
    return
  end
  local places, inodes = {}, {}
  for inode, path in here.read("inodes"):gmatch("(%d+) ([^\n]+)\n") do
    places[inode] = path
  end
  for inode, path in
    here.shell("find home root -printf '%i %p\\n'").stdout:gmatch("(%d+) ([^\n]+)\n")
  do
    inodes[path] = inode
  end
  journal = journal:gsub('"inode":(%d+)', function(inode)
    -- One that is not there any more has a number that nothing has.
    return '"inode":' .. (inodes[places[inode] or ""] or "1")
  end)
  here.write("root/store/metadata/journal", journal)
end

--- Unpacks one.
---@param commit string the commit that made it
---@param name string the archive
---@return spec.Machine
function older_root.new(commit, name)
  local archive = ("spec/fixtures/root-%s/%s.tar.xz"):format(commit, name)
  local directory = "/tmp/syslua-" .. commit
  local taken = process.run_line((take_place:gsub("%%s", directory)))
  assert(taken.code == 0, taken.stderr)
  local here = machine.new(directory)
  local words = "xz -dc %s | tar -x -p --xattrs --xattrs-include='user.*' -C %s"
  local unpacked = process.run_line(words:format(archive, directory))
  assert(unpacked.code == 0, unpacked.stderr)
  give_new_inodes(here)

  --- Returns what a home has: kinds, modes, where links lead, and hashes of contents.
  function here.describe(home)
    local line = "find . -printf '%y %m %p %l\\n' | LC_ALL=C sort -k 3;"
      .. " find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum"
    return process.run_line(line, { directory = directory .. "/" .. home }).stdout
  end

  return here
end

return older_root
