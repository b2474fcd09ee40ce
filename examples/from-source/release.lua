-- One release of the library: where its repository is, the commit, and what the files of that hash
-- to (`nix-prefetch-git URL REV` prints it, and so does `nix-hash --type sha256` for a directory
-- without `.git`).
return {
  version = "1.0",
  url = "file:///tmp/counting.git",
  rev = "81ea4c28f64bb42902f658eaef8593a8f56a2c08",
  sha256 = "7a465f084877c48ec50bb5af5a32c7afca3f02653785cce5deeb2a8aa706b62f",
}
