//! Observables of one's own: functions of a state at a save time that cannot change it.

use std::fmt;
use std::sync::Arc;

use faer::MatRef;

/// The state of one trajectory at a save time, to look at.
pub struct Snapshot<'a> {
    /// Which trajectory, from 0.
    pub trajectory: u64,
    /// t.
    pub time: f64,
    /// W₁, p x l.
    pub w1: MatRef<'a, f64>,
    /// W₂, l x k.
    pub w2: MatRef<'a, f64>,
}

/// A quantity of one's own: a name, and a function of a [`Snapshot`]. What it returns is averaged like any
/// other observable; NaN stands for undefined.
#[derive(Clone)]
pub struct OwnObservable {
    name: String,
    measure: Arc<dyn Fn(&Snapshot) -> f64 + Send + Sync>,
}

impl OwnObservable {
    /// Called `name`. The function is called from many threads, once per trajectory and save time; for the
    /// same bits on any number of threads it must depend on its argument alone.
    pub fn new(
        name: impl Into<String>,
        measure: impl Fn(&Snapshot) -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            measure: Arc::new(measure),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    pub fn measure(&self, snapshot: &Snapshot) -> f64 {
        (self.measure)(snapshot)
    }
}

impl fmt::Debug for OwnObservable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnObservable").field(&self.name).finish()
    }
}
