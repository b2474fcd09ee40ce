//! The functions that hear what the engine reports. The engine's handle for events may go to any
//! thread, and a function of Lua may not: it stays with the thread of its call.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem::{ManuallyDrop, take};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use syslua_engine::settings::{Event, Events};

type Listener = Rc<dyn Fn(&Event)>;

thread_local! {
    /// The listeners of the calls under way on this thread. They are not dropped when the process
    /// ends: the Lua state may be closed by then.
    static LISTENERS: RefCell<ManuallyDrop<BTreeMap<u64, Listener>>> =
        const { RefCell::new(ManuallyDrop::new(BTreeMap::new())) };
}

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A function that hears events until this is dropped.
pub struct Registration {
    number: u64,
    /// What other threads reported.
    waiting: Arc<Mutex<Vec<Event>>>,
}

impl Registration {
    /// Makes a function hear events.
    pub fn new(listener: impl Fn(&Event) + 'static) -> Registration {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        LISTENERS.with_borrow_mut(|listeners| listeners.insert(number, Rc::new(listener)));
        Registration { number, waiting: Arc::default() }
    }

    /// Returns the engine's handle.
    pub fn events(&self) -> Events {
        let (number, waiting) = (self.number, Arc::clone(&self.waiting));
        Events::new(move |event| {
            waiting.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            tell_waiting(number, &waiting);
        })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        tell_waiting(self.number, &self.waiting);
        LISTENERS.with_borrow_mut(|listeners| listeners.remove(&self.number));
    }
}

/// Tells a listener what waits for it, if this is the thread of its call.
fn tell_waiting(number: u64, waiting: &Mutex<Vec<Event>>) {
    // Nothing is borrowed or locked while the function runs: it may call the engine too.
    let listener = LISTENERS.with_borrow(|listeners| listeners.get(&number).map(Rc::clone));
    let Some(listener) = listener else { return };
    let events = take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
    events.iter().for_each(|event| listener(event));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(message: &str) -> Event {
        Event::Warning { message: message.to_owned() }
    }

    #[test]
    fn a_listener_hears_all_threads_on_its_own_one_in_order_and_until_its_call_ends() {
        let heard: Rc<RefCell<Vec<String>>> = Rc::default();
        let listener = {
            let heard = Rc::clone(&heard);
            move |event: &Event| {
                if let Event::Warning { message } = event {
                    heard.borrow_mut().push(message.clone());
                }
            }
        };
        let registration = Registration::new(listener);
        let events = registration.events();
        let elsewhere = |message| {
            let (events, event) = (events.clone(), warning(message));
            std::thread::spawn(move || events.send(event)).join().unwrap();
        };
        events.send(warning("1"));
        elsewhere("2");
        assert_eq!(heard.borrow().len(), 1);
        events.send(warning("3"));
        elsewhere("4");
        drop(registration);
        events.send(warning("5"));
        assert_eq!(*heard.borrow(), ["1", "2", "3", "4"]);
        assert!(LISTENERS.with_borrow(|listeners| listeners.is_empty()));
    }

    #[test]
    fn a_listener_may_report_and_register_itself() {
        let heard: Rc<RefCell<Vec<String>>> = Rc::default();
        let own: Rc<RefCell<Option<Events>>> = Rc::default();
        let listener = {
            let (heard, own) = (Rc::clone(&heard), Rc::clone(&own));
            move |event: &Event| {
                heard.borrow_mut().push(format!("{event:?}"));
                let events = own.borrow_mut().take();
                let _inner = Registration::new(|_| ());
                events.iter().for_each(|events| events.send(Event::Tick));
            }
        };
        let registration = Registration::new(listener);
        *own.borrow_mut() = Some(registration.events());
        registration.events().send(warning("outer"));
        assert_eq!(heard.borrow().len(), 2);
        assert_eq!(heard.borrow()[1], "Tick");
    }
}
