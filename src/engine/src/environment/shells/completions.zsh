# Has zsh find the completions in directories: in fpath, and at once where its completion system runs already.
MEMORY_complete() {
  \emulate -L zsh
  \local directory file line
  for directory; do
    if [[ ! -d $directory || -n ${fpath[(re)$directory]} ]]; then \continue; fi
    fpath=("$directory" "${fpath[@]}")
    if (( ! $+functions[compdef] )); then \continue; fi
    for file in "$directory"/_*(N); do
      line=
      \read -r line <"$file"
      if [[ $line == "#compdef "* ]]; then
        \autoload -Uz "${file:t}"
        compdef "${file:t}" ${=line#\#compdef }
      fi
    done
  done
}
