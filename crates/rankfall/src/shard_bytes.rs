//! Shards of a run as bytes, for engines that send work to other processes and machines, and their
//! merging.

use crate::dense::record::DenseRecorder;
use crate::difference::{first_difference, same_but_for_places};
use crate::engine::{Engine, Measurements, Recorder};
use crate::exact::record::ExactRecorder;
use crate::experiment::{EngineInput, Experiment};
use crate::failure::{Failure, quoted};
use crate::in_memory::{EngineVisitor, Run, Runner};
use crate::merge::{Measured, UNFIT, fold};
use crate::options::Options;
use crate::shard::Shard;
use rankfall_core::ensemble::{Control, EnsembleCheckpoint, OwnObservable, RunError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a shard leaves, but for what is known of the data.
#[derive(Serialize, Deserialize)]
struct Content {
    version: String,
    /// The experiment, resolved, with the checksums of its data.
    resolved: String,
    shard: Shard,
    /// Quantities of one's own.
    own: Vec<String>,
    /// What is known of the data, as JSON: it leaves fields out, which this format cannot.
    known: String,
    /// Of each dynamics, with its seconds.
    parts: Vec<(Measurements, f64)>,
}

impl Runner<'_> {
    /// Runs one shard, to bytes that [`merge`] puts together.
    ///
    /// # Errors
    /// As for [`Runner::run`]; exit code 130 where it is interrupted; moments in memory, which
    /// other machines do not have.
    pub fn shard(self, shard: Shard) -> Result<Vec<u8>, Failure> {
        let (options, own) = (self.options(), self.own_names());
        self.with_engine(OneShard {
            options,
            own,
            shard,
        })
    }
}

struct OneShard<'a> {
    options: Options<'a>,
    own: Vec<String>,
    shard: Shard,
}

impl EngineVisitor for OneShard<'_> {
    type Output = Vec<u8>;

    fn visit<E: Engine>(self, engine: &E, is_nameable: bool) -> Result<Vec<u8>, Failure> {
        if !is_nameable {
            return Err(Failure::input(
                "moments in memory cannot be divided into shards",
            ));
        }
        let recorder = engine.recorder();
        let mut parts = Vec::new();
        for (dynamics, label) in recorder.labels().into_iter().enumerate() {
            let started = Instant::now();
            let blocks = self.shard.range(recorder.blocks(dynamics));
            self.options.watch.begin(label);
            let control = Watched(&self.options);
            let left = engine.run(dynamics, blocks, self.options.threads, None, &control);
            self.options.watch.end();
            let left = left.map_err(|error| match error {
                RunError::Interrupted => Failure::interrupted("this shard was interrupted"),
                RunError::Start(failure) => failure,
                other => Failure::run(other.to_string()),
            })?;
            parts.push((left, started.elapsed().as_secs_f64()));
        }
        let cannot = |error: &dyn std::fmt::Display| {
            Failure::run(format!("the shard cannot be encoded: {error}"))
        };
        let content = Content {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            resolved: recorder.resolved_toml(),
            shard: self.shard,
            own: self.own,
            known: serde_json::to_string(recorder.known()).map_err(|e| cannot(&e))?,
            parts,
        };
        let body = postcard::to_stdvec(&content).map_err(|e| cannot(&e))?;
        // What was damaged on its way is found out.
        let sum = rankfall_data::sha256_of(&body);
        Ok([sum.as_bytes(), &body].concat())
    }
}

/// Passes on what there is to watch.
struct Watched<'a>(&'a Options<'a>);

impl Control for Watched<'_> {
    fn interrupted(&self) -> bool {
        self.0.watch.interrupted()
    }
    fn progress(&self, done: u64, total: u64) {
        self.0.watch.progress(done, total);
    }
    fn checkpoint_interval(&self) -> Duration {
        Duration::MAX
    }
    fn keep(&self, _checkpoint: &EnsembleCheckpoint) -> Result<(), String> {
        Ok(())
    }
}

/// Puts the shards of a run together, in any order, to the bits of the run that was never divided.
///
/// # Errors
/// Exit code 2 for bytes that are no shards, or are missing, doubled, damaged or of different runs.
pub fn merge(shards: &[impl AsRef<[u8]>]) -> Result<Run, Failure> {
    let read = shards.iter().map(|bytes| read(bytes.as_ref()));
    let mut contents = read.collect::<Result<Vec<_>, _>>()?;
    contents.sort_by_key(|content| content.shard);
    expect_all(&contents)?;
    let resolved = contents[0].resolved.clone();
    let experiment = Experiment::from_toml(&resolved, "the shard", Path::new(""), &[])?;
    match experiment.engine()? {
        EngineInput::Exact(experiment) => {
            let undefined = |name: &String| OwnObservable::new(name, |_| f64::NAN);
            let recorder = ExactRecorder {
                experiment: *experiment,
                known: known_of(&contents[0])?,
                own: contents[0].own.iter().map(undefined).collect(),
            };
            merge_with(&recorder, contents)
        }
        EngineInput::Dense(experiment, why) => {
            let known = known_of(&contents[0])?;
            let recorder = DenseRecorder::of_known(*experiment, known, why).ok_or_else(|| {
                let shard = contents[0].shard;
                Failure::input(format!("shard {shard} is damaged: {UNFIT}"))
                    .hint("run this shard again")
            })?;
            merge_with(&recorder, contents)
        }
    }
}

fn merge_with<R: Recorder>(recorder: &R, contents: Vec<Content>) -> Result<Run, Failure> {
    let count = recorder.labels().len();
    if contents.iter().any(|content| content.parts.len() != count) {
        return Err(Failure::input("a shard lacks a dynamics").hint("run this shard again"));
    }
    let mut shards = Vec::with_capacity(contents.len());
    for content in contents {
        let (known, shown) = (known_of(&content)?, format!("shard {}", content.shard));
        shards.push((shown, known, content.parts.into_iter()));
    }
    let mut finished = Vec::with_capacity(count);
    for dynamics in 0..count {
        let parts = shards.iter_mut().filter_map(|(shown, known, parts)| {
            let (measurements, seconds) = parts.next()?;
            Some(Ok(Measured {
                shown: shown.clone(),
                known: R::Known::clone(known),
                measurements,
                seconds,
            }))
        });
        finished.push(fold(recorder, dynamics, parts)?);
    }
    Run::of(recorder, finished, true)
}

fn read(bytes: &[u8]) -> Result<Content, Failure> {
    let damaged = || {
        Failure::input("these bytes are no shard, or were damaged on their way")
            .hint("run this shard again")
    };
    let (sum, body) = bytes.split_at_checked(64).ok_or_else(damaged)?;
    if sum != rankfall_data::sha256_of(body).as_bytes() {
        return Err(damaged());
    }
    let content: Content = postcard::from_bytes(body).map_err(|_| damaged())?;
    let here = env!("CARGO_PKG_VERSION");
    if content.version != here {
        let message = format!(
            "shard {} was run by rankfall {}, and this is {here}",
            content.shard, content.version
        );
        return Err(Failure::input(message).hint("install one version everywhere"));
    }
    Ok(content)
}

fn known_of<K: DeserializeOwned>(content: &Content) -> Result<K, Failure> {
    serde_json::from_str(&content.known)
        .map_err(|error| Failure::input(format!("shard {} is damaged: {error}", content.shard)))
}

/// All shards of one run, each once, in their order.
fn expect_all(contents: &[Content]) -> Result<(), Failure> {
    let Some(first) = contents.first() else {
        return Err(Failure::input("there are no shards to merge"));
    };
    for content in contents {
        let shard = content.shard;
        if !same_but_for_places(&content.resolved, &first.resolved) || content.own != first.own {
            let names = [&first.shard, &shard].map(|shard| format!("shard {shard}"));
            let difference =
                first_difference(&first.resolved, &content.resolved, [&names[0], &names[1]]);
            return Err(Failure::input(format!(
                "these are shards of different runs: {difference}"
            )));
        }
        if shard.count != first.shard.count {
            let message = format!("{} and {shard} are not shards of one division", first.shard);
            return Err(Failure::input(message));
        }
    }
    let count = first.shard.count;
    for index in 1..=count {
        let shard = Shard { index, count };
        let given = contents.iter().filter(|content| content.shard == shard);
        let what = match given.count() {
            0 => "is missing",
            1 => continue,
            _ => "is there twice",
        };
        let shown = quoted(&shard.to_string());
        return Err(Failure::input(format!("shard {shown} {what}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::DynamicsBuilder;

    fn experiment(seed: u64) -> Experiment {
        Experiment::builder("shards")
            .gaussian(40, 3, 2)
            .width(5)
            .dynamics(DynamicsBuilder::gradient_flow("GF"))
            .dynamics(DynamicsBuilder::sgd("SGD").label_noise(1.0))
            .time(1.0)
            .trajectories(50)
            .seed(seed)
            .save_points(3)
            .build()
            .unwrap()
    }

    fn shard(seed: u64, index: u64, count: u64) -> Vec<u8> {
        let experiment = experiment(seed);
        experiment.runner().shard(Shard { index, count }).unwrap()
    }

    #[test]
    fn shards_merge_to_the_bits_of_a_whole_run() {
        let whole = experiment(1).run().unwrap();
        let shards = [3, 1, 4, 2].map(|index| shard(1, index, 4));
        let merged = merge(&shards).unwrap();
        assert!(merged.rows().eq(whole.rows()));
        assert!(
            merged
                .weights()
                .map(|t| &t.values)
                .eq(whole.weights().map(|t| &t.values))
        );
    }

    #[test]
    fn shards_that_do_not_belong_together_are_refused() {
        let mut damaged = shard(1, 2, 2);
        let at = damaged.len() / 2;
        damaged[at] ^= 1;
        let refused: [(Vec<Vec<u8>>, &str); 6] = [
            (vec![], "no shards"),
            (vec![shard(1, 1, 2)], "missing"),
            (
                vec![shard(1, 1, 2), shard(1, 1, 2), shard(1, 2, 2)],
                "twice",
            ),
            (vec![shard(1, 1, 2), shard(2, 2, 2)], "seed"),
            (vec![shard(1, 1, 2), damaged], "damaged"),
            (vec![shard(1, 1, 2), b"x".to_vec()], "no shard"),
        ];
        for (shards, why) in refused {
            let Err(failure) = merge(&shards) else {
                panic!("merged, though {why}")
            };
            assert!(failure.message.contains(why), "{failure}");
        }
    }
}
