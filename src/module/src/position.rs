//! The chain of positions of a declaration, as `lua/syslua/util/position.lua` finds it, which
//! brings the rules: for what is declared by thousands, without a table for each frame. What takes
//! more than a look at the stack stays there.

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;

use mlua::ffi;
use mlua::lua_State;
use syslua_engine::value::Positions;

/// What the names of chunks say of them.
#[derive(Debug, Default)]
pub struct Rules {
    /// The prefix of the names of sys.lua's files.
    pub own: String,
    /// What those of shipped modules begin with.
    pub shipped: String,
    /// What those of programs that drive a script begin with.
    pub foreign: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    User,
    Shipped,
    /// Where the frames of the config end.
    Outside,
    Ignored,
}

impl Rules {
    fn kind(&self, source: &[u8]) -> Kind {
        if source.starts_with(self.shipped.as_bytes()) {
            Kind::Shipped
        } else if let Some(inner) = source.strip_prefix(self.own.as_bytes()) {
            let is_outside = [b"cli/".as_slice(), b"cli\\", b"evaluate"]
                .iter()
                .any(|top| inner.starts_with(top));
            if is_outside { Kind::Outside } else { Kind::Ignored }
        } else if source.starts_with(b"=[")
            || self.foreign.iter().any(|prefix| source.starts_with(prefix.as_bytes()))
        {
            Kind::Ignored
        } else {
            Kind::User
        }
    }
}

/// A frame of the call stack.
#[derive(Debug)]
struct Frame {
    /// The name of its chunk.
    source: Vec<u8>,
    line: c_int,
    kind: Kind,
    /// The line as people read it, where that counts.
    text: Option<String>,
}

/// The frames that were seen last: a loop declares all that it does from the same ones.
#[derive(Debug, Default)]
pub struct Frames {
    frames: Vec<Frame>,
    positions: Option<Positions>,
}

fn add(lines: &mut Vec<String>, line: &str) {
    if lines.last().is_none_or(|last| last != line) {
        lines.push(line.to_owned());
    }
}

impl Frames {
    /// Returns the user's lines on the call stack, innermost first, then those of shipped modules,
    /// or `None` if the user has none there. The innermost `own` frames belong to sys.lua.
    ///
    /// # Safety
    /// The state is that of the Lua thread that runs.
    pub unsafe fn chain(
        &mut self,
        state: *mut lua_State,
        own: c_int,
        rules: &Rules,
    ) -> Option<Positions> {
        let (mut count, mut is_same) = (0, true);
        loop {
            let mut frame = MaybeUninit::<ffi::lua_Debug>::zeroed();
            let level = own + c_int::try_from(count).unwrap_or(c_int::MAX);
            // SAFETY: Lua fills in a frame that is all zeros otherwise, and raises nothing for
            // these fields.
            let frame = unsafe {
                if ffi::lua_getstack(state, level, frame.as_mut_ptr()) == 0
                    || ffi::lua_getinfo(state, c"Sl".as_ptr(), frame.as_mut_ptr()) == 0
                {
                    break;
                }
                frame.assume_init()
            };
            // SAFETY: the name of a chunk lives as long as its function, which is on the stack.
            let source =
                if frame.source.is_null() { c"" } else { unsafe { CStr::from_ptr(frame.source) } }
                    .to_bytes();
            let line = frame.currentline;
            let known =
                self.frames.get(count).filter(|known| known.line == line && known.source == source);
            let kind = match known {
                Some(known) => known.kind,
                None => {
                    is_same = false;
                    let kind = rules.kind(source);
                    let counts = matches!(kind, Kind::User | Kind::Shipped) && line > 0;
                    let text = counts.then(|| {
                        // SAFETY: Lua ends it with a zero.
                        let short =
                            || unsafe { CStr::from_ptr(frame.short_src.as_ptr()) }.to_bytes();
                        let name = source
                            .strip_prefix(b"@")
                            .or(source.strip_prefix(b"="))
                            .unwrap_or_else(short);
                        format!("{}:{line}", String::from_utf8_lossy(name))
                    });
                    self.frames.truncate(count);
                    self.frames.push(Frame { source: source.to_vec(), line, kind, text });
                    kind
                }
            };
            count += 1;
            if kind == Kind::Outside {
                break;
            }
        }
        if !is_same || self.frames.len() != count {
            self.frames.truncate(count);
            self.positions = self.lines();
        }
        self.positions.clone()
    }

    fn lines(&self) -> Option<Positions> {
        let (mut lines, mut shipped) = (Vec::new(), Vec::new());
        for frame in &self.frames {
            if let Some(text) = &frame.text {
                add(if frame.kind == Kind::User { &mut lines } else { &mut shipped }, text);
            }
        }
        if lines.is_empty() {
            return None;
        }
        lines.append(&mut shipped);
        Some(lines.into())
    }
}
