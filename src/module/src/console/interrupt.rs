//! The flag that a signal sets while a verb works.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use syslua_engine::settings::Interrupt;

/// The flag that handlers set, shared with every engine of this process.
pub static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Returns the flag that a signal sets while a verb works.
pub fn interrupt() -> Interrupt {
    Interrupt(Arc::clone(FLAG.get_or_init(Arc::default)))
}
