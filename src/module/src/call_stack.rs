//! The lines of the call stack that count as positions. No other room has such rules.

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;
use std::sync::Arc;

use mlua::{ffi, lua_State};
use syslua_engine::value::Positions;

/// What the names of the chunks of shipped modules and packages begin with, when a config requires
/// them.
pub const SHIPPED: &str = "@<syslua>/";

/// What the names of the chunks of programs begin with that drive a script, such as a test runner.
const FOREIGN: [&str; 3] = ["@/usr/share/lua/", "@/usr/local/share/lua/", "@/usr/bin/"];

/// What the names of chunks say of them.
#[derive(Debug)]
pub struct Rules {
    /// The prefix of the names of sys.lua's files, such as `@/usr/share/lua/5.4/syslua/`.
    own: String,
    /// The name of the stub that loads the module.
    stub: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameKind {
    User,
    Shipped,
    /// The command line, where all positions end.
    Driver,
    /// The evaluation, where the frames of a config end.
    Evaluation,
    Ignored,
}

impl Rules {
    /// Makes the rules where sys.lua's own files have a prefix.
    pub fn new(own: String) -> Rules {
        let stub = format!("{}.lua", own.strip_suffix(['/', '\\']).unwrap_or(&own));
        Rules { own, stub }
    }

    /// Returns whether a chunk is a file of sys.lua, by its name.
    pub fn is_own(&self, source: &str) -> bool {
        source.starts_with(&self.own)
    }

    fn kind(&self, source: &[u8]) -> FrameKind {
        if source.starts_with(SHIPPED.as_bytes()) {
            FrameKind::Shipped
        } else if let Some(inner) = source.strip_prefix(self.own.as_bytes()) {
            if inner.starts_with(b"cli/") || inner.starts_with(b"cli\\") {
                FrameKind::Driver
            } else if inner.starts_with(b"evaluate") {
                FrameKind::Evaluation
            } else {
                FrameKind::Ignored
            }
        } else if source.starts_with(b"=[")
            || FOREIGN.iter().any(|prefix| source.starts_with(prefix.as_bytes()))
            || source.starts_with(self.stub.as_bytes())
        {
            FrameKind::Ignored
        } else {
            FrameKind::User
        }
    }
}

/// What continues the call stack: the chain of a declaration that is handled later, or the line of
/// a function whose own line was lost in a tail call.
#[derive(Clone, Debug)]
pub struct Base {
    pub chain: Positions,
    /// Whether it counts only if the call stack has no line of the user.
    pub is_fallback: bool,
}

/// A frame of the call stack.
#[derive(Debug)]
struct Frame {
    /// The name of its chunk.
    source: Vec<u8>,
    line: c_int,
    kind: FrameKind,
    /// The line as people read it, where that counts.
    text: Option<String>,
}

/// The frames that were seen last: a loop declares all that it does from the same ones.
#[derive(Debug, Default)]
pub struct Frames {
    frames: Vec<Frame>,
    base: Option<Positions>,
    positions: Positions,
}

fn add(lines: &mut Vec<String>, line: &str) {
    if lines.last().is_none_or(|last| last != line) {
        lines.push(line.to_owned());
    }
}

/// Reads the frame of a level; returns the name of its chunk.
///
/// # Safety
/// The state is that of the Lua thread that runs. The name lives as long as the function of the
/// frame.
unsafe fn read<'a>(
    state: *mut lua_State,
    level: usize,
    frame: &mut ffi::lua_Debug,
) -> Option<&'a [u8]> {
    let level = c_int::try_from(level).unwrap_or(c_int::MAX);
    // SAFETY: Lua fills in the frame, and raises nothing for these fields.
    unsafe {
        if ffi::lua_getstack(state, level, frame) == 0
            || ffi::lua_getinfo(state, c"Sl".as_ptr(), frame) == 0
        {
            return None;
        }
        Some(if frame.source.is_null() { b"" } else { CStr::from_ptr(frame.source).to_bytes() })
    }
}

/// Returns the line of a frame as people read it, if it counts.
fn text(source: &[u8], frame: &ffi::lua_Debug, kind: FrameKind) -> Option<String> {
    // Tail calls (5.1) and functions of the interpreter have no line.
    if !matches!(kind, FrameKind::User | FrameKind::Shipped) || frame.currentline <= 0 {
        return None;
    }
    // SAFETY: Lua ends it with a zero.
    let short = || unsafe { CStr::from_ptr(frame.short_src.as_ptr()) }.to_bytes();
    let name = source.strip_prefix(b"@").or(source.strip_prefix(b"=")).unwrap_or_else(short);
    Some(format!("{}:{}", String::from_utf8_lossy(name), frame.currentline))
}

/// Returns a frame to read into.
fn empty_frame() -> ffi::lua_Debug {
    // SAFETY: it is numbers and pointers, which may be zero.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

impl Frames {
    /// Returns all lines of the user on the call stack, innermost first, without repetitions in
    /// succession, then those of shipped modules.
    ///
    /// # Safety
    /// The state is that of the Lua thread that runs.
    pub unsafe fn chain(
        &mut self,
        state: *mut lua_State,
        rules: &Rules,
        base: Option<&Base>,
    ) -> Positions {
        let (mut count, mut is_same, mut is_found) = (0, true, false);
        let mut frame = empty_frame();
        // SAFETY: the caller's promise.
        while let Some(source) = unsafe { read(state, count, &mut frame) } {
            let line = frame.currentline;
            let known =
                self.frames.get(count).filter(|known| known.line == line && known.source == source);
            let (kind, counts) = if let Some(known) = known {
                (known.kind, known.text.is_some())
            } else {
                is_same = false;
                let kind = rules.kind(source);
                let text = text(source, &frame, kind);
                let counts = text.is_some();
                self.frames.truncate(count);
                self.frames.push(Frame { source: source.to_vec(), line, kind, text });
                (kind, counts)
            };
            count += 1;
            is_found |= counts;
            if is_end(kind, is_found, base) {
                break;
            }
        }
        let chain = base.map(|base| &base.chain);
        let has_same_base = match (chain, &self.base) {
            (Some(now), Some(before)) => Arc::ptr_eq(now, before),
            (None, None) => true,
            _ => false,
        };
        if !is_same || !has_same_base || self.frames.len() != count {
            self.frames.truncate(count);
            self.base = chain.cloned();
            self.positions = self.lines(base);
        }
        Arc::clone(&self.positions)
    }

    fn lines(&self, base: Option<&Base>) -> Positions {
        let (mut lines, mut shipped) = (Vec::new(), Vec::new());
        for frame in &self.frames {
            if let Some(text) = &frame.text {
                add(if frame.kind == FrameKind::User { &mut lines } else { &mut shipped }, text);
            }
        }
        if let Some(base) = base.filter(|base| !base.is_fallback || lines.is_empty()) {
            base.chain.iter().for_each(|line| add(&mut lines, line));
        }
        lines.append(&mut shipped);
        lines.into()
    }
}

/// Returns whether frames further out do not belong to the config: those outside of an evaluation,
/// unless it failed itself, and those outside of the command line.
fn is_end(kind: FrameKind, is_found: bool, base: Option<&Base>) -> bool {
    kind == FrameKind::Driver || (kind == FrameKind::Evaluation && (is_found || base.is_some()))
}

/// Returns the innermost line of the user's files on the call stack.
///
/// # Safety
/// The state is that of the Lua thread that runs.
pub unsafe fn innermost(
    state: *mut lua_State,
    rules: &Rules,
    base: Option<&Base>,
) -> Option<String> {
    let (mut level, mut shipped) = (0, None);
    let mut frame = empty_frame();
    // SAFETY: the caller's promise.
    while let Some(source) = unsafe { read(state, level, &mut frame) } {
        let kind = rules.kind(source);
        if is_end(kind, shipped.is_some(), base) {
            break;
        }
        if let Some(text) = text(source, &frame, kind) {
            if kind == FrameKind::User {
                return Some(text);
            }
            shipped.get_or_insert(text);
        }
        level += 1;
    }
    base.and_then(|base| base.chain.first().cloned()).or(shipped)
}
