//! What a session was told and has not yet done: the last word on each thing, so that no client can fill it.

use crate::protocol::{Change, Motion};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Most single frames asked for ahead.
const MOST_FRAMES: u32 = 100;

/// What was told since the last look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// For each of the two runs.
    pub motions: [Option<Motion>; 2],
    /// Whether time stands still.
    pub paused: Option<bool>,
    /// t per second; 0 for as fast as it goes.
    pub speed: Option<f64>,
    /// Single frames to go on by.
    pub frames: u32,
    /// Whose weights are shown.
    pub shown: Option<u32>,
}

/// Where changes are left for a session.
#[derive(Debug, Default)]
pub struct Mailbox {
    told: Mutex<Told>,
    news: Condvar,
}

impl Mailbox {
    /// Leaves a change.
    pub fn leave(&self, change: Change) {
        let mut told = self.lock();
        let [first, second] = &mut told.motions;
        for (place, new) in [(first, change.first), (second, change.second)] {
            if new.is_some() {
                *place = new;
            }
        }
        told.paused = change.paused.or(told.paused);
        told.speed = change.speed.or(told.speed);
        told.shown = change.shown.or(told.shown);
        told.frames = told.frames.saturating_add(change.frames.unwrap_or(0)).min(MOST_FRAMES);
        self.news.notify_all();
    }

    /// Takes what there is.
    pub fn take(&self) -> Told {
        std::mem::take(&mut self.lock())
    }

    /// Waits until there is something, or so long.
    pub fn wait(&self, patience: Duration) {
        let told = self.lock();
        if *told == Told::default() {
            drop(self.news.wait_timeout(told, patience));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
