--- The modules of bash, zsh, fish and vim: what the programs themselves have after they read what
-- was written, for the settings that people have most, and for values of any characters.

local hostile = require("spec.support.hostile_texts")
local machine = require("spec.support.machine")
local process = require("spec.support.process")
local random = require("spec.support.random")

describe("modules.programs. #once", function()
  local here = machine.for_each_test(function(here)
    -- Otherwise fish begins to make completions of its own in the background.
    here.shell("mkdir -p ~/.local/share/fish/generated_completions")
  end)

  local function must(line)
    local result = here.shell(line, { TERM = "dumb" })
    assert.equal(0, result.code, result.stdout .. result.stderr)
    return result.stdout
  end

  local function it_has(name, description, body)
    local is_there = process.has(name == "vim" and "vim" or name)
    return (is_there and it or pending)(name .. " " .. description, body)
  end

  -- What an interactive shell prints for lines, each ended by a NUL byte.
  local function ask(shell, lines)
    here.write("ask", table.concat(lines, "\n") .. "\n")
    local found = {}
    local output = must(shell .. " -ic '. ./ask' 2>/dev/null </dev/null")
    for text in output:gmatch("<([^%z]*)>%z") do
      found[#found + 1] = text
    end
    return found
  end

  local to_lua = hostile.to_lua

  it_has("bash", "has what people set most", function()
    here.apply([==[
      env { EDITOR = "vim" }
      require("modules.programs.bash").setup {
        aliases = { ll = "ls -l", [".."] = "cd .." },
        functions = { mkcd = 'mkdir -p "$1" && cd "$1"', broken = "if then" },
        shopt = { globstar = true, checkwinsize = false },
        set = { noclobber = true },
        variables = { PROMPT_DIRTRIM = 2 },
        history = { size = 50, file_size = 70, control = { "ignorespace", "erasedups" },
          ignore = { "ls", "a:b" }, time_format = "%F %T " },
        keymap = "vi",
        binds = { ['"\\C-t"'] = "transpose-words" },
        prompt = "\\u@\\h \\w\\$ ",
        extra = { "EXTRA=last" },
        profile = { "PROFILE=yes" },
      }
    ]==])
    local found = ask("bash", {
      "show() { printf '<%s>\\0' \"$1\"; }",
      'show "${BASH_ALIASES[ll]}"; show "${BASH_ALIASES[..]}"',
      'mkcd made/deep; show "${PWD##*/}"',
      "shopt -q globstar; show $?; shopt -q checkwinsize; show $?",
      '[[ -o noclobber ]]; show $?; show "$PROMPT_DIRTRIM"',
      'show "$HISTSIZE $HISTFILESIZE $HISTCONTROL $HISTIGNORE $HISTTIMEFORMAT"',
      "[[ -o vi ]]; show $?",
      'show "$(bind -m vi-insert -q transpose-words)"',
      'show "$PS1"; show "$EXTRA"; show "$EDITOR"; show "$HISTFILE"',
    })
    assert.same({
      "ls -l",
      "cd ..",
      "deep",
      "0",
      "1",
      "0",
      "2",
      "50 70 ignorespace:erasedups ls:a\\:b %F %T ",
      "0",
      'transpose-words can be invoked via "\\C-t".',
      "\\u@\\h \\w\\$ ",
      "last",
      "vim",
      here.home .. "/.bash_history",
    }, found)
    assert.equal("yes last\n", must("bash -ilc 'echo $PROFILE $EXTRA' 2>/dev/null </dev/null"))
    -- What starts it without a terminal has the environment, and nothing else.
    assert.equal("vim\n", must("bash -c '. ~/.bashrc; echo $EDITOR $EXTRA'"))
  end)

  it_has("zsh", "has what people set most", function()
    here.apply([==[
      env { EDITOR = "vim" }
      require("modules.programs.zsh").setup {
        aliases = { ll = "ls -l" },
        global_aliases = { G = "| grep" },
        functions = { mkcd = 'mkdir -p "$1" && cd "$1"', broken = "if then" },
        setopt = { "EXTENDED_GLOB" },
        unsetopt = { "BEEP" },
        variables = { KEYTIMEOUT = 1 },
        history = { size = 50, path = "~/.cache/history of zsh" },
        keymap = "emacs",
        binds = { ["^X'"] = "beginning-of-line" },
        styles = {
          [":completion:*"] = { ["matcher-list"] = { "m:{a-z}={A-Z}", "r:|=*" }, menu = "select",
            rehash = true },
        },
        directories = { here = "~/made here" },
        prompt = "%n '%~'> ",
        extra = { "EXTRA=last" },
        profile = { "PROFILE=yes" },
      }
    ]==])
    must("zsh -n ~/.zshrc; mkdir -p ~/'made here'")
    local found = ask("zsh", {
      "show() { printf '<%s>\\0' \"$1\"; }",
      'show "$aliases[ll]"; show "$galiases[G]"',
      'mkcd made/deep; show "${PWD##*/}"',
      "[[ -o extendedglob ]]; show $?; [[ -o beep ]]; show $?",
      'show "$KEYTIMEOUT"; show "$HISTSIZE $SAVEHIST $HISTFILE"',
      "[[ -o sharehistory ]]; show $?",
      [[show "$(bindkey "^X'")"]],
      'zstyle -a ":completion:x" matcher-list found; show "$found[2]"',
      'zstyle -t ":completion:x" rehash; show $?',
      'show ~here; show "$PROMPT"; show "$EXTRA"; show "$EDITOR"',
      "show $+functions[compdef]",
    })
    assert.same({
      "ls -l",
      "| grep",
      "deep",
      "0",
      "1",
      "1",
      "50 50 " .. here.home .. "/.cache/history of zsh",
      "0",
      '"^X\'" beginning-of-line',
      "r:|=*",
      "0",
      here.home .. "/made here",
      "%n '%~'> ",
      "last",
      "vim",
      "1",
    }, found)
    assert.equal("yes\n", must("zsh -lc 'echo $PROFILE'"))
  end)

  it_has("fish", "has what people set most", function()
    here.apply([==[
      env { EDITOR = "vim" }
      require("modules.programs.fish").setup {
        aliases = { ll = "ls -l" },
        abbreviations = { gs = "git status --short" },
        functions = { mkcd = "mkdir -p $argv[1]; and cd $argv[1]", broken = "if" },
        variables = { list = { "a b", "c" }, single = "x" },
        colors = { command = { "blue", "--bold" } },
        paths = { "~/my bin" },
        keymap = "vi",
        binds = { ["\\cx"] = "beginning-of-line" },
        greeting = "it's me",
        prompt = "echo -n 'here> '",
        extra = { "set -g EXTRA last" },
      }
    ]==])
    must("fish --no-execute ~/.config/fish/config.fish; mkdir -p ~/'my bin'")
    local found = ask("fish", {
      "function show; printf '<%s>\\0' \"$argv\"; end",
      "functions ll | string match -q '*ls -l $argv*'; show $status",
      "abbr --show | string match -q '*git status --short*'; show $status",
      "mkcd made/deep; show (string split / -- $PWD)[-1]",
      "show (count $list) $list[1] $single",
      "show $fish_color_command",
      "contains -- ~/'my bin' $PATH; show $status",
      "show $fish_key_bindings; bind \\cx | string match -q '*beginning-of-line*'; show $status",
      "show $fish_greeting; show (fish_prompt); show $EXTRA; show $EDITOR",
    })
    assert.same({
      "0",
      "0",
      "deep",
      "2 a b x",
      "blue --bold",
      "0",
      "fish_vi_key_bindings",
      "0",
      "it's me",
      "here> ",
      "last",
      "vim",
    }, found)
  end)

  -- What Vim says of expressions, each a line.
  local function ask_vim(expressions)
    local lines = {}
    for index, expression in ipairs(expressions) do
      lines[index] = ("call writefile([%s], 'answers', 'ab')"):format(expression)
      lines[index] = lines[index] .. "\ncall writefile([''], 'answers', 'a')"
    end
    here.write("ask.vim", table.concat(lines, "\n") .. "\nqall!\n")
    must("rm -f answers; vim -es -u ~/.vimrc -S ask.vim </dev/null")
    local found = {}
    for line in here.read("answers"):gmatch("([^\n]*)\n") do
      found[#found + 1] = line
    end
    return found
  end

  it_has("vim", "has what people set most", function()
    here.apply([==[
      require("modules.programs.vim").setup {
        default_editor = true,
        globals = { mapleader = " ", list = { 1, "a'b", { x = true } } },
        settings = { number = true, wrap = false, tabstop = 2, wildignore = { "*.o", "a,b" },
          listchars = "tab:> ,trail:|", statusline = "%f \"x\" | 'y'" },
        colorscheme = "desert",
        keymaps = {
          { key = "<leader>w", action = ":w | echo 'x'<CR>" },
          { key = "a b", action = "  x", mode = "nv", silent = false },
          { key = "<F2>", action = "col('.')", mode = "i", expr = true },
        },
        autocommands = {
          { event = { "BufNewFile", "BufRead" }, pattern = { "*.a b", "*.c" },
            command = "setlocal filetype=mine" },
        },
        extra = { "let g:extra = 'last'" },
      }
    ]==])
    here.write("x.a b", "")
    local found = ask_vim({
      "&number . &wrap . &tabstop",
      "&wildignore",
      "&listchars",
      "&statusline",
      "g:mapleader . string(g:list)",
      "get(g:, 'colors_name', 'no colors')",
      "maparg('<Space>w', 'n')",
      "maparg('a b', 'v') . maparg('a b', 'n', 0, 1).silent",
      "string(maparg('<F2>', 'i', 0, 1).expr)",
      "matchstr(execute('silent edit x.a\\ b') . &filetype, 'mine$')",
      "g:extra",
    })
    -- A Vim without its runtime files has no colour schemes.
    found[6] = found[6] == "no colors" and "desert" or found[6]
    assert.same({
      "102",
      "*.o,a\\,b",
      "tab:> ,trail:|",
      "%f \"x\" | 'y'",
      " [1, 'a''b', {'x': v:true}]",
      "desert",
      ":w | echo 'x'<CR>",
      "  x0",
      "1",
      "mine",
      "last",
    }, found)
    assert.has_variable(
      here.evaluate([[
      require("modules.programs.vim").setup { default_editor = true }
    ]]),
      "EDITOR",
      "vim"
    )
  end)

  -- Values of any characters, by shell: how they are declared, and how they are shown.
  local values = {
    bash = {
      'aliases = { ["a%d"] = %s }, variables = { v%d = %s }',
      '"${BASH_ALIASES[a%d]}"',
      '"$v%d"',
    },
    zsh = { 'aliases = { ["a%d"] = %s }, variables = { v%d = %s }', '"$aliases[a%d]"', '"$v%d"' },
    fish = { "variables = { a%d = %s, v%d = { %s } }", '"$a%d"', '"$v%d"' },
  }
  for name, how in pairs(values) do
    it_has(name, "has each value, byte for byte", function()
      local texts = hostile.make(random.new(21), 60, { "\n", "\r" })
      local lines, questions, expected = {}, {}, {}
      for index, text in ipairs(texts) do
        local shown = to_lua(text)
        lines[index] = ('require("modules.programs.%s").setup { %s }'):format(
          name,
          how[1]:format(index, shown, index, shown)
        )
        for _, question in ipairs({ how[2], how[3] }) do
          questions[#questions + 1] = "printf '<%s>\\0' " .. question:format(index)
          expected[#expected + 1] = text
        end
      end
      here.apply(table.concat(lines, "\n"))
      assert.same(expected, ask(name, questions))
    end)
  end

  it_has("vim", "has each value, byte for byte", function()
    local texts = hostile.make(random.new(22), 60, { "\n", "\r" })
    local lines, questions, expected = {}, {}, {}
    for index, text in ipairs(texts) do
      lines[index] = ("v%d = %s"):format(index, to_lua(text))
      -- As numbers, since lines of a file cannot have line breaks.
      local question = "join(map(range(strlen(g:v%d)), 'char2nr(strpart(g:v%d, v:val, 1))'))"
      questions[index] = question:format(index, index)
      local bytes = {}
      for byte in text:gmatch(".") do
        bytes[#bytes + 1] = byte:byte()
      end
      expected[index] = table.concat(bytes, " ")
    end
    here.apply(
      ([[require("modules.programs.vim").setup { globals = { %s } }]]):format(
        table.concat(lines, ", ")
      )
    )
    assert.same(expected, ask_vim(questions))
  end)

  it("refuse what would be something else", function()
    local wrong = {
      bash = {
        "keymap = 'nano'",
        "shopt = { ['a b'] = true }",
        "shopt = { globstar = 'yes' }",
        "aliases = { ['a b'] = 'x' }",
        "aliases = { a = 'x\\0y' }",
        "functions = { ['f; rm'] = 'x' }",
        "functions = { f = ' ' }",
        "variables = { ['a=b'] = 'x' }",
        "history = { size = 1.5 }",
        "binds = { ['a\\nb'] = 'x' }",
      },
      zsh = {
        "setopt = { 'A; B' }",
        "keymap = 'x'",
        "directories = { ['a/b'] = '/' }",
        "global_aliases = { ['$x'] = 'y' }",
      },
      fish = {
        "functions = { ['f; x'] = 'true' }",
        "abbreviations = { ['-x'] = 'y' }",
        "colors = { ['a b'] = 'red' }",
        "variables = { ['a-b'] = 1 }",
      },
      vim = {
        "settings = { ['a b'] = 1 }",
        "globals = { ['a b'] = 1 }",
        "globals = { a = '\\0' }",
        "keymaps = { { key = 'a\\nb', action = 'x' } }",
        "keymaps = { { key = 'a', action = 'x', mode = 'q' } }",
        "keymaps = { { action = 'x' } }",
        "autocommands = { { event = 'A', command = 'a\\nb' } }",
        "colorscheme = 'a | b'",
      },
      fzf = { "shells = { 'cmd' }" },
    }
    for name, list in pairs(wrong) do
      for _, options in ipairs(list) do
        local setup = [[require("modules.programs.%s").setup { %s }]]
        local message = here.fail(setup:format(name, options)).message
        assert.truthy(message:find(name, 1, true) or message:find("NUL byte", 1, true), message)
      end
    end
  end)

  it("fzf divides its arguments as they were given", function()
    local found = here.evaluate([[
      require("modules.programs.fzf").setup { command = "fd --type f",
        arguments = { "--height=40%", "--prompt=it's > ", "--bind", "ctrl-a:select-all" } }
    ]])
    assert.has_variable(found, "FZF_DEFAULT_COMMAND", "fd --type f")
    local value = [[--height=40% '--prompt=it'\''s > ' --bind ctrl-a:select-all]]
    assert.has_variable(found, "FZF_DEFAULT_OPTS", value)
  end)
end)
