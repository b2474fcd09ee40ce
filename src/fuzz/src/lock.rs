//! The reader of `syslua.lock`.

use syslua_engine::failure::Explain;
use syslua_engine::lock::LockDocument;

/// Reads bytes.
pub fn target(bytes: &[u8]) {
    match LockDocument::parse(bytes) {
        Ok(lock) => {
            let text = lock.to_text();
            let again = LockDocument::parse(&text);
            assert_eq!(again.unwrap(), lock, "what is written is read as it was");
        }
        Err(error) => assert!(
            error.hint().is_some_and(|hint| !hint.is_empty()) && error.to_string().len() < 2000
        ),
    }
}
