//! Fuzz targets: each takes bytes that a stranger chose, and panics where a promise is broken.
//!
//! As tests they run over the files of their corpora in `corpus/`, and over some changes of each.
//! `.ci/fuzz TARGET SECONDS` runs one with libFuzzer, which sees what the bytes reach.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a broken promise is a panic here"
)]

pub mod archive;
pub mod closure;
pub mod lock;
pub mod lua;
pub mod nar;
pub mod secrets;
pub mod url;

#[cfg(test)]
mod tests {
    /// How many changes of each file of a corpus are tried.
    const CHANGES: usize = 40;

    /// A generator of numbers that needs no seed from outside: xorshift64.
    fn next(state: &mut u64) -> usize {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 16) as usize
    }

    /// Changes some bytes, cuts the end off, or repeats a part.
    fn change(bytes: &[u8], state: &mut u64) -> Vec<u8> {
        let mut changed = bytes.to_vec();
        if changed.is_empty() {
            return changed;
        }
        let at = next(state) % changed.len();
        match next(state) % 6 {
            0 => changed.truncate(at),
            1 => changed.extend_from_within(at..),
            _ => {
                for _ in 0..=next(state) % 4 {
                    let at = next(state) % changed.len();
                    changed[at] = match next(state) % 4 {
                        0 => changed[at] ^ (1 << (next(state) % 8)),
                        1 => b"/.\0 @:?#%"[next(state) % 9],
                        2 => 0xff,
                        _ => next(state) as u8,
                    };
                }
            }
        }
        changed
    }

    fn run(name: &str, changes: usize, target: impl Fn(&[u8])) {
        let mut names: Vec<_> = std::fs::read_dir(format!("src/corpus/{name}"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        assert!(names.len() > 5, "{name} has only {} files", names.len());
        let mut state = 0x9e37_79b9_7f4a_7c15;
        for name in names {
            let bytes = std::fs::read(name).unwrap();
            target(&bytes);
            (0..changes).for_each(|_| target(&change(&bytes, &mut state)));
        }
    }

    #[test]
    fn archive() {
        run("archive", CHANGES, crate::archive::target);
    }

    #[test]
    fn closure() {
        run("closure", CHANGES / 4, crate::closure::target);
    }

    #[test]
    fn lock() {
        run("lock", CHANGES, crate::lock::target);
    }

    #[test]
    fn lua() {
        run("lua", CHANGES, crate::lua::target);
    }

    #[test]
    fn nar() {
        run("nar", CHANGES, crate::nar::target);
    }

    #[test]
    fn secrets() {
        run("secrets", CHANGES, crate::secrets::target);
    }

    #[test]
    fn url() {
        run("url", CHANGES, crate::url::target);
    }
}
