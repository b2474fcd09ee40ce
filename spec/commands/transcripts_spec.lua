--- What commands print, as users see it: `spec/transcripts/`. `.ci/transcripts` writes what they
--- print now; read the difference before you commit it.

local transcript = require("spec.support.transcript")
local tree = require("spec.support.tree")

describe("the transcript #once", function()
  for _, name in ipairs(transcript.list()) do
    it(name:match("([^/]+)%.txt$"), function()
      local expected = tree.read(name)
      local found = transcript.run(expected)
      if transcript.is_writing then
        transcript.write(name, found)
      else
        assert.is_true(expected == found, transcript.diff(name, found))
      end
    end)
  end
end)
