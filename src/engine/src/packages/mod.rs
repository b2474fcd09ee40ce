//! Packages of the system: what a root had package managers install, and the programs that tell and
//! change it. What is to be done, the switch decides.

mod calls;
mod record;

pub use calls::{Problem, ask, dependencies, inventory, is_here, mark, perform, simulate};
pub use record::{Kept, Managed, Pending, Record, add_installed, load, store};
