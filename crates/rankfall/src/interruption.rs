//! Ctrl-C and the request to end: noted once, obeyed at the next look; the second time at once.

use crate::failure::{Failure, FailureKind};
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Listens from now on.
///
/// # Errors
/// Exit code 1 where the system does not let us.
pub fn listen() -> Result<(), Failure> {
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

/// Has a file that would pass a limit on its size (`ulimit -f`) fail to be written, with the system's
/// reason, instead of the process being killed without a word.
pub fn survive_file_size_limits() {
    #[cfg(unix)]
    {
        // The flag is never looked at: that the signal has a handler is enough. Where none can be set
        // everything but the message is as it should be.
        let _ = signal_hook::flag::register(libc::SIGXFSZ, std::sync::Arc::default());
    }
}

/// Whether somebody asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
