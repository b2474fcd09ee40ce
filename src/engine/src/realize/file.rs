//! File recipes: files and trees as data; configs have thousands of them. They are built here,
//! without Lua. Small files are described for [`import_files`](crate::store::import::import_files),
//! many at a time; trees, large files and files that name other objects are ordinary tasks.

use std::collections::VecDeque;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::{Build, Step, Task, Tasks};
use crate::derivation::{Derivation, FileContent, FileRecipe, Recipe};
use crate::failure::{Failure, FailureKind};
use crate::names::{OutputName, Placeholder};
use crate::operation::{Error as OperationError, Request, Response};
use crate::platform;
use crate::platform::jail::Level;
use crate::store::import::File;
use crate::store::{Slot, Store, tree};
use crate::value::Source;

/// Larger files are copied in pieces.
const LARGEST: u64 = 1 << 16;

/// The permission bits of what can be run.
const EXECUTABLE: u32 = 0o755;

/// Begins what builds a derivation: here for a file recipe, by `tasks` for a function.
///
/// # Errors
/// When a placeholder stands for nothing that the build depends on, or `tasks` has nothing to run.
pub fn begin(
    build: &Arc<Build>,
    in_place: bool,
    tasks: &mut dyn Tasks,
) -> Result<Box<dyn Task>, Failure> {
    match &build.derivation.spec.recipe {
        Recipe::File(file) => {
            // A plain copy is made when it is published, unless it is only looked at.
            let requests = if build.plain_source().is_some() && !in_place {
                VecDeque::new()
            } else {
                requests(build, file).map_err(unknown)?.into()
            };
            Ok(Box::new(FileTask { requests, in_place: in_place.then(|| Arc::clone(build)) }))
        }
        Recipe::Function { .. } => tasks.begin(Arc::clone(build), in_place),
    }
}

fn unknown(placeholder: Placeholder) -> Failure {
    Failure::new(
        FailureKind::Build,
        format!(
            "{placeholder} is the placeholder of a derivation that this build does not depend on"
        ),
    )
}

/// Returns the operations that make a file or tree.
fn requests(build: &Build, file: &FileRecipe) -> Result<Vec<Request>, Placeholder> {
    let Some(to) = build.workspace.outputs.get(&OutputName::main()).cloned() else {
        return Ok(Vec::new());
    };
    let copy = |from| Request::Copy { from, to: to.clone() };
    let mut requests = vec![match &file.content {
        FileContent::Text(text) => {
            Request::Write { path: to.clone(), content: build.resolve(text)? }
        }
        FileContent::Source(source) => copy(build.workspace.place_of(source)),
        FileContent::Built(path) => copy(platform::path_from_bytes(&build.resolve(path)?)),
        FileContent::Named(name, text) => {
            Request::Write { path: to.join(name), content: build.resolve(text)? }
        }
    }];
    if file.executable {
        requests.push(Request::SetMode { path: to, mode: EXECUTABLE });
    }
    Ok(requests)
}

/// The operations of one file recipe, one after the other.
struct FileTask {
    requests: VecDeque<Request>,
    /// The build, when operations are performed at once.
    in_place: Option<Arc<Build>>,
}

impl Task for FileTask {
    fn resume(&mut self, answer: Option<Result<Response, OperationError>>) -> Step {
        let mut answer = answer;
        loop {
            if let Some(Err(error)) = answer {
                return Step::Failed(Failure::of(FailureKind::Build, &error));
            }
            let Some(request) = self.requests.pop_front() else { return Step::Finished };
            match &self.in_place {
                Some(build) => answer = Some(build.perform(request)),
                None => return Step::Request(request),
            }
        }
    }
}

/// Returns the file that a derivation makes if it is small and names no other object, or `None` if
/// it is not, or on an error, which its task will report.
pub fn small<'a>(store: &Store, derivation: &'a Derivation, level: Level) -> Option<File<'a>> {
    let Recipe::File(file) = &derivation.spec.recipe else { return None };
    if !derivation.dependencies.is_empty() {
        return None;
    }
    let (content, was_executable) = match &file.content {
        FileContent::Text(text) => (text.clone(), false),
        FileContent::Source(source) => read_source(source)?,
        FileContent::Built(_) | FileContent::Named(..) => return None,
    };
    let is_executable = file.executable || was_executable;
    let (_, temporary) = derivation.temporary_names().into_iter().next()?;
    let holds = |text: &str| memchr::memmem::find(&content, text.as_bytes()).is_some();
    // Its own name would be rewritten, and the directory of its build alone refused.
    if Placeholder::may_be_in(&content)
        || holds(temporary.as_str())
        || holds(&format!("store/{}", Slot::of(derivation.hash)))
    {
        return None;
    }
    let root = platform::bytes_of_path(store.root());
    Some(File {
        deriver: derivation.hash,
        name: &derivation.spec.name,
        relocatable: memchr::memmem::find(&content, &root).is_none(),
        nar: tree::hash_of_file(&content, is_executable),
        is_executable,
        content,
        sandbox: level,
    })
}

/// Returns whether a derivation may be a small file, as far as its recipe tells.
pub fn may_be_small(derivation: &Derivation) -> bool {
    matches!(derivation.spec.recipe, Recipe::File(_)) && derivation.dependencies.is_empty()
}

/// Returns the content of a small file of the user, if it has the expected hash, and whether it is
/// executable.
fn read_source(source: &Source) -> Option<(Vec<u8>, bool)> {
    let (content, is_executable) = read(&source.path).filter(|_| source.excluded.is_empty())?;
    (tree::hash_of_file(&content, is_executable) == source.nar).then_some((content, is_executable))
}

/// Reads a small regular file.
fn read(path: &Path) -> Option<(Vec<u8>, bool)> {
    let (mut file, node) = platform::open_node(path).ok()?;
    if node.size > LARGEST {
        return None;
    }
    let mut content = Vec::with_capacity(usize::try_from(node.size).ok()? + 1);
    // One more byte tells whether it grew.
    Read::by_ref(&mut file).take(LARGEST + 1).read_to_end(&mut content).ok()?;
    (content.len() as u64 == node.size).then(|| (content, node.is_executable()))
}
