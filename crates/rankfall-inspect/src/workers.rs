//! Threads for pieces of work that are the same whoever does them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Hands every item to one of up to `threads` threads; each calls `work` with one item at a time.
///
/// What comes out of an item must not depend on the thread or on the order.
pub fn each<T: Send>(threads: usize, items: &mut [T], work: impl Fn(&mut T) + Sync) {
    if threads < 2 || items.len() < 2 {
        items.iter_mut().for_each(work);
        return;
    }
    let slots: Vec<Mutex<&mut T>> = items.iter_mut().map(Mutex::new).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(slots.len()) {
            scope.spawn(|| {
                while let Some(slot) = slots.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Every slot is taken once.
                    if let Ok(mut item) = slot.lock() {
                        work(&mut item);
                    }
                }
            });
        }
    });
}
