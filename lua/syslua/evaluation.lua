--- The evaluation under way. This value and its half in the bindings (`state.rs`) own everything
-- that begins and ends with it: the platform, the directory, the blocks of declarations; the
-- positions, the texts of files, and what is recorded. It does not know what helpers collect.

local bindings = require("syslua.bindings")

---@class syslua.evaluation.Room
---@field current syslua.Evaluation? the innermost one under way; only this file sets it
local evaluation = {}

--- One evaluation.
---@class syslua.Evaluation
---@field outer syslua.Evaluation? the evaluation that it is part of
---@field target table the platform that it is for, with host name and user name
---@field is_foreign boolean whether that is another machine's
---@field directory string the absolute directory of the entry file
---@field home string the home of who evaluates
---@field blocks syslua.Block[] all blocks, in order of their first use
---@field block syslua.Block the current one
---@field is_own boolean? inside of `user{}` for oneself, which takes precedence over common
--- declarations
---@field own_block syslua.Block? what root declares for the environment of root alone
---@field separators table<string, string|false> of variables that the config
--- defined: false is singular
---@field notify fun(message: string, position: string?) tells the user something
---@field project syslua.TrustedProject? the project that the files evaluated are the body of
---@field on_file fun(file: table)? is told of each `file{}` that counts
---@field answers syslua.answers.Session what it asks its user, and the answers
---@field loader syslua.Loader? reads its files
---@field private_texts { part: string, name: string }[]? what only the owners of files can read
---@field texts table<string, string>? the files that texts of `lib.read` are the contents of
---@field registry syslua.tool_registry.Session? where the registries of tools are
---@field input_trees string[]? the trees of inputs that came from elsewhere

--- Begins an evaluation: `evaluation.finish` or `evaluation.abandon` ends it.
---@param value syslua.Evaluation
---@param options table the root, and whether a verb follows
---@param places table<string, string>? where the files are, if the config is restored from a copy
function evaluation.begin(value, options, places)
  bindings.call("begin_evaluation", value.target, options, value.directory, places)
  value.outer = evaluation.current
  evaluation.current = value
end

local function close()
  evaluation.current = assert(evaluation.current).outer
end

--- Ends the innermost evaluation, and drops what it recorded.
function evaluation.abandon()
  close()
  bindings.call("abandon_evaluation")
end

--- Ends the innermost evaluation; returns its manifest.
---@param config string the path of the entry file
---@param files table<string, string> the texts of the files of the config
---@return table
function evaluation.finish(config, files)
  close()
  return bindings.call("finish_evaluation", config, files)
end

return evaluation
