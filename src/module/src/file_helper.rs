//! What `file{}` declares: derivations and actions, in one call for all files of a block, since
//! configs have thousands of them. The Lua side checked the fields, and decided which declarations
//! count. It knows nothing else about helpers.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use mlua::BString;
use mlua::prelude::*;
use syslua_engine::action::{self, Absent, Action, Directory, Link, Tree};
use syslua_engine::activation::DeclaredAction;
use syslua_engine::derivation::{Derivation, FileContent, FileRecipe};
use syslua_engine::hash::{DigestMap, Hash};
use syslua_engine::names::{OutputName, Placeholder};
use syslua_engine::platform::{self, FileKind};
use syslua_engine::settings::System;
use syslua_engine::store::source_cache::{KnownSource, Look};
use syslua_engine::value::{Source, Text, Value};

use crate::collection::{Members, PlainFile, is_plain_target, join};
use crate::declared_secrets::declare_secret;
use crate::derive::{follow, system};
use crate::error::{Answer, Error, absolute_path};
use crate::given::{Given, More, Origin};
use crate::recipes::{derive_file, name_of, spec};
use crate::records::{add_ticket_at, at, outside, record_in_scope, ticket};
use crate::register::{register as register_function, register_plain};
use crate::state::{self, Scope, State, Ticket};
use crate::tree::{Excluded, Wholes, is_private_below, is_readable_by_all, leads_back, members};
use crate::values::convert::{FieldPath, check_paths};

/// How many items of the list that [`declare_files`] takes are one file.
const COLUMNS: usize = 5;

/// Returns a place as an absolute one.
fn absolute(place: PathBuf) -> Answer<PathBuf> {
    let is_whole = place.is_absolute() && is_plain_target(place.as_os_str().as_encoded_bytes());
    let whole = if is_whole {
        place
    } else {
        absolute_path(&place, format_args!("the path {}", place.display()))?
    };
    // What ends with `..` has no name.
    Ok(if whole.file_name().is_none() { platform::canonical(&whole) } else { whole })
}

/// Returns the source at a place and whether others cannot read a part of it, or nothing if it is
/// missing. A link that is named as a source is followed.
fn source_at(lua: &Lua, place: PathBuf, excluded: &Excluded) -> Answer<Option<(Source, bool)>> {
    let named = absolute(place)?;
    let path = state::locate(lua, named.clone());
    // The copies of sources that a snapshot keeps are private, whatever the sources are.
    let is_original = path == named;
    let found = |path: PathBuf, known: KnownSource| {
        (
            Source { path, nar: known.nar, excluded: excluded.clone() },
            known.is_private && is_original,
        )
    };
    match observe(lua, &path, excluded)? {
        Some(KnownSource { kind: FileKind::Symlink, .. }) => {
            let Some(end) = follow(lua, &path) else { return Ok(None) };
            let known = observe(lua, &end, excluded)?;
            Ok(known.map(|known| found(end, known)))
        }
        Some(known) => Ok(Some(found(path, known))),
        None => Ok(None),
    }
}

fn observe(lua: &Lua, path: &Path, excluded: &Excluded) -> Answer<Option<KnownSource>> {
    let known = state::change(lua, |state| state.sources.observe_without(path, excluded));
    let known = known.ok_or_else(Error::in_use)?;
    Ok(known?)
}

/// Returns the name of the link of the root's through which links lead to the files of a tree. It
/// says where the tree is to be, not what is in it; of several at one place each has its own.
fn way_to(lua: &Lua, target: &[u8]) -> Answer<Text> {
    let number = state::change(lua, |state| Some(state.evaluations.last_mut()?.count_tree(target)));
    let (user, number) = number.flatten().ok_or_else(outside)?;
    let digest =
        Hash::of(&[user.as_bytes(), b"\0", target, format!("\0{number}").as_bytes()].concat())
            .to_hex();
    Ok(Text(format!("{}-{}", name_of(target), &digest[..9]).into_bytes()))
}

/// What is known of a tree.
struct KnownTree {
    /// The path that it will have.
    path: Vec<u8>,
    /// Where it is, if others cannot read something in it.
    private: Option<PathBuf>,
    /// The name of the link of the root's through which links lead to its files.
    through: Text,
}

/// Declares files; remembers what the trees of some of them become.
struct Declaring<'a> {
    lua: &'a Lua,
    /// Where relative sources begin.
    directory: PathBuf,
    /// The number of the collection, if there is one.
    collection: Option<usize>,
    /// The trees by their places and what is left out of them.
    trees: HashMap<(Vec<u8>, Rc<Excluded>), KnownTree>,
    /// The trees whose links are followed now, each by a link of the one before.
    followed: Vec<PathBuf>,
    /// The directories that are taken as a whole.
    wholes: Wholes,
    /// The number of the declaration at hand.
    current: usize,
}

/// What a file is linked to or copied from.
struct Resolved {
    path: Vec<u8>,
    /// The source, when others than its owner cannot read it.
    private: Option<PathBuf>,
    /// The name of the link of the root's through which a link leads there.
    through: Option<Text>,
}

impl From<Vec<u8>> for Resolved {
    fn from(path: Vec<u8>) -> Resolved {
        Resolved { path, private: None, through: None }
    }
}

impl Declaring<'_> {
    /// Declares a file and records its action; returns whether its source exists.
    fn declare(&mut self, given: Given, ticket: &Ticket) -> Answer<bool> {
        if let Origin::Tree(number) = given.origin {
            return self.declare_members(&given, number, ticket);
        }
        if let Some((top, tree)) = self.tree_of(&given)? {
            return self.declare_tree(&given, &top, &tree, ticket);
        }
        if let Origin::Secret(pieces) = &given.origin {
            return declare_secret(self.lua, &given, pieces, ticket).map(|()| true);
        }
        let mutable = matches!(given.origin, Origin::Own);
        let Some(Resolved { path, private, through }) = self.source_of(&given, ticket)? else {
            return Ok(false);
        };
        let more = &given.more;
        let private = private.filter(|_| !more.is_public);
        if let Some(source) = private.as_ref().filter(|_| platform::is_system_user()) {
            return Err(is_readable_by_all(source));
        }
        // A link in a tree that is copied stays one: what it leads to is beside it.
        let kept_link = match &given.origin {
            Origin::Member { below, .. } if more.is_installed || private.is_some() => {
                let top = self.directory.join(platform::path_from_bytes(&given.text));
                let top = platform::canonical(&state::locate(self.lua, absolute(top)?));
                platform::read_link(&top.join(platform::path_from_bytes(below))).ok()
            }
            _ => None,
        };
        let (source, target) = (Text(path), Text(given.target));
        let action = match kept_link {
            Some(to) => Link::new(Text(platform::bytes_of_path(&to)), target).into(),
            None => {
                let tree = more.tree.as_ref().map(|place| Text(platform::bytes_of_path(place)));
                action_of(
                    more,
                    Link { mutable, tree, through, ..Link::new(source, target) },
                    private.is_some(),
                )
            }
        };
        let mut activation = DeclaredAction::new(action, Arc::clone(&ticket.positions));
        more.explained.clone().note(&mut activation);
        record_in_scope(self.lua, activation, Some(ticket.order)).map(|()| true)
    }

    /// Declares what is left of a tree of the collection, and for a link that leads out of the tree
    /// what it leads to.
    fn declare_members(&mut self, given: &Given, number: usize, ticket: &Ticket) -> Answer<bool> {
        let collection = self.collection;
        let taken = state::change(self.lua, |state| {
            let collection = state.evaluations.last_mut()?.collections.get_mut(collection?)?;
            Some((collection.take_members(number)?, collection.left_out(number)))
        });
        let Some((members, excluded)) = taken.flatten() else { return Ok(true) };
        let is_own = given.more.tree.is_some();
        let top = platform::path_from_bytes(&given.text);
        for below in members.below {
            let (text, origin) = match members.followed.get(&below) {
                _ if is_own => (
                    platform::bytes_of_path(&top.join(platform::path_from_bytes(&below))),
                    Origin::Own,
                ),
                Some(end) => (platform::bytes_of_path(end), Origin::Local),
                None => {
                    let (top, below) = (given.target.clone(), below.clone());
                    let excluded = Rc::clone(&excluded);
                    (given.text.clone(), Origin::Member { top, below, excluded })
                }
            };
            let target = join(&given.target, &below);
            let member =
                Given { target, text, origin, executable: false, more: Rc::clone(&given.more) };
            if !self.declare(member, ticket)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the directory that is declared as a whole and what is in it, when a link in it leads
    /// to another place in the config's directory.
    ///
    /// # Errors
    /// When a link leads elsewhere.
    fn tree_of(&mut self, given: &Given) -> Answer<Option<(PathBuf, Members)>> {
        let whole;
        let (named, excluded) = match &given.origin {
            Origin::Local if !given.executable => {
                let named = absolute(self.directory.join(platform::path_from_bytes(&given.text)))?;
                whole = self.left_out_of(&named)?;
                (named, &*whole)
            }
            Origin::Declared(source) => (source.path.clone(), &source.excluded),
            _ => return Ok(None),
        };
        let members = members(self.lua, &named, &self.directory, excluded)?
            .filter(|members| !members.followed.is_empty());
        Ok(members.map(|members| (named, members)))
    }

    fn left_out_of(&mut self, named: &Path) -> Answer<Rc<Excluded>> {
        self.wholes.left_out_of(self.lua, named, &self.directory, self.current)
    }

    /// Declares what is in a directory file by file, and for a link what it leads to; returns
    /// whether all that is there.
    fn declare_tree(
        &mut self,
        given: &Given,
        top: &Path,
        tree: &Members,
        ticket: &Ticket,
    ) -> Answer<bool> {
        let depth = self.followed.len();
        self.followed.extend([top.to_owned(), platform::canonical(top)]);
        let excluded = match &given.origin {
            Origin::Declared(source) => Rc::new(source.excluded.clone()),
            _ => self.left_out_of(top)?,
        };
        let mut is_there = true;
        for below in &tree.below {
            let (text, origin) = match tree.followed.get(below) {
                Some(end) if self.followed.contains(end) => {
                    return Err(leads_back(&top.join(platform::path_from_bytes(below)), end));
                }
                Some(end) => (platform::bytes_of_path(end), Origin::Local),
                None => {
                    let (target, excluded) = (given.target.clone(), Rc::clone(&excluded));
                    let origin = Origin::Member { top: target, below: below.clone(), excluded };
                    (platform::bytes_of_path(top), origin)
                }
            };
            let target = [given.target.as_slice(), b"/", below].concat();
            let member =
                Given { target, text, origin, executable: false, more: Rc::clone(&given.more) };
            is_there &= self.declare(member, ticket)?;
        }
        self.followed.truncate(depth);
        let owner = given.more.owner.clone();
        for below in &tree.empty {
            let target =
                Text([given.target.as_slice(), b"/", &platform::bytes_of_path(below)].concat());
            let mode = is_private_below(top, below).then(|| "700".to_owned());
            let directory =
                Directory { target, mode, owner: owner.clone(), ..Directory::default() };
            let activation = DeclaredAction::new(directory.into(), Arc::clone(&ticket.positions));
            record_in_scope(self.lua, activation, Some(ticket.order))?;
        }
        Ok(is_there)
    }

    /// Returns what a file is linked to or copied from, or `None` if its source does not exist.
    fn source_of(&mut self, given: &Given, ticket: &Ticket) -> Answer<Option<Resolved>> {
        let mut private = None;
        let directory = self.directory.clone();
        let place = || directory.join(platform::path_from_bytes(&given.text));
        let content = match &given.origin {
            Origin::Content => {
                let text = Value::Bytes(given.text.clone());
                if let Some(files) = state::read(self.lua, State::config_files) {
                    check_paths(&text, &files, &FieldPath::top("content"))?;
                }
                FileContent::Text(given.text.clone())
            }
            Origin::Local => {
                let excluded = self.left_out_of(&absolute(place())?)?;
                match source_at(self.lua, place(), &excluded)? {
                    Some((source, is_private)) => {
                        private = is_private.then(|| source.path.clone());
                        FileContent::Source(source)
                    }
                    None => return Ok(None),
                }
            }
            Origin::Declared(source) => {
                let known = source_at(self.lua, source.path.clone(), &source.excluded)?;
                private =
                    known.filter(|(_, is_private)| *is_private).map(|(source, _)| source.path);
                FileContent::Source(source.clone())
            }
            Origin::Built if given.executable => FileContent::Built(given.text.clone()),
            Origin::Built => {
                if let Some(choice) = &given.more.choice {
                    choice.check()?;
                }
                let through =
                    given.more.is_whole.then(|| way_to(self.lua, &given.target)).transpose()?;
                return Ok(Some(Resolved { through, ..Resolved::from(given.text.clone()) }));
            }
            Origin::Own => {
                let place = state::locate(self.lua, absolute(place())?);
                // A link in a tree may lead nowhere.
                let exists = if given.more.tree.is_some() {
                    platform::exists(&place)
                } else {
                    platform::leads_somewhere(&place)
                };
                return Ok(exists.then(|| platform::bytes_of_path(&place).into()));
            }
            // A secret is not a content.
            Origin::None | Origin::Secret(_) => return Ok(Some(Vec::new().into())),
            Origin::Member { top, below, excluded } => {
                return self.member(given, (top, excluded), below, ticket);
            }
            // It is declared file by file.
            Origin::Tree(_) => return Ok(None),
        };
        let recipe = FileRecipe { content, executable: given.executable };
        let path = derive_file(self.lua, &given.target, recipe, ticket)?;
        Ok(Some(Resolved { private, ..Resolved::from(path) }))
    }

    /// Returns the path that a file of a tree will have, in what the tree becomes.
    fn member(
        &mut self,
        given: &Given,
        (top, excluded): (&[u8], &Rc<Excluded>),
        below: &[u8],
        ticket: &Ticket,
    ) -> Answer<Option<Resolved>> {
        // Lua declares a file with a place that others have too, or with a new name.
        let of_tree = state::read(self.lua, |state| {
            let collection = state.evaluations.last()?.collections.get(self.collection?)?;
            Some(collection.left_out(given.more.member_of?))
        });
        let excluded = of_tree.as_ref().unwrap_or(excluded);
        let key = (given.text.clone(), Rc::clone(excluded));
        let tree = match self.trees.get(&key) {
            Some(tree) => tree,
            None => {
                let place = self.directory.join(platform::path_from_bytes(&given.text));
                let Some((source, is_private)) = source_at(self.lua, place, excluded)? else {
                    return Ok(None);
                };
                let private = is_private.then(|| source.path.clone());
                let recipe = FileRecipe { content: FileContent::Source(source), executable: false };
                let path = derive_file(self.lua, top, recipe, ticket)?;
                let tree = KnownTree { path, private, through: way_to(self.lua, top)? };
                self.trees.entry(key).or_insert(tree)
            }
        };
        let inner = platform::path_from_bytes(below);
        let private = tree
            .private
            .as_ref()
            .filter(|top| is_private_below(top, &inner))
            .map(|top| top.join(&inner));
        let path = [tree.path.as_slice(), b"/", below].concat();
        Ok(Some(Resolved { path, private, through: Some(tree.through.clone()) }))
    }
}

/// Returns the action of a file: the link, or a real file where that is declared.
fn action_of(more: &More, link: Link, private: bool) -> Action {
    if more.is_absent {
        return Absent { target: link.target }.into();
    }
    if more.is_whole && !more.is_installed {
        let choice = more.choice.clone().unwrap_or_default();
        return Tree { source: link.source, target: link.target, through: link.through, choice }
            .into();
    }
    if !more.is_installed {
        return if private { private_file(link) } else { link.into() };
    }
    let Link { source, target, .. } = link;
    let (mode, owner) = (more.mode.clone(), more.owner.clone());
    action::File {
        source,
        target,
        mode,
        owner,
        mutable: more.is_once,
        private,
        ..action::File::default()
    }
    .into()
}

/// Returns the action for a source that only its owner can read: a copy that only its owner can
/// read.
fn private_file(link: Link) -> Action {
    action::File {
        source: link.source,
        target: link.target,
        private: true,
        ..action::File::default()
    }
    .into()
}

/// What a file of a collection becomes, as far as that takes no closer look at its source.
struct Made {
    derivation: Arc<Derivation>,
    activation: Arc<DeclaredAction>,
    /// Its place in the order of declaration.
    order: usize,
}

/// What the content of a file of a collection comes from.
enum Basis {
    /// Its own text.
    Text,
    /// The file at this path.
    Source(PathBuf),
    /// A text that takes a closer look.
    Other,
}

/// The files of a collection, and what each becomes.
struct Prepared {
    /// In reverse of the order of their declaration.
    files: Vec<(PlainFile, Option<Made>)>,
}

impl Prepared {
    /// Looks at the sources of all files side by side, and makes what they become.
    fn new(lua: &Lua, number: Option<usize>, directory: &Path) -> Answer<Prepared> {
        let taken = state::change(lua, |state| {
            let evaluation = state.evaluations.last_mut()?;
            let collection = evaluation.collections.get_mut(number?)?;
            let files = collection.take();
            let config_files = evaluation.config_files.as_ref();
            let basis = |file: &PlainFile| match file.is_content {
                false => Basis::Source(
                    directory.join(platform::path_from_bytes(&collection.source_path(file))),
                ),
                true if config_files.is_some_and(|files| files.has(&file.text)) => Basis::Other,
                true => Basis::Text,
            };
            let bases: Vec<Basis> = files.iter().map(basis).collect();
            Some((files, bases))
        });
        let Some((files, bases)) = taken.flatten() else {
            return Ok(Prepared { files: Vec::new() });
        };
        let whole = |(file, basis)| match basis {
            Basis::Source(path) => Ok((file, Basis::Source(absolute(path)?))),
            basis => Ok((file, basis)),
        };
        let files = files.into_iter().zip(bases).map(whole).collect::<Answer<Vec<_>>>()?;
        let system = system(lua);
        let made = state::change(lua, |state| {
            let State { evaluations, sources: memory, owners, .. } = state;
            let Some(evaluation) = evaluations.last() else { return Vec::new() };
            let maker = Maker {
                system: &system,
                // What is restored from a copy is elsewhere.
                is_restored: !evaluation.places.is_empty(),
                scope: &evaluation.scope,
                tickets: &evaluation.tickets,
                owners,
            };
            memory.observe_each(&files, |(file, basis), look| maker.make(file, basis, look))
        });
        let made = made.ok_or_else(Error::in_use)?;
        let mut files: Vec<_> = files.into_iter().map(|(file, _)| file).zip(made).collect();
        files.reverse();
        Ok(Prepared { files })
    }

    /// Takes the next file, if it was declared before this one.
    fn next_before(&mut self, ticket: usize) -> Option<(PlainFile, Option<Made>)> {
        self.files.pop_if(|(file, _)| file.ticket < ticket)
    }
}

/// Makes what the files of a collection become, on several threads.
struct Maker<'a> {
    system: &'a Arc<System>,
    is_restored: bool,
    scope: &'a Scope,
    tickets: &'a [Ticket],
    owners: &'a DigestMap<Placeholder, (Hash, OutputName)>,
}

impl Maker<'_> {
    /// Returns what a file becomes, or nothing where that takes a closer look or fails.
    fn make(&self, file: &PlainFile, basis: &Basis, look: &mut Look<'_>) -> Option<Made> {
        let content = match basis {
            Basis::Text => FileContent::Text(file.text.clone()),
            Basis::Source(path) if !self.is_restored => {
                // What others cannot read becomes no link.
                let known = look.at(path).filter(|known| !known.is_private)?;
                FileContent::Source(Source {
                    path: path.clone(),
                    nar: known.nar,
                    excluded: BTreeSet::new(),
                })
            }
            Basis::Source(_) | Basis::Other => return None,
        };
        let spec =
            spec(&file.target, FileRecipe { content, executable: false }, self.system).ok()?;
        let owner = |placeholder| self.owners.get(&placeholder).cloned();
        let Ticket { positions, order } = self.tickets.get(file.ticket.wrapping_sub(1))?.clone();
        let derivation = Derivation::new(spec, owner).ok()?.declared_at(Arc::clone(&positions));
        let source = Text(derivation.placeholder(&OutputName::main()).to_bytes());
        let link = Link::new(source, Text(file.target.clone()));
        let activation = self.scope.take(DeclaredAction::new(link.into(), positions)).ok()?;
        Some(Made { derivation: Arc::new(derivation), activation, order })
    }
}

/// Declares a file of a collection; returns whether its source exists.
fn declare_plain(
    declaring: &mut Declaring<'_>,
    file: &PlainFile,
    made: Option<Made>,
    number: usize,
) -> Answer<bool> {
    let lua = declaring.lua;
    declaring.current = file.ticket;
    let Some(Made { derivation, activation, order }) = made else {
        let path = state::read(lua, |state| {
            Some(state.evaluations.last()?.collections.get(number)?.source_path(file))
        });
        let given = Given {
            target: file.target.clone(),
            text: if file.is_content { file.text.clone() } else { path.unwrap_or_default() },
            origin: if file.is_content { Origin::Content } else { Origin::Local },
            executable: false,
            more: Rc::default(),
        };
        return declaring.declare(given, &ticket(lua, file.ticket)?);
    };
    let declared = state::change(lua, |state| {
        state.declare(derivation, Some(order));
        let evaluation = state.evaluations.last_mut().ok_or_else(outside)?;
        evaluation.activations.push((order, activation));
        Ok(true)
    });
    declared.unwrap_or_else(|| Err(Error::in_use()))
}

/// Declares the files of a list, in which each is [`COLUMNS`] items, and those of a collection, in
/// the order of their declaration; relative sources begin at a directory. Returns what there is to
/// say of them: as `missing` the first file whose source does not exist, by its number in the list,
/// counted from 1, or a table of what is said of it when a file of the collection is meant; as
/// `passed` the sockets, pipes and devices in directories.
fn declare_files(
    lua: &Lua,
    (list, directory, number): (LuaTable, BString, Option<usize>),
) -> Answer<LuaValue> {
    let directory = platform::path_from_bytes(&directory);
    let mut prepared = Prepared::new(lua, number, &directory)?;
    state::change(lua, |state| state.reserve(list.raw_len() / COLUMNS + prepared.files.len()));
    let mut declaring = Declaring {
        lua,
        directory,
        collection: number,
        trees: HashMap::new(),
        followed: Vec::new(),
        wholes: Wholes::default(),
        current: 0,
    };
    let rows = (1..).zip((1..=list.raw_len()).step_by(COLUMNS));
    for row in rows.map(Some).chain([None]) {
        let read = |(number, first)| {
            let given = Given::read(lua, &list, first, &declaring.directory)?;
            LuaResult::Ok((number, list.raw_get::<usize>(first + 1)?, given))
        };
        let given = row.map(read).transpose()?;
        let before = given.as_ref().map_or(usize::MAX, |(_, ticket, _)| *ticket);
        while let Some((file, made)) = prepared.next_before(before) {
            let collection = number.unwrap_or_default();
            let declared = declare_plain(&mut declaring, &file, made, collection)
                .map_err(at(lua, file.ticket))?;
            if !declared {
                let missing = missing(lua, &file)?;
                return Ok(declaring.wholes.told(lua, missing)?);
            }
        }
        let Some((number, ticket_number, given)) = given else { continue };
        declaring.current = ticket_number;
        let declared = declaring
            .declare(given, &ticket(lua, ticket_number)?)
            .map_err(at(lua, ticket_number))?;
        if !declared {
            let missing = LuaValue::Integer(number);
            return Ok(declaring.wholes.told(lua, missing)?);
        }
    }
    Ok(declaring.wholes.told(lua, LuaNil)?)
}

/// Returns what is said of a file whose source does not exist.
fn missing(lua: &Lua, file: &PlainFile) -> LuaResult<LuaValue> {
    let table = lua.create_table()?;
    table.raw_set("source", lua.create_string(&file.text)?)?;
    table.raw_set("ticket", file.ticket)?;
    Ok(LuaValue::Table(table))
}

/// Registers what `file{}` calls.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    register_function(lua, native, "add_ticket_at", |lua, positions: Vec<String>| {
        add_ticket_at(lua, positions.into())
    })?;
    register_function(lua, native, "positions_of_ticket", |lua, number: usize| {
        Ok(ticket(lua, number)?.positions.to_vec())
    })?;
    register_plain(lua, native, "declare_files", declare_files)
}
