---@meta syslua

-- What `require("syslua")` gives, for editors and checkers. The engine defines it in Rust, or it is
-- loaded from `lua/syslua` on first use; what those files annotate themselves is not repeated here.
-- It has over 600 lines, since one module is one file to a checker.

---@class syslua.Module: syslua.System
---@field version string the version of sys.lua, "0.1.0"
---@field hostname string the name of this machine
---@field username string the user who runs this
---@field derive fun(spec: syslua.derive.Opts): syslua.Derivation declares how to produce content
---@field activate fun(spec: syslua.activate.Opts) declares what to do with it; only while a config
--- is evaluated
---@field file fun(spec: syslua.file.Opts) declares a file; only while a config is evaluated
---@field directory fun(spec: syslua.directory.Opts) declares a directory; only
--- while a config is evaluated
---@field env syslua.EnvHelper declares variables; only while a config is evaluated
---@field alias fun(aliases: table<string, string|table<syslua.ShellName, string>|syslua.Priority>)
--- declares aliases; only while a config is evaluated
---@field packages fun(spec: syslua.packages.Opts) declares packages of the system; in a config
---@field service fun(spec: syslua.service.Opts) declares a service; only in a config
---@field tools syslua.Tools declares command-line tools by name, and says where releases are
---@field user fun(spec: syslua.user.Opts) declares what is one user's; only
--- while a config is evaluated
---@field project fun(spec: syslua.project.Opts) declares a separate environment; only while a
--- config is evaluated
---@field public package fun(spec: syslua.package.Spec): syslua.Package makes a module of a program
--- that is released as archives
---@field testing syslua.Testing what tests of configs need
---@field module fun(spec: syslua.module.Spec): syslua.ConfigModule makes a module that several
--- places may set up
---@field source fun(path: string, opts: syslua.source.Opts?): syslua.Source declares a file or tree
--- as input of a build
---@field evaluate fun(config: string, options: syslua.EvaluateOptions?): syslua.Manifest runs a
--- config and returns what it declares
---@field build fun(of: syslua.Derivation|string, options: syslua.BuildOptions?): syslua.OutputPaths
--- realizes a derivation, or the one of that hash, now
---@field plan fun(manifest: syslua.Manifest, options: syslua.PlanOptions?): syslua.Plan says what
--- an apply would do
---@field apply fun(manifest: syslua.Manifest, options: syslua.ApplyOptions?): syslua.Applied makes
--- the system match
---@field store syslua.Store the objects of the store, and garbage collection
---@field secrets syslua.Secrets documents of SOPS and files of age
---@field snapshots syslua.Snapshots the snapshots, and rollback
---@field inputs syslua.Inputs the inputs of configs, and their locks
---@field error fun(caught: any): syslua.Failure the failure behind whatever a `pcall` caught
---@field lib syslua.Library functions for configs
---@field cli syslua.CommandLine the command line
---@field bindings syslua.Bindings how the Lua side calls the engine; scripts use the fields above
local syslua = {}

-- Options

---@class syslua.Options
---@field root string? where the store and the snapshots are; $SYSLUA_ROOT, or the user's default
---@field jobs integer? operations that run at the same time; by default the number of processors
---@field offline boolean? fail instead of using the network
---@field locked boolean? fail instead of changing `syslua.lock`
---@field sandbox "auto"|"require"|"landlock"|"off"|nil how programs of builds are confined;
--- $SYSLUA_SANDBOX, or "auto"
---@field build_users string? the users of root's builds, "FIRST-LAST"; $SYSLUA_BUILD_USERS, or
--- "1900000000-1900065535"
---@field lock_timeout number? seconds to wait for another process; unlimited by default
---@field brief boolean? omit unchanged actions from reports
---@field on_event fun(event: syslua.Event)? called during the work
---@field ticks boolean? call it with "tick" too, while nothing happens; lets callers show the
--- elapsed time

---@class syslua.BuildOptions: syslua.Options
---@field check boolean? build again, and raise a failure when the result differs

---@class syslua.DryOptions: syslua.Options
---@field dry_run boolean? report what would be done, and change nothing

---@class syslua.ApplyOptions: syslua.DryOptions
---@field description string? a line about the snapshot
---@field refresh_secrets boolean? run the commands of secrets again
---@field confirm number? seconds until `bindings.watch` undoes the switch, unless it is confirmed
---@field no_services boolean? change no service, and apply everything else

---@class syslua.CollectOptions: syslua.DryOptions
---@field keep integer? how many of the newest snapshots to keep, besides the current one
---@field older_than number? an age in seconds: remove only older snapshots and downloads

---@class syslua.PlanOptions: syslua.Options
---@field build boolean? build first, so that the plan is exact
---@field diff boolean? show how the text of files changes

---@class syslua.EvaluateOptions
---@field sys { os: syslua.Os, arch: syslua.Arch, hostname: string?, username: string? }? evaluate
--- for another platform
---@field root string? the root whose cache of source hashes is used; by default the root of `apply`
---@field pure boolean? hide `io`, `os` and modules outside of the config
---@field on_event fun(event: syslua.Event)? called for notices
---@field on_file fun(file: table)? called for each `file{}` that counts
---@field places table<string, string>? for a copy of a config: the present paths of its files, by
--- their original paths
---@field raw boolean? return a handle that only `plan` and `apply` can read, which is faster
---@field offline boolean? fail instead of using the network for inputs
---@field locked boolean? fail instead of changing `syslua.lock`
---@field update (fun(key: string): boolean)? whether to resolve an input again and
--- ignore its lock entry
---@field on_inputs fun(nodes: table[])? called with the inputs instead of `setup`
---@field on_tools fun(tools: table[], github: string?)? called with what each `tools{}` declares;
--- then none is resolved
---@field only_registry boolean? resolve no other input than the registry of tools
---@field project syslua.TrustedProject? the project whose body the config is, and how
--- its files are read
---@field setup fun(require: fun(name: string): any)? called instead of the `setup` of an entry file
---@field answers table<string, string>? answers to the questions of `lib.ask`, by name
---@field ask nil|fun(open: syslua.Question[]): table<string, syslua.Answer> answers open questions
-- Called with the answers in use, and the names of answers without a question.
---@field on_answers nil|fun(used: syslua.UsedAnswer[], unused: string[])
-- Called with the path and the new text of the answer file, when it lacks given answers.
---@field on_kept_answers nil|fun(file: string, text: string)
---@field lock_sha256 string? the SHA-256 that `syslua.lock` must have; empty when the
--- file must not exist

--- Programs ignore kinds that they do not know.
---@class syslua.Event
---@field kind syslua.EventKind
---@field name string? of the derivation, for builds; of the command, for "command_started" and
--- "command_finished"
---@field line string? a line of output, for "command_output"
---@field success boolean? whether it succeeded, for "command_finished"
---@field version string? of the derivation, for builds
---@field hash string? of the derivation, for builds
---@field seconds number? the duration of the build, for "build_finished"
---@field url string? for "download"
---@field bytes integer? received until now, for "download"
---@field total integer? the total size, if the server reports it, for "download"
---@field archive string? its path, for "unpack_started" and "unpack_finished"
---@field lock string? the locked thing, for "waiting"
---@field pid integer? the process that holds it, if known, for "waiting"
---@field message string? for "warning" and "notice"
---@field position string? the line that a "notice" refers to

-- Handles

--- A derivation. Its paths are placeholders, which may be anywhere in a string; inside of another
--- derivation's `config` they are real.
---@class syslua.Derivation
---@field name string
---@field version string?
---@field hash string the hash of the recipe, 64 hexadecimal digits
---@field out string the path of the output `out`, or of the first output
---@field outputs { [integer]: string, [string]: string } the names of the outputs,
--- and their paths by name

--- A file or tree that a build may read, known by its content. In `config` it is its path.
---@class syslua.Source
---@field sha256 string the hash of its content: SHA-256 of the NAR, in hexadecimal

-- Inputs

--- An input, as `setup` gets it.
---@class syslua.Input
---@field path string its directory
---@field url string the address in the config
---@field rev string? the full commit, of git
---@field sha256 string? the NAR hash of its tree, in hexadecimal; a directory of
--- this machine has none

--- The parts of an input's address.
---@class syslua.InputAddress
---@field type "git"|"path"|"archive"
---@field dir string? the directory in its tree
---@field repository string? the address of a repository
---@field ref string? a branch, tag or commit
---@field submodules boolean? whether it includes submodules

---@class syslua.LockedInput
---@field type "git"|"path"|"archive"|"url" the last is a pinned download
---@field url string
---@field ref string?
---@field rev string?
---@field sha256 string?
---@field last_modified integer? in seconds since 1970
---@field platforms string[]? for a pin: the platforms of the builds that used it

--- A tool of a lock.
---@class syslua.LockedTool
---@field package string its name in the registry
---@field version string the tag
---@field registry string? the input that is its registry
---@field vars table<string, string>?
---@field platforms table<string, syslua.LockedRelease> by platform, "x86_64-linux"

---@class syslua.LockedFile
---@field path string
---@field link string
---@field hard boolean?

---@class syslua.LockedRelease
---@field url string
---@field format string "tar.gz", "zip", "raw", "gz"
---@field sha256 string
---@field checksum string? the file that states the hash
---@field files table<string, string|syslua.LockedFile> programs by name

---@class syslua.LockReport
---@field path string where the lock is
---@field exists boolean
---@field inputs table<string, syslua.LockedInput> by key: of an input of an input "parent/name"
---@field fetches table<string, syslua.LockedInput> pins by key: the address, for git "ADDRESS#REF"

---@class syslua.OutputPaths
---@field out string of the output `out`, if there is one
---@field [string] string the paths of the outputs by name

-- Manifest

---@class syslua.Manifest
---@field version integer
---@field config_path string? the entry file
---@field derivations syslua.ManifestDerivation[] in the order of dependencies
---@field activations syslua.ManifestAction[] in order of declaration

---@class syslua.ManifestDerivation
---@field name string
---@field version string?
---@field hash string
---@field format integer
---@field outputs string[]
---@field sys { platform: string, os: string, arch: string }
---@field file { content: string?, source: string?, built: string?, executable: boolean }? the file
--- that `file{}` declares
---@field opts any as evaluated; none for a file
---@field config { text: string, captures: table }? the text of the function, and its captures;
--- absent for a file
---@field dependencies string[] the hashes of other derivations
---@field positions string[] the lines that declared it, innermost first: "init.lua:12"

---@class syslua.ManifestAction
---@field kind syslua.ActionKind
---@field positions string[] the lines that declared it: the user's, innermost first, then those of
--- shipped modules
---@field user string? the user that `user{}` scopes it to
---@field project { name: string, path: string? }? the project that `project{}` scopes it to
---@field priority integer? its priority, unless it is a plain value
---@field overridden syslua.Overridden[]? declarations of the same thing that lost
---@field source string? what a link leads to, or the file with the content
---@field target string? the path of a link or file
---@field tree string? for a link to one file of a tree: the user's directory
---@field unfolded boolean? whether a directory exists only because targets below it replaced a link
---@field place string? its real path, if it differs from its target; in snapshots only
---@field mutable boolean? whether a link leads to the user's own file, or a file is
--- written only once
---@field mode string? of an installed file, in octal
---@field owner string? of an installed file
---@field group string? of an installed file
---@field digest string? of an installed file that is applied: the SHA-256 of its content
---@field command string|string[]|nil the command to run
---@field undo string|string[]|nil the command that undoes it
---@field always boolean? whether it runs at each apply
---@field cwd string? where a command runs
---@field env table<string, string>? variables of a command
---@field shell string? the shell of a command
---@field directory string? the entry of PATH
---@field script string? the script that shells source
---@field shells syslua.ShellName[]? which shells
---@field name string? the name of the variable
---@field value syslua.ManifestText|{ entries: syslua.ManifestText[], separator: string }|nil its
--- value

--- A text, or texts and references to variables one after the other.
---@alias syslua.ManifestText string|{ parts: (string|{ reference: string })[] }

---@alias syslua.ActionKind
---| "symlink"
---| "install"
---| "directory"
---| "absent"
---| "merge"
---| "tree"
---| "run"
---| "add_to_path"
---| "source_in_shell"
---| "set_alias"
---| "set_function"
---| "set_variable"
---| "enable_service"
---| "package"

---@alias syslua.EventKind
---| "build_started"
---| "build_finished"
---| "build_failed"
---| "download"
---| "unpack_started"
---| "unpack_finished"
---| "command_started"
---| "command_output"
---| "command_finished"
---| "waiting"
---| "tick"
---| "warning"
---| "notice"
---| string

---@alias syslua.Explained { priority: integer?, overridden: syslua.Overridden[] }
---@alias syslua.Writer fun(bytes: string): string? takes a part; returns what went wrong
---@alias syslua.Asker fun(problem: string, is_warning: boolean): boolean whether to edit again

---@class syslua.Overridden
---@field value string the declared value, as text for users
---@field priority integer its priority: the lowest number wins
---@field positions string[] the lines that declared it

-- Reports

---@class syslua.RealizedReport: syslua.DerivationReport
---@field outputs syslua.OutputPaths

---@class syslua.Actions
---@field root string
---@field snapshot syslua.SnapshotReport the current snapshot
---@field actions syslua.ManifestAction[] the applied actions

-- `make docs` writes the reports

---@class syslua.Plan
---@field changed boolean whether an apply would change anything
---@field root string the directory of the store and the snapshots
---@field snapshot syslua.SnapshotReport the current snapshot, which was compared with the config
---@field realize syslua.DerivationReport[] the derivations that would be built
---@field actions syslua.ActionReport[] the actions, in the order in which they would be performed
---@field environment_changed boolean whether the environment of shells changes
---@field packages syslua.PackagesReport[]? what package managers would do
---@field services_left_out string[]? with `--no-services`: the names of the services that it did
--- not change
---@field pending syslua.PendingReport? a switch that is not finished
---@field locks syslua.LockChange[]? the changes of `syslua.lock`, if it changes
---@field answers syslua.AnswerReport[]? the answers in use, if the config asks with `lib.ask`

---@class syslua.Applied
---@field changed boolean whether an apply would change anything
---@field root string the directory of the store and the snapshots
---@field snapshot syslua.SnapshotReport the current snapshot, which was compared with the config
---@field realize syslua.DerivationReport[] the derivations that would be built
---@field actions syslua.ActionReport[] the actions, in the order in which they would be performed
---@field environment_changed boolean whether the environment of shells changes
---@field packages syslua.PackagesReport[]? what package managers would do
---@field services_left_out string[]? with `--no-services`: the names of the services that it did
--- not change
---@field pending syslua.PendingReport? a switch that is not finished
---@field applied boolean whether anything was done: false with `--dry-run`, and when nothing
--- differed
---@field built syslua.DerivationReport[] the built derivations. Empty with `--dry-run`
---@field new_snapshot string? the id of the snapshot that was made
---@field displaced syslua.DisplacedReport[]? edits of managed targets that were moved away
---@field env_script string the script that gives a shell the applied environment
---@field deadline number? with `--confirm`: the time until which it can be confirmed, in seconds
--- since 1970
---@field confirmation string? with `--confirm`: a text that identifies this switch
---@field locks syslua.LockChange[]? the changes of `syslua.lock`, if it changes
---@field answers syslua.AnswerReport[]? the answers in use, if the config asks with `lib.ask`

---@class syslua.RolledBack
---@field changed boolean whether an apply would change anything
---@field root string the directory of the store and the snapshots
---@field snapshot syslua.SnapshotReport the current snapshot, which was compared with the config
---@field realize syslua.DerivationReport[] the derivations that would be built
---@field actions syslua.ActionReport[] the actions, in the order in which they would be performed
---@field environment_changed boolean whether the environment of shells changes
---@field packages syslua.PackagesReport[]? what package managers would do
---@field services_left_out string[]? with `--no-services`: the names of the services that it did
--- not change
---@field pending syslua.PendingReport? a switch that is not finished
---@field to syslua.SnapshotReport the snapshot to go back to
---@field applied boolean whether it was done: false with `--dry-run`, and when nothing differed
---@field displaced syslua.DisplacedReport[]? edits of managed targets that were moved away
---@field env_script string the script for a shell to source

---@class syslua.Destroyed
---@field changed boolean whether an apply would change anything
---@field root string the directory of the store and the snapshots
---@field snapshot syslua.SnapshotReport the current snapshot, which was compared with the config
---@field realize syslua.DerivationReport[] the derivations that would be built
---@field actions syslua.ActionReport[] the actions, in the order in which they would be performed
---@field environment_changed boolean whether the environment of shells changes
---@field packages syslua.PackagesReport[]? what package managers would do
---@field services_left_out string[]? with `--no-services`: the names of the services that it did
--- not change
---@field pending syslua.PendingReport? a switch that is not finished
---@field applied boolean whether it was done: false with `--dry-run`, and when there was nothing
---@field exists boolean whether there was a root
---@field removed boolean whether the root was removed
---@field displaced syslua.DisplacedReport[] all edits of managed targets, which stay
---@field stuck syslua.DisplacedReport[] originals that cannot be restored, because other files are
--- at their targets
---@field unknown string[] unknown files in the root, which stay
---@field profiles string[] lines for people: the startup files from which the line of `init
--- --shell` was removed

---@class syslua.PendingReport
---@field state string "running"; "interrupted", which the next `apply` or `rollback` undoes; or
--- "unconfirmed"
---@field from string the id of the snapshot before it
---@field to string? the id of the snapshot after it
---@field started_at integer when it began, in seconds since 1970
---@field process integer the id of the process that started it
---@field deadline number? the time until which it can be confirmed, in seconds since 1970

---@class syslua.SnapshotReport
---@field id string its number: "0" before the first apply
---@field created_at integer when it was made, in seconds since 1970
---@field config_path string? the entry file
---@field description string a line for people

---@class syslua.DerivationReport
---@field name string its name
---@field version string? its version
---@field hash string its hash
---@field file boolean? true for a `file{}`
---@field outputs table<string, string>? the paths of its outputs by name, once they are built

---@class syslua.ActionReport
---@field mark "add"|"change"|"remove"|"unchanged" what happens to it
---@field kind string "symlink", "install", "merge", "set_variable", "run", "enable_service",
--- "package" and others
---@field target string? the path of its target
---@field name string? the name of its variable, service or package
---@field detail string the target of a link, the value of a variable, the directory, the script,
--- the command, the package manager
---@field may_change boolean? true when its content is not built yet, so it may turn out to be
--- unchanged
---@field replaces_existing boolean? true when a file of the user is moved to the backups
---@field replaces string? the kind of that file, in words: "a file", "a file (same content)"
---@field keys syslua.KeyReport[]? the keys that change in a file that a program owns too
---@field runs_command boolean? true when a command runs
---@field undo boolean? true when it is the `undo` of a removed command
---@field always boolean? true for a command that runs at each apply
---@field service syslua.ServiceReport? the work for the service manager
---@field package string? what becomes of a package of the system, in words: its version, "stays,
--- since git needs it"
---@field diff string? with `--diff`, and with `--text` in `diff`: the unified diff of a text file
---@field needs_build boolean? true when `--diff` is given and the text is only known after a build
---@field user string? its user, from a user block
---@field project string? the project to which it belongs
---@field positions string[] the lines that declared it, innermost first: "init.lua:12"

---@class syslua.KeyReport
---@field key string the key: `editor.size`
---@field old string? its value before, as a text of JSON
---@field new string? its value after that, as a text of JSON

---@class syslua.ServiceReport
---@field scope "system"|"user" whose it is
---@field units string[] its units
---@field jobs syslua.UnitJob[] the jobs, in the order in which they are asked for
---@field because string[] what changed, in words; nothing for a service that is new or gone
---@field overrides string[]? units of the distribution that it replaces
---@field dependents string[]? units that stop and start with it
---@field drop_ins string[]? files of others that add to its units
---@field at_login boolean? true when it starts only when its user logs in

---@class syslua.UnitJob
---@field unit string the unit
---@field job "start"|"stop"|"restart"|"reload" what is done with it
---@field only_if_active boolean? whether it is done only if it runs: something else starts it
---@field returns boolean? whether another unit of this name, which ran before the service took its
--- place, starts

---@class syslua.PackagesReport
---@field manager string the manager
---@field install syslua.PackageItem[] what it would install, dependencies included
---@field change syslua.PackageItem[] what gets another version
---@field remove syslua.PackageItem[] what it would remove
---@field stay table<string, string>? what is not declared any more and stays: by name, the package
--- that needs it

---@class syslua.PackageItem
---@field name string its name
---@field version string? the version that it will have
---@field old string? the version that it has

---@class syslua.DisplacedReport
---@field target string? its target
---@field path string where it is now
---@field kind string? "file", "directory", "symlink" or "special"; absent when it cannot be read
---@field created_at integer? when it was moved, in seconds since 1970

---@class syslua.Status
---@field root string the directory of the store and the snapshots
---@field snapshot syslua.SnapshotReport the current snapshot
---@field managed integer how many targets are managed
---@field targets syslua.TargetReport[] the managed targets
---@field derivations integer how many derivations the snapshot holds
---@field drift integer how many targets are neither "ok" nor "switching", and how many services
--- and packages are not as declared
---@field old_snapshots syslua.OldSnapshotsReport? what only old snapshots keep
---@field displaced syslua.DisplacedReport[] edits of managed targets that were moved away
---@field environments syslua.StampReport[] what shows that a shell is up to date: the common
--- environment first, then those of users
---@field lost_originals syslua.DisplacedReport[] originals that no managed target would restore
---@field services syslua.ServiceStateReport[]? the services and their states
---@field packages syslua.PackageStateReport[]? the packages of the system
---@field pending syslua.PendingReport? a switch that is not finished
---@field shell ("current"|"old"|"none")? the environment of the calling shell; absent when no
--- variable is declared

---@class syslua.TargetReport
---@field kind string "symlink" or "install"
---@field target string its path, as written in the config
---@field state string "ok", "missing", "replaced", "changed", "unreadable", "broken" or
--- "switching"
---@field differs (("link"|"content"|"keys"|"mode"|"owner"|"group")[])? what differs
---@field found string? the file there instead, in words: "a link to /x", "mode 644", "init.lua
--- changed, notes added" in the store
---@field problem string? why it cannot be read
---@field detail string the target of a link, or the file whose content was written
---@field mode string? the mode of a file, as declared
---@field owner string? the owner of a file, as declared
---@field group string? the group of a file, as declared
---@field mutable boolean? true when it is yours to change
---@field user string? its user, from a user block
---@field positions string[] the lines that declared it, innermost first: "init.lua:12"

---@class syslua.OldSnapshotsReport
---@field count integer how many there are
---@field size integer the bytes that only they keep

---@class syslua.StampReport
---@field user string? its user; absent for the common environment
---@field memory string the variable that shows what the shell has
---@field stamp string what the value of that variable begins with when the shell is up to date
---@field variables integer how many variables it has

---@class syslua.Services
---@field root string the directory of the store and the snapshots
---@field snapshot syslua.SnapshotReport the current snapshot
---@field services syslua.ServiceStateReport[] the services in force, by name

---@class syslua.ServiceStateReport
---@field name string its name
---@field scope "system"|"user" whose it is
---@field user string? its user, if that is another one than the caller
---@field unit string its main unit
---@field units string[] all its units
---@field state string "running", "done" (a oneshot that ended well), "waiting" (for the clock or a
--- connection), "starting", "stopped", "failed", "masked", "missing" or "unknown" (its
--- manager does not report it)
---@field since integer? the beginning of this state, in seconds since 1970
---@field process integer? its main process
---@field problem string? why it failed, or why its state is not known
---@field positions string[] the lines that declared it, innermost first: "init.lua:12"

---@class syslua.PackageStateReport
---@field manager string its manager
---@field package string the package, as the config has it
---@field version string? the installed version
---@field state string "installed", "missing", "changed" (another version than declared),
--- "incomplete" (half installed), "left" (a switch that failed or was cut off installed it)
--- or "unknown" (its manager does not tell)
---@field was_there boolean true when it was there before, so that it stays
---@field problem string? what is wrong, and what to do
---@field positions string[] the lines that declared it, innermost first: "init.lua:12"

---@class syslua.History
---@field root string the directory of the store and the snapshots
---@field snapshots syslua.HistoryEntry[] the snapshots, oldest first
---@field pending syslua.PendingReport? a switch that is not finished

---@class syslua.HistoryEntry
---@field id string its number: "0" before the first apply
---@field created_at integer when it was made, in seconds since 1970
---@field config_path string? the entry file
---@field description string a line for people
---@field parent string? the id of the snapshot that was current when this one was made
---@field current boolean whether it is applied
---@field targets integer how many targets it has
---@field actions integer how many actions it has
---@field derivations integer how many derivations it has
---@field changes syslua.Changes? what it changed. Missing when the previous snapshot is missing
---@field problem string? why it cannot be used

---@class syslua.Changes
---@field added integer how many actions were added
---@field changed integer how many actions were changed
---@field removed integer how many actions were removed
---@field first syslua.SnapshotChange[] the first five; of more than 30 changes, their directories

---@class syslua.SnapshotChange
---@field mark "add"|"change"|"remove"|"unchanged" what happened to it
---@field what string its target, or the name or value that it is about

---@class syslua.Environment
---@field root string the directory of the store and the snapshots
---@field snapshot syslua.SnapshotReport the current snapshot
---@field environment syslua.StampReport what shows that a shell is up to date
---@field variables syslua.VariableReport[] the variables, in the order in which they are set
---@field scripts syslua.ScriptReport[] the scripts that shells read

---@class syslua.VariableReport
---@field name string its name
---@field value string its value; for a list, its new entries. A reference is `$NAME`
---@field separator string? what separates the entries of a list

---@class syslua.ScriptReport
---@field script string its path
---@field shells string[] the names of the shells

---@class syslua.SnapshotDiff
---@field root string the directory of the store and the snapshots
---@field from syslua.SnapshotReport the first snapshot
---@field to syslua.SnapshotReport the second snapshot
---@field derivations syslua.DerivationChange[] the derivations that differ
---@field actions syslua.ActionReport[] the actions that differ

---@class syslua.DerivationChange
---@field mark "add"|"change"|"remove"|"unchanged" what happened to it
---@field name string its name
---@field file boolean? true for a single file
---@field old_version string? its version before
---@field new_version string? its version after
---@field old_object string? its object before
---@field new_object string? its object after that

---@class syslua.Diff
---@field first string the hash of the first derivation
---@field second string the hash of the second derivation
---@field differences syslua.Difference[] the inputs that differ

---@class syslua.Difference
---@field path string the input that differs, such as "opts.server.port"
---@field first string? what the first derivation has, as a text of JSON
---@field second string? what the second derivation has, as a text of JSON
---@field first_name string? name and version, when that is another derivation
---@field second_name string? name and version, when that is another derivation
---@field diff string? the unified diff of a text of several lines

---@class syslua.Confirmed
---@field root string the directory of the store and the snapshots
---@field snapshot syslua.SnapshotReport the snapshot that stays

---@class syslua.Listed
---@field root string the directory of the store and the snapshots
---@field objects syslua.ObjectReport[] the objects, in the order of their names
---@field unreadable syslua.UnreadableReport[] the objects whose record is missing or damaged

---@class syslua.ObjectReport
---@field object string its name in the store
---@field path string where it is
---@field name string the name of the derivation that first made it
---@field version string? the version of that derivation
---@field output string the output of that derivation
---@field size integer the bytes of its files
---@field content string the SHA-256 that names it: of its NAR with its own name zeroed
---@field nar string the SHA-256 of its NAR
---@field deriver string the hash of that derivation
---@field references string[] the objects that its bytes refer to
---@field relocatable boolean whether its bytes do not contain the path of the store
---@field sandbox "unknown"|"off"|"partial"|"landlock"|"namespaces" how far the programs that built
--- it were confined
---@field current boolean whether the current snapshot names it

---@class syslua.UnreadableReport
---@field object string its name in the store
---@field problem string what is wrong with its record, in words

---@class syslua.Info
---@field root string the directory of the store and the snapshots
---@field platform string the platform: "x86_64-linux"
---@field snapshot syslua.SnapshotReport the current snapshot
---@field objects integer how many objects the store has
---@field size integer the bytes of their files

---@class syslua.Held
---@field closure string[] the objects that it needs, itself among them
---@field closure_size integer the bytes of their files
---@field holders syslua.ObjectHolder[] what keeps it
---@field actions integer[] the places of the actions in force that name it, in the order of the
--- snapshot

---@class syslua.Holder
---@field kind "snapshot"|"gc_root"|"journal"|"project"|"process" its kind
---@field id string? its number
---@field current boolean? whether it is applied
---@field path string? the link
---@field pid integer? its number
---@field program string? the name of its program

---@class syslua.ObjectHolder: syslua.Holder
---@field through string[] the objects between the holder and the object; empty when the holder
--- names the object itself

---@class syslua.Verified
---@field root string the directory of the store and the snapshots
---@field checked integer how many objects were checked
---@field damaged syslua.DamageReport[] the objects that are damaged, or were before `--repair`
---@field broken integer how many of them are still damaged

---@class syslua.DamageReport
---@field object string its name in the store
---@field problem string what is wrong, in words
---@field state string "found", or with `--repair` "restored" or "quarantined"
---@field quarantine string? where the damaged object is now
---@field reason string? why it could not be restored
---@field targets string[] the managed targets that are affected
---@field snapshots string[] the ids of the snapshots that are affected

---@class syslua.Checked
---@field derivation syslua.DerivationReport the derivation
---@field reproducible boolean whether it came out the same
---@field output string? the output that differs
---@field file string? the first file that differs, below the output
---@field how string? how it differs

---@class syslua.Collected
---@field root string the directory of the store and the snapshots
---@field applied boolean whether it was done: false with `--dry-run`
---@field objects syslua.CollectedObject[] the objects, in the order of their names
---@field kept integer how many objects stay
---@field removed integer how many objects are deleted
---@field snapshots string[] the numbers of the deleted snapshots
---@field downloads syslua.CollectedFiles deleted downloads, and trees of commits and inputs
---@field logs syslua.CollectedFiles deleted logs of builds
---@field derivations syslua.CollectedFiles deleted records of derivations
---@field leftovers syslua.CollectedFiles deleted remains of interrupted builds
---@field sources syslua.CollectedFiles deleted contents of sources, which only deleted snapshots
--- had kept
---@field freed integer bytes that are freed in total
---@field dangling string[] the links in `gc-roots` that point to no object
---@field blocked string? why nothing can be deleted now: only with `--dry-run`

---@class syslua.CollectedObject
---@field object string its name
---@field path string where it is
---@field kept boolean whether it stays
---@field size integer? bytes of a deleted object
---@field held_by syslua.Holder[]? what keeps it directly
---@field referred_by string? the object that refers to it, when it stays only through others

---@class syslua.CollectedFiles
---@field count integer how many
---@field size integer bytes in all

---@class syslua.Exported
---@field root string the directory of the store and the snapshots
---@field file string? the file that was written; absent on standard output
---@field roots string[] the requested objects
---@field objects syslua.ClosureObject[] all objects in the file, each after those it refers to
---@field length integer the bytes of the file

---@class syslua.ClosureObject
---@field object string its name in the store
---@field path string where it is
---@field size integer the bytes of its files

---@class syslua.Imported
---@field root string the directory of the store and the snapshots
---@field kind string always "closure"
---@field platform string the platform of the machine that wrote it: "x86_64-linux"
---@field roots syslua.ImportedRoot[] the objects that were requested at the export
---@field imported syslua.ClosureObject[] the objects that are new, each after those it refers to
---@field present string[] the objects that existed already

---@class syslua.ImportedRoot
---@field object string its name in the store
---@field path string where it is
---@field gc_root string the link that keeps it

---@class syslua.AnswerReport
---@field name string the name of the question
---@field value any the answer
---@field origin "given"|"kept"|"default" where it is from: a flag or the terminal,
--- `syslua.local.json`, or the config
---@field prompt string? the question
---@field position string? the line that asks

-- end of the reports

-- Builds

--- How large an archive may be; the reference lists the defaults.
---@class syslua.UnpackLimits
---@field bytes integer? the total size of the unpacked files
---@field ratio integer? the unpacked size divided by the size of the archive
---@field entries integer? files, links and directories
---@field path integer? bytes of a name
---@field depth integer? components of a name
---@field memory integer? the window of xz and zstd, in bytes

-- `make docs` writes the options of `ctx`

---@class syslua.FetchUrlOptions
---@field mirrors string[]? a list of other addresses, tried in order when the first one fails or
--- has other content
---@field name string? the file name. By default it is the last part of `url`, or `download` when
--- that is empty
---@field stated_by string? where `sha256` is from, for the error when the content has another hash

---@class syslua.FetchGitOptions
---@field submodules boolean? with `true`, fetches submodules recursively. Otherwise each is an
--- empty directory

---@class syslua.UnpackOptions
---@field allow ("case_collisions"|"setuid")[]? a list of things that are otherwise refused:
--- `"case_collisions"` and `"setuid"`
---@field limits syslua.UnpackLimits? the limits on the size of the archive, below
---@field single string? the file is a single compressed file, which gets this name
---@field strip integer? the number of leading components to remove from every name, as
--- `--strip-components` of tar; see below

---@class syslua.ListOptions
---@field recursive boolean? with `true`, the files of directories are listed in their place

---@class syslua.RunOpts
---@field cwd string? the working directory, below the outputs or the build directory; by default
--- the build directory
---@field env table<string, string|number>? variables in addition to `ctx.env`
---@field read string[]? a list of files and trees outside of the build that it may read and execute
--- too
---@field shell string? the shell for a line; by default `/bin/sh`
---@field stdin string? a string for standard input; by default empty
---@field timeout number? the seconds after which the program is killed, which is an error

-- end of the options

--- The context of a derivation's `config`. Every call acts at once, and raises a failure on error.
--- Relative paths are relative to the build directory.
---@class syslua.BuildContext
---@field sys syslua.System the platform of the build
---@field out string the path of the output `out` or of the first output, which does not exist yet
---@field outputs table<string, string> the path of each output
---@field env table<string, string|number> the environment of programs; may be changed
local BuildContext = {}

-- `make docs` writes the calls of `ctx`

--- Downloads a file and returns its path, which ends with the file's name.
---@param url string `https://`, `http://` or `file://`
---@param sha256 string? the hash of the content: 64 hexadecimal digits, or `sha256-` and base64.
--- Without it, the lock pins the first download
---@param opts syslua.FetchUrlOptions?
---@return string path
function BuildContext.fetch_url(url, sha256, opts) end

--- Fetches the files of a git commit, without `.git`, and returns the path of their directory.
---@param url string `https://`, `http://`, `ssh://` or `file://`, `user@host:path`, or an absolute
--- path
---@param rev string a commit of 40 digits, a tag or a branch
---@param sha256 string? the hash that `nix-prefetch-git` prints: 64 hexadecimal digits, or
--- `sha256-` and base64. Without it, the lock pins the first download
---@param opts syslua.FetchGitOptions?
---@return string path
function BuildContext.fetch_git(url, rev, sha256, opts) end

--- Unpacks tar, tar.gz, tar.xz, tar.zst, tar.bz2 or zip, recognized by content. Without a
--- destination, also before options, it unpacks into `ctx.out`.
---@param archive string
---@param destination string|syslua.UnpackOptions|nil
---@param opts syslua.UnpackOptions?
function BuildContext.unpack(archive, destination, opts) end

--- Copies a file, link or tree to a new name.
---@param from string
---@param to string
function BuildContext.copy(from, to) end

--- Moves a file, link or tree to a new name, also out of the build directory into an output.
---@param from string
---@param to string
function BuildContext.move(from, to) end

--- Makes a symbolic link.
---@param target string the target of the link
---@param link string
function BuildContext.symlink(target, link) end

--- Creates a directory and those above it.
---@param path string
function BuildContext.mkdir(path) end

--- Writes a file, byte for byte, and creates the directories above it.
---@param path string
---@param text string
function BuildContext.write(path, text) end

--- Sets the permissions of a file, or of a directory and everything in it.
---@param path string
---@param mode string|integer octal in a string, such as "755", or the number
function BuildContext.chmod(path, mode) end

--- Returns the content of a file.
---@param path string
---@return string
function BuildContext.read(path) end

--- Returns the names of what is in a directory, in the order of their bytes.
---@param path string
---@param opts syslua.ListOptions?
---@return string[]
function BuildContext.list(path, opts) end

--- Returns whether something is there, a dangling link included; with "file", whether it is a file,
--- or a link that leads to one.
---@param path string
---@param kind "file"?
---@return boolean
function BuildContext.exists(path, kind) end

--- Runs a program and returns what it printed to stdout.
---@param command string|string[] a line for the shell, or the program and its arguments
---@param opts syslua.RunOpts?
---@return string stdout
function BuildContext.run(command, opts) end

-- end of the calls

-- Secrets

--- What `syslua.secrets.set` did.
---@class syslua.SecretSet
---@field key string
---@field type string
---@field created boolean whether the document is new
---@field changed boolean whether it was written

--- Who can decrypt a document.
---@class syslua.SecretRecipients
---@field recipients string[]
---@field added string[]?
---@field removed string[]?
---@field changed boolean?

-- The engine, as the Lua side calls it

--- Functions that can fail answer `true` and their result, or `false` and a failure: see
--- `lua/syslua/bindings.lua`, which raises it.
---@class syslua.Bindings
---@field null table what `null` of JSON is in Lua
---@field array_metatable table what `lib.array` marks tables with
---@field is_terminal fun(descriptor: integer): boolean
---@field bars_put fun(key: string, text: string, position: integer?, total: integer?): string
---@field bars_remove fun(key: string): string
---@field cells fun(text: string): integer
---@field bars_print fun(line: string): string
---@field bars_tick fun(): string
---@field bars_clear fun(): string
---@field is_interrupted fun(): boolean
---@field guarded string[] names that are out of reach while a build runs
---@field derive fun(spec: table): boolean, any
---@field source fun(path: string, excluded: string[]?): boolean, any
---@field open_lock fun(entry: string, options: table?): boolean, any
---@field resolve_inputs fun(requests: table[], options: table?): boolean, any
---@field count_commits fun(moves: table[], options: table?): boolean, any
---@field pending_lock fun(config: string): boolean, any
---@field locked_tools fun(keys: string[]): boolean, any
---@field tools_of_config fun(config: string): boolean, any
---@field lock_tools fun(registry: table, requests: table[], how: table, opts: table?): boolean, any
---@field search_tools fun(registry: table, word: string, options: table?): boolean, any
---@field find_tool fun(registry: table, name: string, options: table?): boolean, any
---@field tool_versions fun(registry: table, name: string, github: string?, opts: any): boolean, any
---@field resolve_tool fun(registry: table, name: string, version: string, ...: any): boolean, any
---@field parse_document fun(format: string, text: string): boolean, any
---@field mirrored fun(url: string, github: string?): boolean, any
---@field keep_input fun(key: string, url: string?): boolean, any
---@field read_lock fun(entry: string): boolean, any
---@field write_lock fun(config: string): boolean, any
---@field forget_lock fun(config: string): boolean, any
---@field refresh_pins fun(config: string, keys: string[], options: syslua.Options?): boolean, any
---@field check_pins fun(config: string, of: syslua.Manifest, opts: syslua.Options?): table[], any
---@field prune_pins fun(config: string, of: syslua.Manifest, opts: syslua.Options?): boolean, any
---@field commit_lock fun(config: string, message: string): boolean, any
---@field drop_tools fun(config: string, keys: string[]): boolean, any
---@field registries_of_lock fun(): boolean, any
---@field lock_failures fun(config: string): boolean, any
---@field redact_address fun(text: string): boolean, any
---@field clone fun(url: string, branch: string?, directory: string, offline: boolean): boolean, any
---@field parse_input fun(url: string): boolean, any
---@field is_input_name fun(name: string): boolean, any
---@field build fun(derivation: syslua.Derivation, options: syslua.Options?): boolean, any
---@field plan fun(manifest: any, options: syslua.Options?): boolean, any
---@field apply fun(manifest: any, options: syslua.ApplyOptions?): boolean, any
---@field history fun(options: syslua.Options?): boolean, any
---@field needs_builds fun(id: string?, options: syslua.Options?): boolean, any
---@field build_altered fun(id: integer, manifest: any, options: syslua.Options?): boolean, any
---@field rollback fun(id: string?, options: syslua.ApplyOptions?): boolean, any
---@field destroy fun(options: syslua.ApplyOptions?): boolean, any
---@field gc fun(options: syslua.ApplyOptions?): boolean, any
---@field look fun(path: string): boolean, any
---@field check_targets fun(targets: string[], options: syslua.Options?): boolean, any
---@field take_over fun(from: string, to: string, options: syslua.Options?): boolean, any
---@field take_into fun(from: string, source: string, options: syslua.Options?): boolean, any
---@field rewrite fun(path: string, text: string): boolean, any
---@field diff_snapshots fun(first: string?, second: string?, opts: syslua.Options?): boolean, any
---@field confirm fun(options: syslua.Options?): boolean, any
---@field revert fun(mark: string, options: syslua.Options?): boolean, any
---@field watch fun(mark: string, options: syslua.Options?): boolean, any
---@field leave_session fun(): boolean, any
---@field spawn_interpreter fun(words: string[]): boolean, string?
---@field terminal_width fun(): integer?
---@field ignore_closed_pipes fun()
---@field wait_for_input fun(seconds: number): boolean
---@field status fun(options: syslua.Options?): boolean, any
---@field list fun(options: syslua.Options?): boolean, any
---@field actions fun(options: syslua.Options?): boolean, any
---@field info fun(options: syslua.Options?): boolean, any
---@field verify fun(options: syslua.Options?): boolean, any
---@field repair fun(manifest: any, options: syslua.Options?): boolean, any
---@field check_owner fun(options: syslua.Options?): boolean, any
---@field restore_config fun(snapshot: string, options: syslua.Options?): boolean, any
---@field remove_restored_config fun(snapshot: string, options: syslua.Options?): boolean, any
---@field diff_derivations fun(first: string, second: string, opts: syslua.Options?): boolean, any
---@field hold fun(object: string, options: syslua.Options?): boolean, any
---@field check fun(derivation: syslua.Derivation|string, options: syslua.Options?): boolean, any
---@field begin_evaluation fun(...: any): boolean, any system, options, directory
---@field abandon_evaluation fun(): boolean, any
---@field finish_evaluation fun(config_path: string?, files: table<string, string>?): boolean, any
---@field record fun(action: table, positions: string[], explained: syslua.Explained?): boolean, any
---@field lists fun(): boolean, any
---@field environment fun(user: string?, options: syslua.Options?): boolean, any
---@field hook fun(shell: string, user: string?, step: string, opts: syslua.Options?): boolean, any
---@field persistent fun(actions: table[], os: string, positions: string[][]): boolean, any
---@field projects fun(manifest: any): boolean, any
---@field enter fun(...: any): boolean, any manifest, project, shell, options
---@field project_directories fun(directory: string?): boolean, any
---@field project_kept fun(directory: string, hash: string, options: syslua.Options?): boolean, any
---@field project_look fun(path: string, kind: string): boolean, any
---@field project_enter fun(...: any): boolean, any manifest, directory, hash, looks, options
---@field project_start fun(numbers: integer[], shell: string?): boolean, any
---@field project_step fun(wanted: table, options: syslua.Options?): boolean, any
---@field real_path fun(path: string): boolean, any
---@field write_trusted_lock fun(config: string, options: syslua.Options?): boolean, any
---@field trust_check fun(directory: string, options: syslua.Options?): boolean, any
---@field trust_read fun(directory: string, file: string, options: syslua.Options?): boolean, any
---@field trust_look fun(directory: string, file: string, options: syslua.Options?): boolean, any
---@field trust_accept fun(...: any): boolean, any directory, files, sources, options
---@field trust_source fun(...: any): boolean, any directory, source, hash, options
---@field trust_follow fun(...: any): boolean, any file, hash before, hash after, options
---@field become_program fun(...: any): boolean, any words, variables, script, options
---@field shell_names fun(): boolean, any
---@field shells fun(options: syslua.Options?): boolean, any
---@field literal_reference fun(text: string): boolean, any
---@field add_ticket_at fun(positions: string[]): boolean, any
---@field positions_of_ticket fun(ticket: integer): boolean, any
---@field declare_files fun(list: any[], directory: string, collection: integer?): boolean, any
---@field new_collection fun(given_home: string, home: string): boolean, any
---@field collect_file fun(collection: integer, given: table): boolean, any
---@field take_contested fun(collection: integer, places: string[], all: boolean): boolean, any
---@field collect_tree fun(asked: table): boolean, any a table of number, passed and members
---@field tree_takes fun(asked: table): boolean, any source, below, exclude, include
---@field set_scope fun(user: string?, home: string, project: table?): boolean, any
---@field write_file fun(path: string, text: string): boolean, any
---@field user_home fun(name: string): boolean, any
---@field add_chunk fun(name: string, text: string): boolean, any
---@field add_read fun(path: string): boolean, any
---@field originals table<string, table<string, any>>
---@field set_fixed fun(functions: table<string, function>): boolean, any
---@field run_interruptibly fun(callback: function): boolean, any
---@field enter_coroutine fun(thread: thread): userdata
---@field leave_coroutine fun(before: userdata)
---@field add_environment fun(environment: table): boolean, any
---@field close_environment fun(environment: table, module: table): boolean, any
---@field set_kinds fun(shown: table, metatables: table<string, table>): boolean, any
---@field is_reference fun(value: any): boolean, any
---@field list_tree fun(path: string): boolean, any
---@field list_directory fun(path: string, is_deep: boolean?): boolean, any
---@field stands fun(path: string): boolean, any
---@field shipped string what the chunk names of shipped modules begin with
---@field set_own_directory fun(prefix: string): boolean, any
---@field position fun(): boolean, any
---@field positions fun(): boolean, any
---@field continue_positions fun(chain: string[]): boolean, any
---@field end_positions fun(): boolean, any
---@field set_fallback_position fun(line: string): boolean, any
---@field position_of fun(callback: function): boolean, any
---@field manifest_table fun(manifest: any, has_bytes: boolean?): boolean, any
---@field manifest_details fun(manifest: any): boolean, any
---@field manifest_json fun(manifest: any): boolean, any
---@field report_json fun(value: any): boolean, any
---@field to_json fun(value: any, pretty: boolean?, name: string?): boolean, any
---@field parse fun(text: string, format: string, name: string?): boolean, any
---@field to_toml fun(value: any, pretty: boolean?): boolean, any
---@field to_yaml fun(value: any): boolean, any
---@field to_ini fun(value: any, indent: string, separator: string): boolean, any
---@field manifest_reads fun(manifest: any): boolean, any
---@field watch_look fun(paths: string[]): boolean, any
---@field watch_wait fun(paths: string[], known: string): boolean, any
---@field render_template fun(...: any): boolean, any texts, name, values
---@field exists fun(path: string): boolean, any
---@field read_file fun(path: string): boolean, any
---@field can_read fun(path: string): boolean, any
---@field is_private fun(path: string): boolean, any
---@field read_link fun(path: string): boolean, any
---@field export fun(objects: string[], to: string|syslua.Writer, options: table?): boolean, any
---@field import_closure fun(path: string?, options: table?): boolean, any
---@field absolute fun(path: string): boolean, any
---@field secrets_get fun(file: string, key: string?): boolean, any
---@field secrets_set fun(file: string, key: string, text: string, kind: string?): boolean, any
---@field secrets_rotate fun(file: string, recipients: string[]?): boolean, any
---@field secrets_recipients fun(file: string, action: string, recipient: string?): boolean, any
---@field secrets_keygen fun(file: string?): boolean, any
---@field leave_no_core fun(): boolean, any
---@field secrets_edit fun(file: string, editor: string[], on_problem: syslua.Asker): boolean, any
---@field declare_secret_variables fun(variables: table[], positions: string[]): boolean, any
---@field secret_document fun(...: any): boolean, any kind, name, content, leaf, map
---@field secrets_outline fun(file: string): boolean, any
---@field check_package fun(manager: string, name: string): boolean, any
---@field render_service fun(declaration: table, os: string): boolean, any
---@field given_unit fun(name: string, scope: string, text: string): boolean, any
---@field declare_text fun(name: string, text: string, positions: string[]): boolean, any
---@field services fun(options: syslua.Options?): boolean, any
---@field user_number fun(name: string): boolean, any
---@field [string] fun(...: any): boolean, any

return syslua
