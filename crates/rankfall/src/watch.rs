//! Who watches over a run: told how far it is, asked whether to stop. Running prints nothing.

use crate::failure::Failure;
use std::sync::atomic::{AtomicBool, Ordering};

/// Watches over runs, one dynamics (or sweep) after the other. Every method may be called from any
/// thread.
pub trait Watch: Sync {
    /// A sentence on what theory predicts, before anything is run.
    fn foresee(&self, _sentence: &str) {}
    /// The dynamics of this label, or a sweep, begins.
    fn begin(&self, _label: &str) {}
    /// So many of all its trajectory-steps are done.
    fn progress(&self, _done: u64, _total: u64) {}
    /// It ended, finished or not.
    fn end(&self) {}
    /// Whether to stop, keeping what there is.
    fn interrupted(&self) -> bool {
        false
    }
    /// Workers are inside one long step and do not stop, and everything before it has been kept:
    /// ending the process with this failure loses nothing else. Whoever returns waits for the
    /// workers.
    fn abandon(&self, _failure: &Failure) {}
    /// Results are being written, which does not take long: interruptions come too late from now
    /// on.
    fn let_finish(&self) {}
}

/// Nobody watches: runs go on to their end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Watch for Silent {}

/// Says, once in a process, that the system refused threads: `made` of `wanted` were started.
pub(crate) fn warn_of_threads(made: usize, wanted: usize) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if SAID.swap(true, Ordering::Relaxed) {
        return;
    }
    let running = match made {
        0 => "the run goes on with the main one alone, slower".to_owned(),
        _ => format!("the run goes on with {made}"),
    };
    let refused = wanted - made;
    log::warn!(
        "the system refused {refused} of {wanted} threads; {running}. Results are the same; \
         --threads asks for fewer"
    );
}
