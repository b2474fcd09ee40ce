--- Checks that a text has all of these parts, and shows it when one is missing.

local assert = require("luassert")

---@param text string
---@param ... string
return function(text, ...)
  for _, part in ipairs({ ... }) do
    assert.truthy(text:find(part, 1, true), ("no %q in:\n%s"):format(part, text))
  end
end
