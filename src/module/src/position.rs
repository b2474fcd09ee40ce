//! The chain of positions of a declaration, as `lua/syslua/util/position.lua` finds it, which brings the rules: for what is
//! declared by thousands, without a table for each frame. What takes more than a look at the stack stays there.

use mlua::prelude::*;
use syslua_engine::value::Positions;

use crate::state;

/// What the names of chunks say of them.
#[derive(Debug, Default)]
pub struct Rules {
    /// What those of our own files begin with.
    pub own: String,
    /// What those of shipped modules begin with.
    pub shipped: String,
    /// What those of programs that drive a script begin with.
    pub foreign: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Shipped,
    /// Where the frames of the config end.
    Outside,
    Ignored,
}

impl Rules {
    fn kind(&self, source: &str) -> Kind {
        if source.starts_with(&self.shipped) {
            Kind::Shipped
        } else if let Some(inner) = source.strip_prefix(&self.own) {
            let is_outside = inner.starts_with("cli/") || inner.starts_with("cli\\") || inner.starts_with("evaluate");
            if is_outside { Kind::Outside } else { Kind::Ignored }
        } else if source.starts_with("=[") || self.foreign.iter().any(|prefix| source.starts_with(prefix)) {
            Kind::Ignored
        } else {
            Kind::User
        }
    }
}

fn add(lines: &mut Vec<String>, line: String) {
    if lines.last() != Some(&line) {
        lines.push(line);
    }
}

/// Returns the user's lines on the call stack, innermost first, then those of shipped modules; nothing when the user has
/// none there. The innermost `own` frames are ours.
pub fn chain(lua: &Lua, own: usize) -> Option<Positions> {
    let rules = state::read(lua, |state| state.position_rules.clone())?;
    let (mut lines, mut shipped) = (Vec::new(), Vec::new());
    let mut level = own;
    loop {
        let ended = lua.inspect_stack(level, |frame| {
            let info = frame.source();
            let source = info.source.as_deref().unwrap_or_default();
            let kind = rules.kind(source);
            if let (Kind::User | Kind::Shipped, Some(number @ 1..)) = (kind, frame.current_line()) {
                let name = source.strip_prefix(['@', '=']).or(info.short_src.as_deref()).unwrap_or_default();
                add(if kind == Kind::User { &mut lines } else { &mut shipped }, format!("{name}:{number}"));
            }
            kind == Kind::Outside
        });
        if ended != Some(false) {
            break;
        }
        level += 1;
    }
    if lines.is_empty() {
        return None;
    }
    lines.append(&mut shipped);
    Some(lines.into())
}
