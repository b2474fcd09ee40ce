//! The switch: the difference between what is to be and what is applied, and making it so.
//!
//! Only this module changes the system outside of the root, only under the switch lock, only with a
//! journal on the disk.

mod backups;
mod conflicts;
mod desired;
mod difference;
mod dismantle;
mod drift;
mod error;
mod neighbours;
mod perform;
pub mod plan;
mod rebuilt;
mod recover;
mod scene;
mod targets;
mod unchanged;
mod write;

pub use backups::{Backup, Backups, note_copy, place_of_copy};
pub use desired::Desired;
pub use dismantle::{Standing, dismantle, restore_rest, standing};
pub use drift::{Accounts, Aspect, Drift, drift, rights};
pub use error::Error;
pub use perform::{Switched, To, now, switch};
pub use rebuilt::rebuilt;
pub use recover::{Pending, confirm, pending, recover, revert, set_journal_aside};
pub use targets::Targets;
