-- fd 10.3.0: where its archives are, and what they hash to.

return {
  version = "10.3.0",
  archives = {
    ["x86_64-linux"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.3.0/"
        .. "fd-v10.3.0-x86_64-unknown-linux-musl.tar.gz",
      sha256 = "2b6bfaae8c48f12050813c2ffe1884c61ea26e750d803df9c9114550a314cd14",
      strip = 1,
      programs = { ["fd"] = "fd" },
    },
    ["aarch64-linux"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.3.0/"
        .. "fd-v10.3.0-aarch64-unknown-linux-musl.tar.gz",
      sha256 = "996b9b1366433b211cb3bbedba91c9dbce2431842144d925428ead0adf32020b",
      strip = 1,
      programs = { ["fd"] = "fd" },
    },
    ["x86_64-darwin"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.3.0/"
        .. "fd-v10.3.0-x86_64-apple-darwin.tar.gz",
      sha256 = "50d30f13fe3d5914b14c4fff5abcbd4d0cdab4b855970a6956f4f006c17117a3",
      strip = 1,
      programs = { ["fd"] = "fd" },
    },
    ["aarch64-darwin"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.3.0/"
        .. "fd-v10.3.0-aarch64-apple-darwin.tar.gz",
      sha256 = "0570263812089120bc2a5d84f9e65cd0c25e4a4d724c80075c357239c74ae904",
      strip = 1,
      programs = { ["fd"] = "fd" },
    },
    ["x86_64-windows"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.3.0/"
        .. "fd-v10.3.0-x86_64-pc-windows-msvc.zip",
      sha256 = "318aa2a6fa664325933e81fda60d523fff29444129e91ebf0726b5b3bcd8b059",
      strip = 1,
      programs = { ["fd.exe"] = "fd.exe" },
    },
  },
}
