--- `syslua.error(e)`: the failure behind whatever a `pcall` caught.
return require("syslua.util.failure").from
