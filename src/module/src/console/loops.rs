//! Ctrl-C in Lua functions of the user: a Lua loop does not check a flag.
//!
//! The handler of signals gives the Lua thread that runs a hook, as the program `lua` does; until
//! then there is none, so that nothing is slower for it. `LuaJIT` calls hooks only from its
//! interpreter: what is stopped here runs there.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use mlua::prelude::*;
use mlua::{ffi, lua_State};

#[cfg(unix)]
use syslua_engine::platform::signals;

use crate::console::interrupt::interrupt;

/// The Lua thread that runs a function of the user; null when none does.
static RUNNING: AtomicPtr<lua_State> = AtomicPtr::new(ptr::null_mut());
/// Whether its coroutines are stopped by their own hook, which `LuaJIT` shares among all threads.
static WITH_COROUTINES: AtomicBool = AtomicBool::new(false);
/// The thread of the system that runs it.
static THREAD: AtomicUsize = AtomicUsize::new(0);

/// What Lua's own program raises too.
const INTERRUPTED: &std::ffi::CStr = c"interrupted!";

/// Runs before each instruction after an interrupt, so that no `pcall` in a loop catches all
/// errors.
unsafe extern "C-unwind" fn raise(state: *mut lua_State, _: *mut ffi::lua_Debug) {
    let running = RUNNING.load(Ordering::Relaxed);
    if running.is_null() || (running != state && !WITH_COROUTINES.load(Ordering::Relaxed)) {
        return;
    }
    // SAFETY: Lua calls hooks with room on the stack, and nothing here has to be dropped.
    unsafe {
        ffi::lua_pushstring(state, INTERRUPTED.as_ptr());
        ffi::lua_error(state);
    }
}

fn set_hook(state: *mut lua_State) {
    // SAFETY: the state runs, or waits for another state that does; Lua allows this in handlers of
    // signals.
    unsafe {
        ffi::lua_sethook(
            state,
            Some(raise),
            ffi::LUA_MASKCALL | ffi::LUA_MASKRET | ffi::LUA_MASKLINE | ffi::LUA_MASKCOUNT,
            1,
        );
    }
}

/// Returns whether a function of the user runs, or a function that it called.
#[cfg(unix)]
pub fn is_running() -> bool {
    !RUNNING.load(Ordering::Relaxed).is_null()
}

/// Stops what runs, and returns whether anything does. Is called by the handler of signals, and
/// does only what that may.
#[cfg(unix)]
pub fn stop(signal: i32) -> bool {
    let running = RUNNING.load(Ordering::Relaxed);
    if running.is_null() {
        return false;
    }
    let thread = THREAD.load(Ordering::Relaxed);
    if this_thread() == thread {
        set_hook(running);
    } else {
        // Another thread must not touch what runs.
        // SAFETY: the thread runs a function of the user.
        unsafe { signals::send_to_thread(thread, signal) };
    }
    true
}

#[cfg(unix)]
use signals::this_thread;

#[cfg(not(unix))]
fn this_thread() -> usize {
    0
}

/// What ran before is what runs, once this is dropped.
struct Running {
    state: *mut lua_State,
    before: *mut lua_State,
    with_coroutines: bool,
    hook: (Option<ffi::lua_Hook>, i32, i32),
}

impl Running {
    fn new(state: *mut lua_State, with_coroutines: bool) -> Running {
        // SAFETY: the state is alive, and this is the thread that it belongs to.
        let hook = unsafe {
            (ffi::lua_gethook(state), ffi::lua_gethookmask(state), ffi::lua_gethookcount(state))
        };
        THREAD.store(this_thread(), Ordering::Relaxed);
        let with_coroutines = WITH_COROUTINES.swap(with_coroutines, Ordering::Relaxed);
        let running = Running {
            state,
            before: RUNNING.swap(state, Ordering::Relaxed),
            with_coroutines,
            hook,
        };
        if interrupt().is_set() {
            set_hook(state);
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.store(self.before, Ordering::Relaxed);
        WITH_COROUTINES.store(self.with_coroutines, Ordering::Relaxed);
        let (hook, mask, count) = self.hook;
        // SAFETY: as above.
        unsafe {
            // A hook of an interrupt or of the user's code: sys.lua must not run it.
            let present = ffi::lua_gethook(self.state);
            if present.map(|hook| hook as usize) != hook.map(|hook| hook as usize)
                || ffi::lua_gethookmask(self.state) != mask
            {
                ffi::lua_sethook(self.state, hook, mask, count);
            }
        }
    }
}

/// Returns the calling Lua thread.
fn current(lua: &Lua) -> LuaResult<*mut lua_State> {
    let mut current = ptr::null_mut();
    // SAFETY: nothing is done with it here.
    unsafe { lua.exec_raw::<()>((), |state| current = state)? };
    Ok(current)
}

/// Runs a function of the user on this Lua thread, and on the coroutines that it makes, until an
/// interrupt. Returns whether there was one.
///
/// # Errors
/// Errors of the function, unless there was an interrupt.
pub fn run(lua: &Lua, function: &LuaFunction) -> LuaResult<bool> {
    let running = Running::new(current(lua)?, lua.globals().raw_get::<LuaValue>("jit")?.is_table());
    let result = function.call::<()>(());
    let is_interrupted = interrupt().is_set();
    drop(running);
    if is_interrupted { Ok(true) } else { result.map(|()| false) }
}

/// Runs code that resumes a coroutine of the user, until an interrupt.
pub fn while_resuming<R>(coroutine: &LuaThread, resume: impl FnOnce() -> R) -> R {
    let _running = Running::new(coroutine.state(), false);
    resume()
}

/// Registers what `lua/syslua/loops.lua` calls around each resume of a coroutine.
pub fn register(lua: &Lua, native: &LuaTable) -> LuaResult<()> {
    let is_interrupted = lua.create_function(|_, ()| Ok(interrupt().is_set()))?;
    native.set("is_interrupted", is_interrupted)?;
    let enter = lua.create_function(|_, coroutine: LuaThread| {
        let before = RUNNING.load(Ordering::Relaxed);
        if !before.is_null() {
            RUNNING.store(coroutine.state(), Ordering::Relaxed);
            if interrupt().is_set() {
                set_hook(coroutine.state());
            }
        }
        Ok(LuaLightUserData(before.cast()))
    })?;
    native.set("enter_coroutine", enter)?;
    let leave = lua.create_function(|_, before: LuaLightUserData| {
        if !before.0.is_null() {
            let before = before.0.cast();
            RUNNING.store(before, Ordering::Relaxed);
            if interrupt().is_set() {
                set_hook(before);
            }
        }
        Ok(())
    })?;
    native.set("leave_coroutine", leave)
}
