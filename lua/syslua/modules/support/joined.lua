-- What packages in `pkgs/joined` share: the tools that they join.

---@class syslua.joined.Options
---@field installed boolean? whether the programs come from elsewhere, such as `packages{}`
---@field tools syslua.tools.Given? what is installed otherwise, for `tools{}`: name and version

local joined = {}

--- Installs the tools of a package, unless they come from elsewhere.
---@param options syslua.joined.Options
function joined.install(options)
  if not options.installed then
    tools(options.tools or {})
  end
end

--- A recipe that is a revision of a repository, as it is.
---@param opts { url: string, rev: string, sha256: string? }
---@param ctx syslua.BuildContext
function joined.fetch(opts, ctx)
  ctx.copy(ctx.fetch_git(opts.url, opts.rev, opts.sha256), ctx.out)
end

return joined
