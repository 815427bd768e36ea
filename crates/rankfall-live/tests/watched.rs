//! What is told of sweeps and shards that are under way, killed, resumed or finished, held against
//! the same sweep or run when it is whole.

use rankfall::experiment::sweep::SweepOptions;
use rankfall::options::Options;
use rankfall::prelude::*;
use rankfall::run_folder::Existing;
use rankfall::shard::Shard;
use rankfall::sweep::plan::SweepPlan;
use rankfall::{run, sweep};
use rankfall_live::protocol::{
    SweepChoice, TimeSeries, WatchReply, WatchRequest, WatchedDynamics, WatchedFolder, WatchedSweep,
};
use rankfall_live::watched::Watcher;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Stops what it watches once so much of it is done.
struct StopsAt {
    share: f64,
    reached: AtomicBool,
}

impl StopsAt {
    fn share(share: f64) -> Self {
        Self {
            share,
            reached: AtomicBool::new(false),
        }
    }
}

impl Watch for StopsAt {
    fn progress(&self, done: u64, total: u64) {
        if done as f64 >= self.share * total as f64 {
            self.reached.store(true, Ordering::SeqCst);
        }
    }

    fn interrupted(&self) -> bool {
        self.reached.load(Ordering::SeqCst)
    }
}

fn options<'a>(
    out: &Path,
    shard: Option<Shard>,
    existing: Existing,
    watch: &'a dyn Watch,
) -> Options<'a> {
    Options {
        out: Some(out.to_owned()),
        existing,
        threads: 1,
        shard,
        checkpoint_interval: Duration::ZERO,
        watch,
    }
}

fn experiment(time: f64) -> Experiment {
    Experiment::builder("watched")
        .gaussian(100, 3, 2)
        .width(5)
        .dynamics(DynamicsBuilder::stochastic_gradient_flow("SGF").label_noise(1.0))
        .dynamics(DynamicsBuilder::sgd("SGD").label_noise(1.0))
        .time(time)
        .trajectories(40)
        .save_points(4)
        .build()
        .unwrap()
}

fn plan(time: f64, over: &[&str], random: Option<u64>) -> SweepPlan {
    let text = experiment(time).resolved_toml();
    let given = SweepOptions {
        over: over.iter().map(|s| (*s).to_owned()).collect(),
        random: random.map(|_| true),
        points: random,
        vary_seed: false,
    };
    sweep::plan_of(&text, "watched.toml", Path::new(""), &[], &given).unwrap()
}

const GRID: [&str; 2] = [
    "dynamics.*.label_noise=0.5,1,2",
    "dynamics.*.step_size=log(0.001,0.01,4)",
];

fn choice(folder: &Path, dynamics: u32, quantity: &str) -> WatchRequest {
    WatchRequest {
        sweep: Some(SweepChoice {
            folder: folder.display().to_string(),
            dynamics,
            quantity: quantity.to_owned(),
        }),
    }
}

fn look(folders: &[PathBuf]) -> WatchReply {
    Watcher::new(folders).look(&WatchRequest { sweep: None })
}

fn told(folder: &Path, dynamics: u32, quantity: &str) -> (WatchedFolder, WatchedSweep) {
    let watched = Watcher::new(&[folder.to_owned()]).look(&choice(folder, dynamics, quantity));
    (watched.folders[0].clone(), watched.sweep.unwrap())
}

/// A folder with a sweep, or a shard of one, that was stopped between its first and its last point.
fn stopped_sweep(out: &Path, shard: Option<Shard>) -> f64 {
    for doubling in 0..12 {
        let time = 2.0 * f64::from(1 << doubling);
        let stop = StopsAt::share(0.3);
        let ended = sweep::execute(
            plan(time, &GRID, None),
            &options(out, shard, Existing::Replace, &stop),
        );
        let found = look(&[out.to_owned()]);
        let done = found
            .folders
            .last()
            .unwrap()
            .dynamics
            .iter()
            .map(|one| one.done)
            .sum::<u64>();
        let all = found
            .folders
            .last()
            .unwrap()
            .dynamics
            .iter()
            .map(|one| one.of)
            .sum::<u64>();
        if ended.is_err() && 0 < done && done < all {
            return time;
        }
    }
    panic!("no sweep was stopped in time")
}

#[test]
fn a_sweep_is_seen_to_fill_up_and_its_numbers_are_those_of_the_whole() {
    let keep = tempfile::tempdir().unwrap();
    let out = keep.path().join("sweep");
    let time = stopped_sweep(&out, None);
    // The dear ones go first: it has points of SGD, at least.
    let (folder, before) = told(&out, 1, "log_det_fall");
    let (_, before_of_flow) = told(&out, 0, "log_det_fall");
    assert_eq!(
        (folder.state.as_str(), folder.counts.as_str()),
        ("running", "points")
    );
    assert!(0.0 < folder.done && folder.done < 1.0, "{}", folder.done);
    assert!(folder.seconds_left.unwrap() > 0.0);
    assert_eq!(folder.name, "watched");
    assert_eq!((before.axes.len(), before.values.len()), (2, 12));
    assert_eq!(before.axes[0].names, ["0.5", "1", "2"]);
    let plan = plan(time, &GRID, None);
    sweep::execute(plan, &options(&out, None, Existing::Resume, &Silent)).unwrap();
    let (folder, after) = told(&out, 1, "log_det_fall");
    assert_eq!((folder.state.as_str(), folder.done), ("finished", 1.0));
    assert!(after.finished.iter().all(|done| *done));
    assert!(folder.dynamics.iter().all(|one| one.done == 12));
    let mut kept = 0;
    for setting in 0..12 {
        match before.finished[setting] {
            true => assert_eq!(before.values[setting], after.values[setting]),
            false => assert_eq!(before.values[setting], None),
        }
        kept += usize::from(before.finished[setting]);
    }
    let flow_finished = before_of_flow.finished.iter().filter(|done| **done);
    let left = 24 - kept - flow_finished.count();
    assert!(kept > 0 && left > 0, "{kept} {left}");
    // Where the law is stated, it is met: the rate of fall is 2νk tr S.
    let (_, flow) = told(&out, 0, "log_det_fall");
    assert_eq!(flow.prediction.len(), 12);
    for (value, predicted) in flow.values.iter().zip(&flow.prediction) {
        let (value, predicted) = (value.unwrap(), predicted.unwrap());
        assert!(
            (value / predicted - 1.0).abs() < 1e-6,
            "{value} {predicted}"
        );
    }
    let quantities: Vec<&str> = after
        .quantities
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert!(
        quantities.contains(&"effective_rank_theta"),
        "{quantities:?}"
    );
    let elsewhere = choice(Path::new("/"), 0, "log_det_fall");
    assert_eq!(
        Watcher::new(std::slice::from_ref(&out))
            .look(&elsewhere)
            .sweep,
        None
    );
    let (_, other) = told(&out, 1, "no such quantity");
    assert_eq!(other.quantity, other.quantities[0].name);
}

#[test]
fn points_of_a_random_design_have_coordinates_of_their_own() {
    let keep = tempfile::tempdir().unwrap();
    let out = keep.path().join("random");
    let over = ["dynamics.0.label_noise=linear(0.5,2)", "network.width=5,7"];
    sweep::execute(
        plan(1.0, &over, Some(9)),
        &options(&out, None, Existing::Refuse, &Silent),
    )
    .unwrap();
    let (_, told) = told(&out, 0, "effective_rank_theta");
    assert!(!told.is_grid);
    assert_eq!((told.values.len(), told.axes[0].values.len()), (9, 9));
    assert!(told.axes[0].values.iter().all(|x| (0.5..=2.0).contains(x)));
    assert!(
        told.axes[1]
            .names
            .iter()
            .all(|name| name == "5" || name == "7")
    );
    assert!(told.values.iter().all(Option::is_some));
}

#[test]
fn shards_of_a_sweep_fill_one_map() {
    let keep = tempfile::tempdir().unwrap();
    let shard = |index| Some(Shard { index, count: 2 });
    let place = |index: u64| keep.path().join(index.to_string());
    let time = stopped_sweep(&place(2), shard(2));
    sweep::execute(
        plan(time, &GRID, None),
        &options(&place(1), shard(1), Existing::Refuse, &Silent),
    )
    .unwrap();
    let watcher = Watcher::new(&[keep.path().to_owned()]);
    let found = watcher.look(&WatchRequest { sweep: None });
    let [whole, first, second] = &found.folders[..] else {
        panic!("{:?}", found.folders)
    };
    assert_eq!(whole.note.as_deref(), Some("all 2 shards"));
    assert_eq!(first.note.as_deref(), Some("shard 1 of 2"));
    assert_eq!(
        (first.state.as_str(), first.dynamics[0].done),
        ("finished", 6)
    );
    assert!((whole.done - (first.done + second.done) / 2.0).abs() < 1e-12);
    let seen = watcher
        .look(&choice(Path::new(&whole.folder), 0, ""))
        .sweep
        .unwrap();
    // Points are dealt out: the first shard has every other one.
    assert!((0..12).step_by(2).all(|point| seen.finished[point]));
    let done = seen.finished.iter().filter(|done| **done).count() as u64;
    assert_eq!(done, whole.dynamics[0].done);
    assert!(done < 12);
}

fn curve<'a>(dynamics: &'a WatchedDynamics, observable: &str) -> &'a TimeSeries {
    let mut all = dynamics.curves.iter();
    all.find(|curve| curve.observable == observable).unwrap()
}

#[test]
fn shards_of_a_run_come_to_the_run_that_was_never_divided() {
    let keep = tempfile::tempdir().unwrap();
    let (shards, whole_run) = (keep.path().join("shards"), keep.path().join("whole"));
    let place = |index: u64| shards.join(index.to_string());
    let shard = |index| Some(Shard { index, count: 3 });
    let mut time = 4.0;
    // The second is stopped between its first and its last trajectory.
    loop {
        let stop = StopsAt::share(0.6);
        let ended = run::execute(
            &experiment(time),
            &options(&place(2), shard(2), Existing::Replace, &stop),
        );
        let found = look(&[place(2)]);
        let seen = &found.folders[1];
        if ended.is_err() && 0.0 < seen.done && seen.done < 1.0 {
            break;
        }
        time *= 2.0;
        assert!(time < 1e5, "no shard was stopped in time");
    }
    run::execute(
        &experiment(time),
        &options(&place(1), shard(1), Existing::Refuse, &Silent),
    )
    .unwrap();
    let watcher = Watcher::new(std::slice::from_ref(&shards));
    let found = watcher.look(&WatchRequest { sweep: None });
    let [whole, first, second] = &found.folders[..] else {
        panic!("{:?}", found.folders)
    };
    assert_eq!(whole.note.as_deref(), Some("2 of 3 shards; missing: 3"));
    assert_eq!(
        (whole.state.as_str(), whole.seconds_left),
        ("running", None)
    );
    assert_eq!((first.state.as_str(), first.done), ("finished", 1.0));
    let done = whole.dynamics[0].done;
    assert_eq!(done, first.dynamics[0].done + second.dynamics[0].done);
    assert_eq!(whole.dynamics[0].of, 40);
    assert!(
        curve(&whole.dynamics[0], "log_det")
            .mean
            .iter()
            .all(Option::is_some)
    );
    assert!(first.dynamics[0].curves.is_empty());
    run::execute(
        &experiment(time),
        &options(&place(2), shard(2), Existing::Resume, &Silent),
    )
    .unwrap();
    run::execute(
        &experiment(time),
        &options(&place(3), shard(3), Existing::Refuse, &Silent),
    )
    .unwrap();
    run::execute(
        &experiment(time),
        &options(&whole_run, None, Existing::Refuse, &Silent),
    )
    .unwrap();
    let found = watcher.look(&WatchRequest { sweep: None });
    let undivided = look(&[whole_run]);
    let whole = &found.folders[0];
    assert_eq!((whole.state.as_str(), whole.done), ("finished", 1.0));
    assert_eq!(whole.dynamics, undivided.folders[0].dynamics);
    assert_eq!(whole.dynamics.len(), 2);
}

#[test]
fn shards_of_a_deeper_network_come_to_its_run_as_well() {
    let experiment = Experiment::builder("deep")
        .gaussian(60, 3, 2)
        .layers(&[3, 5, 4, 2])
        .set("network.activation", "relu")
        .dynamics(DynamicsBuilder::sgd("SGD").step_size(0.05).batch_size(5))
        .steps(40)
        .trajectories(5)
        .save_points(4)
        .build()
        .unwrap();
    let keep = tempfile::tempdir().unwrap();
    let place = |name: &str| keep.path().join(name);
    let run = |name: &str, shard: Option<Shard>| {
        let options = options(&place(name), shard, Existing::Refuse, &Silent);
        run::execute(&experiment, &options).map(drop).unwrap();
    };
    for index in 1..=2 {
        run(&format!("shards/{index}"), Some(Shard { index, count: 2 }));
    }
    run("whole", None);
    let (shards, whole) = (look(&[place("shards")]), look(&[place("whole")]));
    assert_eq!(shards.folders[0].dynamics, whole.folders[0].dynamics);
    let done: Vec<u64> = shards
        .folders
        .iter()
        .map(|one| one.dynamics[0].done)
        .collect();
    assert_eq!(done, [5, 2, 3]);
}

#[test]
fn a_shard_that_is_there_twice_is_said() {
    let keep = tempfile::tempdir().unwrap();
    let shard = Some(Shard { index: 1, count: 2 });
    let places = ["a", "b"].map(|name| keep.path().join(name));
    for place in &places {
        run::execute(
            &experiment(1.0),
            &options(place, shard, Existing::Refuse, &Silent),
        )
        .unwrap();
    }
    let watcher = Watcher::new(&places);
    for _ in 0..2 {
        let found = watcher.look(&WatchRequest { sweep: None });
        let trouble = found.folders[0].trouble.as_deref().unwrap();
        assert!(trouble.contains("1/2 is there twice"), "{trouble}");
        assert_eq!(found.folders.len(), 3);
    }
}

/// Files of other runs in the place of its own, cut files and rubbish: said, and nothing worse.
#[test]
fn what_does_not_belong_together_is_no_panic() {
    let keep = tempfile::tempdir().unwrap();
    let place = |name: &str| keep.path().join(name);
    let shard = Some(Shard { index: 1, count: 2 });
    stopped_sweep(&place("sweep"), None);
    run::execute(
        &experiment(1.0),
        &options(&place("shard"), shard, Existing::Refuse, &Silent),
    )
    .unwrap();
    let mut time = 4.0;
    while run::execute(
        &experiment(time),
        &options(&place("run"), None, Existing::Replace, &StopsAt::share(0.4)),
    )
    .is_ok()
    {
        time *= 2.0;
    }
    let other = Experiment::builder("other")
        .gaussian(50, 4, 1)
        .width(3)
        .dynamics(DynamicsBuilder::gradient_flow("GF"))
        .time(1.0)
        .build()
        .unwrap();
    let sweep_text = fs::read_to_string(place("sweep").join("experiment.toml")).unwrap();
    let experiments = [
        other.resolved_toml(),
        sweep_text,
        "[sweep]\n".to_owned(),
        "\u{0}".to_owned(),
    ];
    for name in ["sweep", "shard", "run"] {
        let own = fs::read(place(name).join("experiment.toml")).unwrap();
        for text in &experiments {
            fs::write(place(name).join("experiment.toml"), text).unwrap();
            look(&[place(name)]);
        }
        fs::write(place(name).join("experiment.toml"), own).unwrap();
    }
    let checkpoint = fs::read(place("run").join("checkpoint")).unwrap();
    for bytes in [&checkpoint[..checkpoint.len() / 2], b"", &[0xff; 4000]] {
        fs::write(place("sweep").join("checkpoint"), bytes).unwrap();
        let found = look(&[place("sweep")]);
        assert!(found.folders[0].trouble.is_some());
    }
    // The checkpoint of a run beside the experiment of a sweep.
    fs::write(place("sweep").join("checkpoint"), &checkpoint).unwrap();
    look(&[place("sweep")]);
}
