# At each prompt: enters and leaves directories with an entry file. It starts a process only when there are others around,
# or one of their files has changed. Works in Windows PowerShell 5.1 and later.
function global:__syslua_watch_ID {
  foreach ($__syslua_one in $global:__syslua_watched_ID) {
    $__syslua_file, $__syslua_note, $__syslua_is_there = $__syslua_one
    $__syslua_is_found = [System.IO.File]::Exists($__syslua_file) -or [System.IO.Directory]::Exists($__syslua_file)
    if ($__syslua_is_found -ne $__syslua_is_there) { return $true }
    if ($__syslua_is_found -and ($__syslua_note -ne '')) {
      if (-not [System.IO.File]::Exists($__syslua_note)) { return $true }
      $__syslua_time = [System.IO.File]::GetLastWriteTimeUtc($__syslua_file)
      if ($__syslua_time -gt [System.IO.File]::GetLastWriteTimeUtc($__syslua_note)) { return $true }
    }
  }
  return $false
}
function global:__syslua_projects_ID {
  $__syslua_directory = $ExecutionContext.SessionState.Path.CurrentFileSystemLocation.ProviderPath
  $__syslua_found = @()
  $__syslua_at = [string]$__syslua_directory
  # Each turn makes the path shorter.
  while ($__syslua_at -ne '') {
    $__syslua_file = [System.IO.Path]::Combine($__syslua_at, 'syslua.lua')
    if ([System.IO.File]::Exists($__syslua_file) -or [System.IO.Directory]::Exists($__syslua_file)) {
      $__syslua_found = @($__syslua_at) + $__syslua_found
    }
    $__syslua_at = [string][System.IO.Path]::GetDirectoryName($__syslua_at)
  }
  $__syslua_found = $__syslua_found -join '|'
  $__syslua_layers = [string]$env:MEMORY_entered
  if ($null -eq $global:__syslua_found_ID) {
    if (($__syslua_found -eq '') -and ($__syslua_layers -eq '')) { return }
  } elseif (($__syslua_found -ceq $global:__syslua_found_ID) -and -not (__syslua_watch_ID)) {
    return
  }
  $__syslua_start = New-Object System.Diagnostics.ProcessStartInfo
  $__syslua_start.FileName = STEP_PROGRAM
  $__syslua_start.Arguments = STEP_ARGUMENTS
  $__syslua_start.WorkingDirectory = $__syslua_directory
  $__syslua_start.UseShellExecute = $false
  $__syslua_start.RedirectStandardOutput = $true
  $__syslua_start.StandardOutputEncoding = New-Object System.Text.UTF8Encoding $false
  $__syslua_values = @{
    STEP_VARIABLES
    'SYSLUA_ENTERED' = $__syslua_layers
    'SYSLUA_SAID' = [string]$global:__syslua_said_ID
    'SYSLUA_SEEN' = $(if ($null -eq $global:__syslua_found_ID) { '' } else { '1' })
  }
  foreach ($__syslua_name in @($__syslua_values.Keys)) {
    $__syslua_start.EnvironmentVariables[$__syslua_name] = $__syslua_values[$__syslua_name]
  }
  $global:__syslua_found_ID = $__syslua_found
  $__syslua_process = [System.Diagnostics.Process]::Start($__syslua_start)
  $__syslua_text = $__syslua_process.StandardOutput.ReadToEnd()
  $__syslua_process.WaitForExit()
  # Each script may begin with the mark of UTF-8.
  . ([scriptblock]::Create($__syslua_text.Replace([string][char]0xFEFF, '')))
}
$global:__syslua_found_ID = $null
$global:__syslua_watched_ID = @()
$global:__syslua_said_ID = ''
