# At each prompt: reads the environment again when there is another snapshot, and enters and leaves projects. It starts no
# process for those of the config. Works in Windows PowerShell 5.1 and later.
# Takes back all that this root set, once it is gone: first what its projects set.
function global:__syslua_revert_ID {
  $__syslua_layers = @(([string]$env:__SYSLUA_LAYERS).Split(' '))
  [array]::Reverse($__syslua_layers)
  foreach ($__syslua_layer in $__syslua_layers) {
    if ($__syslua_layer -cnotmatch '^[0-9a-f]+\+[12]\.SHORT$') { continue }
    . ([scriptblock]::Create(FUNCTIONS))
    __syslua_leave "__SYSLUA_$($__syslua_layer.Split('+')[0])"
    __syslua_end
  }
  . ([scriptblock]::Create(FUNCTIONS))
  __syslua_drop 'MEMORY' @()
  __syslua_end
  $env:MEMORY_inside = $null
  $env:MEMORY_entered = $null
  $global:__syslua_named_ID = '?'
}

function global:__syslua_hook_ID {
  $__syslua_line = ''
  try {
    $__syslua_reader = New-Object System.IO.StreamReader (FILE)
    try { $__syslua_line = [string]$__syslua_reader.ReadLine() } finally { $__syslua_reader.Dispose() }
  } catch { }
  $__syslua_directory = $ExecutionContext.SessionState.Path.CurrentFileSystemLocation.ProviderPath
  if (($__syslua_line -ceq $global:__syslua_seen_ID) -and ($__syslua_directory -ceq $global:__syslua_directory_ID)) { return }
  $__syslua_is_new = $__syslua_line -cne $global:__syslua_seen_ID
  $global:__syslua_seen_ID = $__syslua_line
  $global:__syslua_directory_ID = $__syslua_directory
  if ($__syslua_is_new) {
    if ($__syslua_line -ne '') { . (FILE) } else { . __syslua_revert_ID }
  }
  # The projects around the directory, outermost first: each as SNAPSHOT/projects/NAME.
  $__syslua_now = @()
  try {
    foreach ($__syslua_one in [System.IO.File]::ReadAllLines((CURRENT) + '/projects/list')) {
      $__syslua_name, $__syslua_path = $__syslua_one.Split([char[]]' ', 2)
      $__syslua_path = $__syslua_path.TrimEnd('/', '\') + [System.IO.Path]::DirectorySeparatorChar
      $__syslua_here = $__syslua_directory + [System.IO.Path]::DirectorySeparatorChar
      # What the shell was started in is neither entered nor left.
      $__syslua_own = ([string]$env:MEMORY_shell).Split(' ') -ccontains $__syslua_name.Split('/')[-1]
      if ($__syslua_own) { continue }
      if ($__syslua_here.StartsWith($__syslua_path, [System.StringComparison]::Ordinal)) { $__syslua_now += $__syslua_name }
    }
  } catch { }
  $__syslua_before = @(([string]$env:MEMORY_inside).Split(' ') | Where-Object { $_ -ne '' })
  if (($__syslua_now -join ' ') -ceq ($__syslua_before -join ' ')) {
    # A shell inside a shell has the variables, and no functions.
    if (($__syslua_now -join ' ') -ceq $global:__syslua_entered_ID) { return }
  }
  $global:__syslua_entered_ID = $__syslua_now -join ' '
  if ($__syslua_before.Count -gt 0) { $global:__syslua_named_ID = '?' }
  # What they have in common stays; what lies in one that is entered or left now is left, innermost first.
  $__syslua_kept = 0
  while (($__syslua_kept -lt $__syslua_before.Count) -and ($__syslua_kept -lt $__syslua_now.Count)) {
    if ($__syslua_before[$__syslua_kept] -cne $__syslua_now[$__syslua_kept]) { break }
    $__syslua_kept++
  }
  for ($__syslua_at = $__syslua_before.Count - 1; $__syslua_at -ge $__syslua_kept; $__syslua_at--) {
    $__syslua_path = (SNAPSHOTS) + '/' + $__syslua_before[$__syslua_at] + '/leave.ps1'
    if ([System.IO.File]::Exists($__syslua_path)) { . $__syslua_path }
  }
  foreach ($__syslua_name in $__syslua_now) {
    $__syslua_path = (SNAPSHOTS) + '/' + $__syslua_name + '/env.ps1'
    if ([System.IO.File]::Exists($__syslua_path)) { . $__syslua_path }
  }
  if ($__syslua_now.Count -gt 0) {
    $env:MEMORY_inside = ' ' + ($__syslua_now -join ' ') + ' '
  } else {
    $env:MEMORY_inside = $null
  }
}

# A prompt that has it already is left as it is. What stood there before is in the prompt itself: another one may stand
# around that later.
if (([string]$function:prompt) -notmatch '__syslua_hook_ID') {
  $global:__syslua_seen_ID = ''
  $global:__syslua_directory_ID = ''
  $global:__syslua_entered_ID = ''
  $global:__syslua_named_ID = ''
  & {
    param($__syslua_prompt)
    Set-Item -Path Function:global:prompt -Value {
      $__syslua_is_good = $?
      $__syslua_code = $global:LASTEXITCODE
      try { __syslua_hook_ID } catch { [Console]::Error.WriteLine("sys.lua: $_") }
      try { __syslua_projects_ID } catch { [Console]::Error.WriteLine("sys.lua: $_") }
      # The mark in the prompt, for what the hook entered.
      $__syslua_mark = ''
      # The name of the innermost one, where it has changed. A directory's one is innermost.
      if ([string]$env:MEMORY_entered -eq '') {
        $__syslua_name = ([string]$global:__syslua_entered_ID).Split(' ')[-1].Split('/')[-1]
        if (($__syslua_name -eq '') -and ([string]$global:__syslua_named_ID -ne '')) {
          $__syslua_own = @(([string]$env:MEMORY_shell).Split(' ') | Where-Object { $_ -ne '' })
          if ($__syslua_own.Count -gt 0) { $env:SYSLUA_PROJECT = $__syslua_own[-1].TrimStart(':') }
          else { $env:SYSLUA_PROJECT = $null }
        } elseif ($__syslua_name -ne '') { $env:SYSLUA_PROJECT = $__syslua_name }
        $global:__syslua_named_ID = $__syslua_name
      }
      if ([string]$env:MEMORY_entered + [string]$env:MEMORY_inside -ne '') { $__syslua_mark = "($env:SYSLUA_PROJECT) " }
      $global:LASTEXITCODE = $__syslua_code
      # The prompt may show whether the last command succeeded.
      if ($__syslua_is_good) { $null = 1 } else { Write-Error '' -ErrorAction Ignore }
      if ($__syslua_mark -ne '') { $__syslua_mark + (& $__syslua_prompt) } else { & $__syslua_prompt }
    }.GetNewClosure()
  } $function:prompt
}
