//! Platforms: the names of sys.lua, and those of registries.

use std::fmt;

/// A platform that releases are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// The system in the words of Go: `linux`, `darwin`, `windows`.
    pub os: &'static str,
    /// The processor in the words of Go: `amd64`, `arm64`.
    pub arch: &'static str,
}

/// All platforms, in the order in which they are listed to people.
pub const PLATFORMS: [Platform; 6] = [
    Platform { os: "linux", arch: "amd64" },
    Platform { os: "linux", arch: "arm64" },
    Platform { os: "darwin", arch: "amd64" },
    Platform { os: "darwin", arch: "arm64" },
    Platform { os: "windows", arch: "amd64" },
    Platform { os: "windows", arch: "arm64" },
];

impl Platform {
    /// Reads a name such as `x86_64-linux`.
    pub fn parse(name: &str) -> Option<Platform> {
        PLATFORMS.into_iter().find(|platform| platform.to_string() == name)
    }

    /// Returns whether it is Windows.
    pub fn is_windows(self) -> bool {
        self.os == "windows"
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arch = if self.arch == "amd64" { "x86_64" } else { "aarch64" };
        write!(formatter, "{arch}-{}", self.os)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_platform_is_read_as_it_is_written() {
        for platform in PLATFORMS {
            assert_eq!(Platform::parse(&platform.to_string()), Some(platform));
        }
        assert_eq!(Platform::parse("arm-linux"), None);
    }
}
