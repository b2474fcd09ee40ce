-- fd 10.4.2: where its archives are, and what they hash to.

return {
  version = "10.4.2",
  archives = {
    ["x86_64-linux"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.4.2/"
        .. "fd-v10.4.2-x86_64-unknown-linux-musl.tar.gz",
      sha256 = "e3257d48e29a6be965187dbd24ce9af564e0fe67b3e73c9bdcd180f4ec11bdde",
      strip = 1,
      programs = { ["fd"] = "fd" },
    },
    ["aarch64-linux"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.4.2/"
        .. "fd-v10.4.2-aarch64-unknown-linux-musl.tar.gz",
      sha256 = "f32d3657473fba74e2600babc8db0b93420d51169223b7e8143b2ed55d8fd9e8",
      strip = 1,
      programs = { ["fd"] = "fd" },
    },
    ["aarch64-darwin"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.4.2/"
        .. "fd-v10.4.2-aarch64-apple-darwin.tar.gz",
      sha256 = "623dc0afc81b92e4d4606b380d7bc91916ba7b97814263e554d50923a39e480a",
      strip = 1,
      programs = { ["fd"] = "fd" },
    },
    ["x86_64-windows"] = {
      url = "https://github.com/sharkdp/fd/releases/download/v10.4.2/"
        .. "fd-v10.4.2-x86_64-pc-windows-msvc.zip",
      sha256 = "b2816e506390a89941c63c9187d58a3cc10e9a55f2ef0685f9ea0eccaf7c98c8",
      strip = 1,
      programs = { ["fd.exe"] = "fd.exe" },
    },
  },
}
