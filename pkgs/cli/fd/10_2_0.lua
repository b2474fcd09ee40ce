-- fd 10.2.0: where its archives are, and what they hash to.

return {
  version = "10.2.0",
  archives = {
    ["x86_64-linux"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.2.0/"
        .. "fd-v10.2.0-x86_64-unknown-linux-musl.tar.gz",
      sha256 = "d9bfa25ec28624545c222992e1b00673b7c9ca5eb15393c40369f10b28f9c932",
      strip = 1,
      programs = { ["fd"] = "fd" },
    },
    ["aarch64-linux"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.2.0/"
        .. "fd-v10.2.0-aarch64-unknown-linux-musl.tar.gz",
      sha256 = "4e8e596646d047d904f2c5ca74b39dccc69978b6e1fb101094e534b0b59c1bb0",
      strip = 1,
      programs = { ["fd"] = "fd" },
    },
    ["x86_64-darwin"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.2.0/"
        .. "fd-v10.2.0-x86_64-apple-darwin.tar.gz",
      sha256 = "991a648a58870230af9547c1ae33e72cb5c5199a622fe5e540e162d6dba82d48",
      strip = 1,
      programs = { ["fd"] = "fd" },
    },
    ["aarch64-darwin"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.2.0/"
        .. "fd-v10.2.0-aarch64-apple-darwin.tar.gz",
      sha256 = "ae6327ba8c9a487cd63edd8bddd97da0207887a66d61e067dfe80c1430c5ae36",
      strip = 1,
      programs = { ["fd"] = "fd" },
    },
    ["x86_64-windows"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.2.0/"
        .. "fd-v10.2.0-x86_64-pc-windows-msvc.zip",
      sha256 = "92ac9e6b0a0c6ecdab638ffe210dc786403fff4c66373604cf70df27be45e4fe",
      strip = 1,
      programs = { ["fd.exe"] = "fd.exe" },
    },
  },
}
