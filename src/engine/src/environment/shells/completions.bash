# Has bash read the completions in directories when they are asked for.
MEMORY_complete() {
  \local directory file name
  MEMORY_directories=("$@")
  for directory; do
    for file in "$directory"/*; do
      name=${file##*/}
      if [[ -r $file ]]; then \complete -F MEMORY_load -- "${name%.bash}"; fi
    done
  done
}
MEMORY_load() {
  \local directory
  \complete -r -- "$1" 2>/dev/null
  for directory in "${MEMORY_directories[@]}"; do
    if [[ -r $directory/$1 ]]; then \. "$directory/$1"; \return 124; fi
    if [[ -r $directory/$1.bash ]]; then \. "$directory/$1.bash"; \return 124; fi
  done
}
