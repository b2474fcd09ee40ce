-- Dotfiles: four files in your home and two environment variables.
--
--   lua -l syslua plan examples/dotfiles     shows what would happen
--   lua -l syslua apply examples/dotfiles    makes it so
--
-- Remove an entry and apply again: the file it put there is gone. Nothing else of yours is touched;
-- a file that is there already is never overwritten, apply refuses instead.

-- This is plain Lua: values, functions, loops and your own modules all work.
local name = "Ada Lovelace"
local email = "ada@example.org"

return {
  setup = function()
    -- A file from a source beside this one. What `~/.bashrc` links to is a copy in the store: to
    -- change it, edit `bashrc` here and apply.
    file({ path = "~/.bashrc", source = "bashrc" })

    -- A `mutable` one is linked to the source itself: an edit on either side is seen at once.
    file({ path = "~/.zshrc", source = "zshrc", mutable = true })

    -- A file from a text, which Lua can put together.
    file({
      path = "~/.gitconfig",
      content = "[user]\n"
        .. ("\tname = %s\n\temail = %s\n"):format(name, email)
        .. "[init]\n\tdefaultBranch = main\n"
        .. "[pull]\n\trebase = true\n",
    })

    -- Directories that are missing are made, and go again when they are empty.
    file({ path = "~/.config/git/ignore", source = "gitignore" })

    -- Variables of the environment. PATH is a list: what is declared here comes before the rest.
    -- `bashrc` and `zshrc` source the script that sets them.
    env({
      EDITOR = "vim",
      PATH = { "~/.local/bin" },
    })
  end,
}
