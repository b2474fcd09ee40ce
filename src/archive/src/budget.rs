//! The remaining limit of an archive's unpacked size.

use crate::limits::Limits;
use crate::problem::{Problem, Result};

/// Below this number of bytes the ratio does not matter: a small file is not a bomb.
const HARMLESS: u64 = 16 << 20;

/// Counts what an archive unpacks to.
pub struct Budget {
    used: u64,
    packed: u64,
    bytes: u64,
    ratio: u64,
    /// The largest window that a decoder may keep in memory.
    pub memory: u64,
}

impl Budget {
    /// Makes it for an archive of `packed` bytes.
    pub fn new(limits: &Limits, packed: u64) -> Budget {
        Budget { used: 0, packed, bytes: limits.bytes, ratio: limits.ratio, memory: limits.memory }
    }

    /// Counts bytes.
    ///
    /// # Errors
    /// When they are more than a limit allows.
    pub fn spend(&mut self, bytes: u64) -> Result<()> {
        self.used = self.used.saturating_add(bytes);
        if self.used > self.bytes {
            let what = format!("it unpacks to {} bytes or more", self.used);
            return Err(Problem::Limit { what, limit: "bytes", value: self.bytes });
        }
        if self.used > HARMLESS.max(self.packed.saturating_mul(self.ratio)) {
            let times = self.used / self.packed.max(1);
            let what = format!("it unpacks to {times} times its own size or more");
            return Err(Problem::Limit { what, limit: "ratio", value: self.ratio });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold() {
        let limits = Limits { bytes: 100 << 20, ratio: 10, ..Limits::default() };
        let mut small = Budget::new(&limits, 1);
        small.spend(HARMLESS).unwrap();
        assert!(small.spend(1).unwrap_err().to_string().contains("`ratio` of 10"));
        let mut large = Budget::new(&limits, 50 << 20);
        large.spend(100 << 20).unwrap();
        assert!(large.spend(1).unwrap_err().to_string().contains("`bytes`"));
        assert!(Budget::new(&limits, u64::MAX).spend(u64::MAX).is_err());
    }
}
