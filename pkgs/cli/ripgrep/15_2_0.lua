-- ripgrep 15.2.0: where its archives are, and what they hash to.

return {
  version = "15.2.0",
  archives = {
    ["x86_64-linux"] = {
      url = "https://github.com/BurntSushi/ripgrep/releases/download/15.2.0/"
        .. "ripgrep-15.2.0-x86_64-unknown-linux-musl.tar.gz",
      sha256 = "33e15bcf1624b25cdd2a55813a47a2f95dbe126268203e76aa6a585d1e7b149c",
      strip = 1,
      programs = { ["rg"] = "rg" },
    },
    ["aarch64-linux"] = {
      url = "https://github.com/BurntSushi/ripgrep/releases/download/15.2.0/"
        .. "ripgrep-15.2.0-aarch64-unknown-linux-gnu.tar.gz",
      sha256 = "a740b91c82eaf9914cfedd353572f2791cbe0162c84101ee0951058f4dcbc90d",
      strip = 1,
      programs = { ["rg"] = "rg" },
    },
    ["x86_64-darwin"] = {
      url = "https://github.com/BurntSushi/ripgrep/releases/download/15.2.0/"
        .. "ripgrep-15.2.0-x86_64-apple-darwin.tar.gz",
      sha256 = "af7825fcc69a2afc7a7aea55fc9af90e26421d8f20fe59df32e233c0b8a231c1",
      strip = 1,
      programs = { ["rg"] = "rg" },
    },
    ["aarch64-darwin"] = {
      url = "https://github.com/BurntSushi/ripgrep/releases/download/15.2.0/"
        .. "ripgrep-15.2.0-aarch64-apple-darwin.tar.gz",
      sha256 = "3750b2e93f37e0c692657da574d7019a101c0084da05a790c83fd335bad973e4",
      strip = 1,
      programs = { ["rg"] = "rg" },
    },
    ["x86_64-windows"] = {
      url = "https://github.com/BurntSushi/ripgrep/releases/download/15.2.0/"
        .. "ripgrep-15.2.0-x86_64-pc-windows-msvc.zip",
      sha256 = "71b2fef860abe467217a538ff31de02f5258807c0129f771846f87bd029aafc5",
      strip = 1,
      programs = { ["rg.exe"] = "rg.exe" },
    },
  },
}
