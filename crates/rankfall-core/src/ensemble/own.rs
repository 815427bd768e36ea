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

/// A quantity of one's own: a name, and a function of [`Snapshot`]s. What it returns is averaged
/// like any other observable; NaN stands for undefined.
#[derive(Clone)]
pub struct OwnObservable {
    name: String,
    measure: Arc<MeasureBatch>,
}

/// A value for each of some trajectories at the same time.
type MeasureBatch = dyn Fn(&[Snapshot]) -> Vec<f64> + Send + Sync;

impl OwnObservable {
    /// Called `name`. The function is called from many threads, once per trajectory and save time;
    /// for the same bits on any number of threads it must depend on its argument alone.
    pub fn new(
        name: impl Into<String>,
        measure: impl Fn(&Snapshot) -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self::of_batches(name, move |batch| batch.iter().map(&measure).collect())
    }

    /// The same with a function of several trajectories at once, all at the same time, that returns
    /// a value for each: for functions that are dear to call. What it returns for one must not
    /// depend on the others, nor on how many there are; values that are missing are undefined.
    pub fn of_batches(
        name: impl Into<String>,
        measure: impl Fn(&[Snapshot]) -> Vec<f64> + Send + Sync + 'static,
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

    /// Its values, one for each snapshot.
    pub fn measure(&self, batch: &[Snapshot]) -> Vec<f64> {
        let mut values = (self.measure)(batch);
        values.resize(batch.len(), f64::NAN);
        values
    }
}

impl fmt::Debug for OwnObservable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnObservable").field(&self.name).finish()
    }
}
