//! Worker threads, of which the system may refuse some or all: those that can be had do the work.

use std::thread::{Builder, Scope};

/// Starts up to `count` threads that each run `work`, until the system refuses one; how many there
/// are.
pub fn start_workers<'scope>(
    scope: &'scope Scope<'scope, '_>,
    count: usize,
    work: impl Fn() + Copy + Send + 'scope,
) -> usize {
    let start = |_: &usize| Builder::new().spawn_scoped(scope, work).is_ok();
    (0..count).take_while(start).count()
}

/// Runs `work` on this thread and on up to `count` − 1 others: at least once, whatever the system
/// refuses. Returns when all have ended.
pub fn on_threads(count: usize, work: impl Fn() + Sync) {
    let work = &work;
    std::thread::scope(|scope| {
        start_workers(scope, count.saturating_sub(1), work);
        work();
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn work_is_done_by_as_many_threads_as_asked_for_and_at_least_by_this_one() {
        for (count, expected) in [(0, 1), (1, 1), (4, 4)] {
            let ran = AtomicUsize::new(0);
            on_threads(count, || {
                ran.fetch_add(1, Ordering::SeqCst);
            });
            assert_eq!(ran.into_inner(), expected);
        }
    }
}
