-- `require("syslua")` of the files: it hands over to the shared library of that name. It stands on
-- package.path so that a
-- `syslua.lua` of the working directory, the entry file of somebody's project, is never taken for
-- the module.

---@type any
---@diagnostic disable-next-line: access-invisible
local search = (package.searchers or package.loaders)[3]

-- Places that do not depend on the working directory come first.
local all, absolute = package.cpath, {}
for template in all:gmatch("[^;]+") do
  if template:find("^/") or template:find("^%a:") then
    absolute[#absolute + 1] = template
  end
end
package.cpath = table.concat(absolute, ";")
local load_library, place = search("syslua")
package.cpath = all
if type(load_library) ~= "function" then
  load_library, place = search("syslua")
end
if type(load_library) ~= "function" then
  error("the library `syslua` is not on package.cpath: " .. tostring(load_library), 0)
end
return load_library("syslua", place)
