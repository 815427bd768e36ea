//! Ctrl-C and the request to end: noted once, obeyed at the next look; the second time at once.

use crate::failure::{Failure, FailureKind};
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Listens from now on. Where the system has no thread for that, signals end the program at once, with
/// the last checkpoint kept, and that is said.
///
/// # Errors
/// Exit code 1 where the system does not let us for another reason.
pub fn listen() -> Result<(), Failure> {
    // Asked for first: a handler without its thread would swallow signals.
    let probe = std::thread::Builder::new().spawn(|| {});
    if let Err(error) = probe.map(|thread| thread.join()) {
        let words = "a signal ends this run at once, without a last checkpoint";
        crate::progress::warn(&format!("{words}: no thread to listen for it: {error}"));
        return Ok(());
    }
    let handler = || {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(FailureKind::Interrupted.code()));
        }
    };
    match ctrlc::set_handler(handler) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(error) => Err(Failure::run(format!("cannot listen for Ctrl-C: {error}"))),
    }
}

/// Whether somebody asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
