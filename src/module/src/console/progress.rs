//! Progress bars of a terminal: drawn here, by `indicatif`, into a text that the Lua side writes to
//! stderr.
//!
//! So all that a person sees goes through Lua's `io`, in order. It does not know what the bars are
//! for, nor whether there is a terminal.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use mlua::prelude::*;

/// Bars are drawn again at most this often in a second, however many updates there are.
const DRAWN_PER_SECOND: u8 = 15;
const WITHOUT_END: &str = "{spinner} {wide_msg} {elapsed:>4}";
const WITH_END: &str =
    "{spinner} {msg} [{bar:24}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}";
const WITHOUT_TOTAL: &str = "{spinner} {msg} {binary_bytes} {binary_bytes_per_sec}";

/// What is to be written to the terminal next.
#[derive(Clone, Debug, Default)]
struct Screen(Arc<Mutex<String>>);

impl Screen {
    fn put(&self, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn move_cursor(&self, count: usize, direction: char) {
        if count > 0 {
            self.put(&format!("\x1b[{count}{direction}"));
        }
    }
}

/// The control sequences are those of ECMA-48, which every terminal knows.
impl TermLike for Screen {
    fn width(&self) -> u16 {
        console::Term::stderr().size().1
    }

    fn height(&self) -> u16 {
        console::Term::stderr().size().0
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'D');
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.put(text);
        self.put("\r\n");
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.put(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.put("\r\x1b[2K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The bars of this process's one terminal.
struct Bars {
    screen: Screen,
    all: MultiProgress,
    by_key: BTreeMap<Vec<u8>, ProgressBar>,
}

static BARS: Mutex<Option<Bars>> = Mutex::new(None);

/// Does something with the bars; returns what to write.
fn draw(change: impl FnOnce(&mut Bars)) -> String {
    let mut bars = BARS.lock().unwrap_or_else(PoisonError::into_inner);
    let bars = bars.get_or_insert_with(|| {
        let screen = Screen::default();
        let target =
            ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), DRAWN_PER_SECOND);
        Bars { screen, all: MultiProgress::with_draw_target(target), by_key: BTreeMap::new() }
    });
    change(bars);
    bars.screen.take()
}

fn style(has_position: bool, total: Option<u64>) -> ProgressStyle {
    let template = match (has_position, total) {
        (false, _) => WITHOUT_END,
        (true, Some(_)) => WITH_END,
        (true, None) => WITHOUT_TOTAL,
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    style.progress_chars("=> ").tick_chars("-\\|/ ")
}

/// A name must not move the cursor.
fn plain(text: &LuaString) -> String {
    text.to_string_lossy().chars().map(|sign| if sign.is_control() { '?' } else { sign }).collect()
}

fn put(
    bars: &mut Bars,
    key: &LuaString,
    text: &LuaString,
    position: Option<u64>,
    total: Option<u64>,
) {
    let key = key.as_bytes().to_vec();
    if !bars.by_key.contains_key(&key) {
        let bar = ProgressBar::new(total.unwrap_or(0)).with_style(style(position.is_some(), total));
        let bar = bars.all.add(bar);
        bars.by_key.insert(key.clone(), bar);
    }
    let Some(bar) = bars.by_key.get(&key) else { return };
    if total.is_some() && bar.length() != total {
        bar.set_style(style(true, total));
        bar.set_length(total.unwrap_or(0));
    }
    bar.set_message(plain(text));
    bar.set_position(position.unwrap_or(0));
    bar.tick();
}

/// Registers `bars_put`, `bars_remove`, `bars_print`, `bars_tick` and `bars_clear`. Each returns
/// what to write.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    type Put = (LuaString, LuaString, Option<u64>, Option<u64>);
    let put = lua.create_function(|_, (key, text, position, total): Put| {
        Ok(draw(|bars| put(bars, &key, &text, position, total)))
    })?;
    native.set("bars_put", put)?;
    let remove = lua.create_function(|_, key: LuaString| {
        Ok(draw(|bars| {
            if let Some(bar) = bars.by_key.remove(&key.as_bytes().to_vec()) {
                bar.finish_and_clear();
                bars.all.remove(&bar);
            }
        }))
    })?;
    native.set("bars_remove", remove)?;
    let print = lua.create_function(|_, line: LuaString| {
        // Fails only where the screen does.
        Ok(draw(|bars| drop(bars.all.println(line.to_string_lossy()))))
    })?;
    native.set("bars_print", print)?;
    let tick = lua.create_function(|_, ()| {
        Ok(draw(|bars| bars.by_key.values().for_each(ProgressBar::tick)))
    })?;
    native.set("bars_tick", tick)?;
    let clear = lua.create_function(|_, ()| {
        let text = draw(|bars| {
            bars.by_key.clear();
            drop(bars.all.clear());
        });
        *BARS.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(text)
    })?;
    native.set("bars_clear", clear)
}
