//! What lies in a run folder, by name.

/// The resolved experiment.
pub const EXPERIMENT: &str = "experiment.toml";
/// What the run says of itself.
pub const SUMMARY: &str = "summary.json";
/// Statistics over time.
pub const SERIES: &str = "series.parquet";
/// Every trajectory, where they are kept.
pub const TRAJECTORIES: &str = "trajectories.parquet";
/// The weights at the end.
pub const FINAL: &str = "final.safetensors";
/// The folder of weights on the way.
pub const WEIGHTS: &str = "weights";
/// The figures.
pub const FIGURES: &str = "figures";
/// The report page.
pub const REPORT: &str = "report.html";
/// What an interrupted run needs to continue.
pub const CHECKPOINT: &str = "checkpoint";
/// The folder of what finished dynamics left, while others are still to be run.
pub const FINISHED: &str = "finished";
/// The numbers of a sweep.
pub const SWEEP: &str = "sweep.parquet";
/// What a shard says of itself.
pub const SHARD: &str = "shard.json";
/// The folder of a shard's statistics.
pub const STATISTICS: &str = "statistics";
/// Data that were in memory, where Python ran it: data, or initial weights.
pub const DATA: [&str; 2] = ["data.npz", "data1.npz"];
/// What a monitor measured of a training run elsewhere, a line each.
pub const MONITOR: &str = "monitor.jsonl";
/// The marker of a run that is going, or was interrupted.
pub const RUNNING: &str = "running";

/// Everything a run may leave in its folder.
pub const OURS: &[&str] = &[
    EXPERIMENT,
    SUMMARY,
    SERIES,
    TRAJECTORIES,
    FINAL,
    WEIGHTS,
    FIGURES,
    REPORT,
    CHECKPOINT,
    FINISHED,
    SWEEP,
    SHARD,
    STATISTICS,
    DATA[0],
    DATA[1],
    MONITOR,
    RUNNING,
];
