# Takes back functions of before. Aliases come before functions: one of the same name steps aside, and comes back.
$__syslua_old = Get-Variable -Scope Global -Name 'MEMORY_functions' -ValueOnly -ErrorAction SilentlyContinue
if ($__syslua_old) {
  foreach ($__syslua_name in @($__syslua_old.Keys)) {
    Remove-Item -Path "Function:$__syslua_name" -ErrorAction SilentlyContinue
    if ($__syslua_old[$__syslua_name] -ne '') {
      Set-Alias -Scope Global -Name $__syslua_name -Value $__syslua_old[$__syslua_name] -Force -ErrorAction SilentlyContinue
    }
  }
}
$global:MEMORY_functions = @{}
# Defines a function: its name, and its text. What cannot be read is an error of this function only.
function __syslua_function([string]$Name, [string]$Text) {
  try {
    $block = [scriptblock]::Create($Text)
    $old = ''
    # Each scope may have a copy of an alias.
    for ($turn = 0; ($turn -lt 9) -and (Test-Path -Path "Alias:$Name"); $turn++) {
      $old = [string](Get-Alias -Name $Name).Definition
      Remove-Item -Path "Alias:$Name" -Force -ErrorAction SilentlyContinue
    }
    Set-Item -Path "Function:global:$Name" -Value $block
    $global:MEMORY_functions[$Name] = $old
  } catch {
    [Console]::Error.WriteLine("sys.lua: the function ${Name}: $_")
  }
}
