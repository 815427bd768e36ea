//! Calls into a library that panics on damaged files.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a reader; none where it panicked. The panic is not printed: who asks says what a person
/// needs to know.
pub(crate) fn guarded<T>(read: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                print(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(outer);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_none_and_guards_may_be_nested() {
        assert_eq!(guarded(|| 3), Some(3));
        let outer = guarded(|| {
            assert_eq!(guarded::<()>(|| panic!("bad page")), None);
            GUARDED.get()
        });
        assert_eq!(outer, Some(true));
        assert!(!GUARDED.get());
    }
}
