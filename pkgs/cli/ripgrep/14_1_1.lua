-- ripgrep 14.1.1: where its archives are, and what they hash to.

return {
  version = "14.1.1",
  archives = {
    ["x86_64-linux"] = {
      url = "https://github.com/BurntSushi/ripgrep/releases/download/14.1.1/"
        .. "ripgrep-14.1.1-x86_64-unknown-linux-musl.tar.gz",
      sha256 = "4cf9f2741e6c465ffdb7c26f38056a59e2a2544b51f7cc128ef28337eeae4d8e",
      strip = 1,
      programs = { ["rg"] = "rg" },
    },
    ["aarch64-linux"] = {
      url = "https://github.com/BurntSushi/ripgrep/releases/download/14.1.1/"
        .. "ripgrep-14.1.1-aarch64-unknown-linux-gnu.tar.gz",
      sha256 = "c827481c4ff4ea10c9dc7a4022c8de5db34a5737cb74484d62eb94a95841ab2f",
      strip = 1,
      programs = { ["rg"] = "rg" },
    },
    ["x86_64-darwin"] = {
      url = "https://github.com/BurntSushi/ripgrep/releases/download/14.1.1/"
        .. "ripgrep-14.1.1-x86_64-apple-darwin.tar.gz",
      sha256 = "fc87e78f7cb3fea12d69072e7ef3b21509754717b746368fd40d88963630e2b3",
      strip = 1,
      programs = { ["rg"] = "rg" },
    },
    ["aarch64-darwin"] = {
      url = "https://github.com/BurntSushi/ripgrep/releases/download/14.1.1/"
        .. "ripgrep-14.1.1-aarch64-apple-darwin.tar.gz",
      sha256 = "24ad76777745fbff131c8fbc466742b011f925bfa4fffa2ded6def23b5b937be",
      strip = 1,
      programs = { ["rg"] = "rg" },
    },
    ["x86_64-windows"] = {
      url = "https://github.com/BurntSushi/ripgrep/releases/download/14.1.1/"
        .. "ripgrep-14.1.1-x86_64-pc-windows-msvc.zip",
      sha256 = "d0f534024c42afd6cb4d38907c25cd2b249b79bbe6cc1dbee8e3e37c2b6e25a1",
      strip = 1,
      programs = { ["rg.exe"] = "rg.exe" },
    },
  },
}
