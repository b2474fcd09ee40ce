-- One release of the tool: where it is, and what its bytes hash to (`sha256sum greet-1.0.tar.gz`).
-- A download with another hash is refused.
return {
  version = "1.0",
  url = "http://127.0.0.1:8000/greet-1.0.tar.gz",
  sha256 = "50d817948630c6f262293949d1430efde482862b7eff673971c4d3334584fef2",
}
