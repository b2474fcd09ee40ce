//! The switch: computes the difference between the wanted and the applied state, and performs it.
//!
//! Only this module changes the system outside of the root, only under the switch lock, only with a
//! journal on the disk.

mod backups;
mod closed_directories;
mod conflicts;
mod desired;
mod effects;
mod elsewhere;
mod error;
mod expand;
mod finish;
mod follow;
mod mentions;
mod noop;
mod obstacles;
mod overlap;
mod overlay;
mod ownership;
mod package_calls;
mod packages;
mod perform;
mod plan;
mod printed;
mod recover;
mod remove_root;
mod salvage;
mod secrets;
mod service_checks;
mod service_jobs;
mod service_managers;
mod service_marks;
mod service_neighbours;
mod service_work;
mod services;
mod shells;
mod step;
mod surroundings;
mod sync;
mod target_plan;
mod targets;
mod undo;
mod unfold;
mod ways;
mod write;

pub use backups::{Backup, Backups, note_copy, place_of_copy};
pub use desired::{Desired, Entry};
pub use error::Error;
pub use follow::is_same_file;
pub use noop::needs_only_builds;
pub use package_calls::call_packages;
pub use packages::{ManagerWork, PackageWork, add as add_packages};
pub use perform::{Switched, To, switch};
pub use plan::{Extent, Plan, plan};
pub use printed::sweep as sweep_printed;
pub use recover::{Pending, confirm, pending, recover, revert, set_journal_aside};
pub use remove_root::{RootState, dismantle, restore_rest, standing};
pub use salvage::rebuilt;
pub use secrets::{
    Secrets, declared as declared_secrets, expect_other_secrets, has_commands, is_private_file,
    needed as needed_secrets, unknown as unknown_secret,
};
pub use service_jobs::check_reachable;
pub use service_managers::connect;
pub use service_neighbours::dependents;
pub use service_work::{ServiceWork, UnitJob, asked as asked_of_service};
pub use step::{Mark, Step, Work, merges};
pub use targets::Targets;
pub use ways::{Ways, is_way};
