//! Calls into code that panics on damaged files, with the panic turned into an error.

use std::cell::Cell;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a reader whose library panics on damaged bytes instead of returning an error.
///
/// The panic is not printed: the error says what a person needs to know.
pub fn guarded<T>(read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                print(info);
            }
        }));
    });
    GUARDED.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(false);
    outcome.unwrap_or_else(|_| Err(io::Error::other("the file is damaged")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_other_outcomes_stay() {
        let damaged = guarded::<()>(|| panic!("bad page")).unwrap_err();
        assert_eq!(damaged.to_string(), "the file is damaged");
        assert_eq!(guarded(|| Ok(3)).unwrap(), 3);
        let error = guarded::<()>(|| Err(io::Error::other("short"))).unwrap_err();
        assert_eq!(error.to_string(), "short");
    }
}
