//! Random configs over random homes, with links at every level, applied in turn, with edits by the
//! user and rollbacks between: no source is ever changed, nothing of the user's is lost, a second
//! apply does nothing, and destroying gives the home back byte for byte.
//!
//! `SYSLUA_ROUNDS` says how many homes, `SYSLUA_SEED` which is the first.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod config;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syslua_engine::api::{ApplyOptions, Engine, PlanOptions};
use syslua_engine::manifest::Manifest;
use syslua_engine::names::SnapshotId;
use syslua_engine::platform::fault::{self, Fault};
use syslua_engine::settings::Mode;
use syslua_engine::store::Access;
use syslua_engine::value::Text;

use support::{ENOSPC, NoTasks, remove, settings, temporary_directory};
use world::{Entry, Tree, World, differing, read_tree};

/// How many homes the suite makes.
const ROUNDS: u64 = 60;
/// Homes that showed defects once, and whether they were wide.
const FOUND: [(u64, bool); 20] = [
    (200_191, false),
    (200_439, false),
    (301_022, false),
    (700_403, false),
    (901_707, false),
    (5_001_525, false),
    (70_460, true),
    (90_050, true),
    (120_425, true),
    (90_233, true),
    (120_153, true),
    (200_233, true),
    (300_389, true),
    (400_262, true),
    (501_513, true),
    (502_212, true),
    (502_585, true),
    (505_505, true),
    (3_004_793, true),
    (3_004_823, true),
];

/// Applies; returns the snapshot that was made, if anything changed.
fn apply(engine: &Engine, manifest: &Manifest) -> Result<Option<SnapshotId>, String> {
    let options = ApplyOptions { description: "test".into(), ..ApplyOptions::default() };
    let applied = engine.apply(manifest, &options, &mut NoTasks);
    applied
        .map(|report| report.new_snapshot.filter(|_| report.applied))
        .map_err(|error| error.to_failure().message)
}

/// Returns what an apply would change, for messages.
fn planned(engine: &Engine, manifest: &Manifest) -> String {
    let options = PlanOptions { brief: true, ..PlanOptions::default() };
    match engine.plan(manifest, options) {
        Ok(plan) => {
            let shown = plan.actions.iter().map(|action| {
                (action.mark, action.kind, action.target.as_ref().map(Text::display))
            });
            format!("{:#?}", shown.collect::<Vec<_>>())
        }
        Err(error) => error.to_failure().message,
    }
}

/// One home, from its first apply to the end.
struct Play {
    seed: u64,
    world: World,
    engine: Engine,
    /// What the config of each snapshot read, by the snapshot's number.
    reads: BTreeMap<SnapshotId, BTreeSet<PathBuf>>,
    applied: usize,
}

impl Play {
    fn fail(&self, what: &str, result: &dyn std::fmt::Debug) -> String {
        format!("seed {}: {what}\n  {}\n{result:?}", self.seed, self.world.log.join("\n  "))
    }

    /// Returns what a config reads as it is now, through all links.
    fn read(reads: &[PathBuf]) -> Tree {
        let ends = reads.iter().filter_map(|source| source.canonicalize().ok());
        let trees = ends.flat_map(|end| read_tree(&end, None));
        // A link by which something is read may become another one that leads there too.
        let named = reads.iter().filter_map(|source| Some((source.clone(), world::entry(source)?)));
        trees.chain(named.filter(|(_, entry)| !entry.is_link())).collect()
    }

    fn expect_same(&self, before: &Tree, after: &Tree, what: &str, result: &dyn std::fmt::Debug) {
        let mut found = differing(before, after, |one, other| one == other);
        found.retain(|path| !self.world.is_above_root(path));
        assert_eq!(found, Vec::<PathBuf>::new(), "{}", self.fail(what, result));
    }

    /// Expects that all is as before, apart from when directories and what is ours were made: that
    /// was done and taken back.
    fn expect_taken_back(
        &self,
        before: &Tree,
        after: &Tree,
        what: &str,
        result: &dyn std::fmt::Debug,
    ) {
        let own = self.world.own_of(before);
        let mut found = differing(before, after, Entry::holds_as);
        found.extend(
            own.iter()
                .filter(|(path, entry)| after.get(*path) != Some(*entry))
                .map(|(path, _)| path.clone()),
        );
        found.retain(|path| !self.world.is_above_root(path));
        assert_eq!(found, Vec::<PathBuf>::new(), "{}", self.fail(what, result));
    }

    /// Notes what happened to the home, for messages.
    fn note(&mut self, before: &Tree, after: &Tree) {
        for path in differing(before, after, Entry::is_as) {
            let is = |tree: &Tree| tree.get(&path).map_or("nothing".to_owned(), Entry::in_words);
            self.world.log.push(format!(
                "    {}: {} became {}",
                path.display(),
                is(before),
                is(after)
            ));
        }
    }

    fn expect_nothing_lost(&self, result: &dyn std::fmt::Debug) {
        assert_eq!(
            self.world.lost(),
            Vec::<String>::new(),
            "{}",
            self.fail("a text is lost", result)
        );
    }

    fn apply(&mut self) {
        self.world.log.push("apply:".to_owned());
        let number = self.world.log.len() - 1;
        let config = self.world.config();
        let (before, sources) = (self.world.observe(), Play::read(&config.reads));
        self.world.read.extend(sources.keys().cloned());
        self.disturb(&config.manifest, &before);
        let before = self.world.observe();
        let result = apply(&self.engine, &config.manifest);
        self.world.log[number] = format!("apply: {result:?}");
        let after = self.world.observe();
        self.note(&before, &after);
        self.expect_same(&sources, &Play::read(&config.reads), "a source changed", &result);
        self.expect_nothing_lost(&result);
        if result.is_err() {
            self.expect_taken_back(&before, &after, "a failure changed", &result);
            if !config.fails {
                self.expect_same(&before, &after, "a refusal changed", &result);
            }
            return;
        }
        self.applied += 1;
        self.world.note_given();
        let plan = planned(&self.engine, &config.manifest);
        let again = apply(&self.engine, &config.manifest);
        assert_eq!(again, Ok(None), "{}", self.fail("a second apply does something", &plan));
        self.expect_same(&after, &self.world.observe(), "a second apply changed", &result);
        if let Ok(Some(id)) = result {
            self.reads.insert(id, sources.into_keys().collect());
        }
    }

    /// Has an apply fail or end somewhere: what it did is taken back, or is the whole of it.
    fn disturb(&mut self, manifest: &Manifest, before: &Tree) {
        if !self.world.also(3) {
            return;
        }
        let number = 1 + self.world.further(120) as u64;
        let fault = if self.world.also(2) { Fault::Halt } else { Fault::Fail(ENOSPC) };
        self.world.log.push(format!("disturbed: {fault:?} at {number}"));
        self.world.is_disturbed = true;
        fault::choose(Some((number, fault)));
        let result = apply(&self.engine, manifest);
        let is_over = fault::count() < number;
        fault::choose(None);
        self.open();
        let recovered = self.engine.recover().map_err(|error| error.to_failure().message);
        assert!(recovered.is_ok(), "{}", self.fail("nothing is recovered", &recovered));
        let after = self.world.observe();
        if !is_over && !matches!(result, Ok(Some(_))) && !self.is_applied(manifest) {
            self.expect_taken_back(before, &after, "a fault changed", &result);
        }
        self.expect_nothing_lost(&result);
    }

    /// Returns whether nothing is left to do for a config.
    fn is_applied(&self, manifest: &Manifest) -> bool {
        let options = PlanOptions { brief: true, ..PlanOptions::default() };
        self.engine.plan(manifest, options).is_ok_and(|plan| !plan.changed)
    }

    fn open(&mut self) {
        self.engine = open(&self.world);
    }

    /// The home is another one from now on, or moves with the root in it.
    fn change_home(&mut self) {
        if self.world.also(2) {
            self.world.change_home();
        } else if let Some(moved) = self.world.move_home() {
            for paths in self.reads.values_mut() {
                *paths = paths.iter().map(|path| moved(path)).collect();
            }
        }
        self.open();
    }

    fn roll_back(&mut self) {
        let ids: Vec<SnapshotId> = self.reads.keys().copied().collect();
        let id = *self.world.random.pick(&ids);
        let go = |engine: &Engine| {
            let done = engine.rollback(Some(id), Mode::Perform);
            done.map(|report| report.applied).map_err(|error| error.to_failure().message)
        };
        // What later snapshots put beside its sources goes; what is the user's stays.
        let before = self.world.observe();
        let is_source = |(path, _): &(PathBuf, Entry)| self.reads[&id].contains(path);
        let sources: Tree = self.world.own_of(&before).into_iter().filter(is_source).collect();
        let result = go(&self.engine);
        self.world.log.push(format!("rollback to {id}: {result:?}"));
        let mut now = self.world.observe();
        self.note(&before, &now);
        now.retain(|path, _| sources.contains_key(path));
        self.expect_same(&sources, &now, "a source changed", &result);
        self.expect_nothing_lost(&result);
        let after = self.world.observe();
        if result.is_err() {
            self.expect_same(&before, &after, "a refusal changed", &result);
            return;
        }
        let plan = self.engine.rollback(Some(id), Mode::Preview).map(|report| {
            let steps = report.plan.actions.iter();
            let shown =
                steps.map(|step| (step.mark, step.kind, step.target.as_ref().map(Text::display)));
            format!("{:#?}", shown.collect::<Vec<_>>())
        });
        let plan = plan.unwrap_or_else(|error| error.to_failure().message);
        assert_eq!(
            go(&self.engine),
            Ok(false),
            "{}",
            self.fail("a second rollback does something", &plan)
        );
        self.expect_same(&after, &self.world.observe(), "a second rollback changed", &result);
    }

    fn destroy(&self) {
        let destroyed =
            self.engine.destroy(Mode::Perform).map_err(|error| error.to_failure().message);
        let report =
            destroyed.unwrap_or_else(|message| panic!("{}", self.fail("destroy fails", &message)));
        self.expect_nothing_lost(&report.displaced);
        let (last, strange) = (self.world.observe(), self.world.strange());
        let is = |tree: &Tree| {
            strange.iter().map(|path| tree.get(path).map(Entry::in_words)).collect::<Vec<_>>()
        };
        let how = format!(
            "{:?} became {:?}; stuck: {:?}",
            is(&self.world.expected),
            is(&last),
            report.stuck
        );
        assert_eq!(strange, Vec::<PathBuf>::new(), "{}", self.fail("destroy leaves", &how));
    }
}

fn open(world: &World) -> Engine {
    Engine::open(settings(&world.root, &world.named_home), Access::Work).unwrap()
}

fn play(base: &Path, seed: u64, is_wide: bool) -> usize {
    let world = World::new(base, seed, is_wide);
    let engine = open(&world);
    let mut play = Play {
        seed,
        world,
        engine,
        reads: BTreeMap::from([(SnapshotId(0), BTreeSet::new())]),
        applied: 0,
    };
    for _ in 0..4 {
        play.apply();
        if play.world.random.one_in(2) {
            play.world.edit();
        }
        if play.world.also(3) {
            play.world.edit_more();
        }
        if play.world.also(6) {
            play.change_home();
        }
        if play.applied > 0 && play.world.random.one_in(4) {
            play.roll_back();
        }
    }
    play.destroy();
    remove(&play.world.root);
    play.applied
}

#[test]
fn no_source_is_changed_and_every_home_comes_back() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (rounds, first) =
        (number("SYSLUA_ROUNDS").unwrap_or(ROUNDS), number("SYSLUA_SEED").unwrap_or(1));
    let mut applied = 0;
    for (seed, is_wide) in (first..first + rounds).map(|seed| (seed, true)).chain(FOUND) {
        let base = temporary_directory();
        applied += play(&base.path().canonicalize().unwrap(), seed, is_wide);
    }
    // Many configs are refused, as they should be; a test that applies none shows nothing.
    assert!(applied as u64 >= rounds / 4, "{applied} of {rounds}");
}
