//! Ctrl-C and the request to end: noted once, obeyed at the next look; the second time at once, and
//! the first time too where nobody looks.

use rankfall::failure::{Failure, FailureKind};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Whether somebody has seen the request and is going to end.
static SEEN: AtomicBool = AtomicBool::new(false);

/// How long a request may go unseen, as in one long product before the first step.
const GRACE: Duration = Duration::from_millis(1500);

/// Listens from now on. Where the system has no threads for that, signals end the program at once,
/// with the last checkpoint kept, and that is said.
///
/// # Errors
/// Exit code 1 where the system does not let us for another reason.
pub fn listen() -> Result<(), Failure> {
    // Before the handler: without its thread that would swallow signals.
    let watchdog = match std::thread::Builder::new().spawn(end_unless_seen) {
        Ok(thread) => thread.thread().clone(),
        Err(error) => {
            let words = "a signal ends this run at once, without a last checkpoint";
            log::warn!("{words}: no thread to listen for it: {error}");
            return Ok(());
        }
    };
    let handler = move || {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(FailureKind::Interrupted.code()));
        }
        watchdog.unpark();
    };
    match ctrlc::set_handler(handler) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(error) => Err(Failure::run(format!("cannot listen for Ctrl-C: {error}"))),
    }
}

/// Has a file that would pass a limit on its size (`ulimit -f`) fail to be written, with the
/// system's reason, instead of the process being killed without a word.
pub fn survive_file_size_limits() {
    #[cfg(unix)]
    {
        // The flag is never looked at: that the signal has a handler is enough. Where none can be
        // set everything but the message is as it should be.
        let _ = signal_hook::flag::register(libc::SIGXFSZ, std::sync::Arc::default());
    }
}

/// Waits for a request, and a little for somebody to see it; files are whole at any moment.
fn end_unless_seen() {
    while !REQUESTED.load(Ordering::SeqCst) {
        std::thread::park();
    }
    std::thread::sleep(GRACE);
    if !SEEN.load(Ordering::SeqCst) {
        let words = "interrupted; what was kept before is as it was";
        end(&Failure::interrupted(words).hint("the same command with --resume goes on from there"));
    }
}

/// Whether somebody asked to stop. Who is told so ends soon.
pub fn requested() -> bool {
    let requested = REQUESTED.load(Ordering::SeqCst);
    if requested {
        SEEN.store(true, Ordering::SeqCst);
    }
    requested
}

/// From now on a first request is not obeyed: results are being written, which does not take long.
pub fn let_finish() {
    SEEN.store(true, Ordering::SeqCst);
}

/// Ends the process with a failure, whatever its threads are doing.
pub fn end(failure: &Failure) -> ! {
    let _ = writeln!(std::io::stderr(), "{failure}");
    std::process::exit(i32::from(failure.kind.code()));
}
