//! Every reader of a run folder, given files with errors in them: an answer or a refusal, never a
//! panic, and never a message that a terminal would obey.
//!
//! `RANKFALL_MUTATIONS=100000 cargo test -p rankfall-cli --test mutated_files` tries that many a
//! reader.

mod support;

use rankfall::checkpoint::{self, Owner, RunCheckpoint};
use rankfall::experiment::Experiment;
use rankfall::experiment::sweep::SweepOptions;
use rankfall::failure::{Failure, visible};
use rankfall::part::Part;
use rankfall::preparation::ExactProblemInfo;
use rankfall::run_folder::partial::{ShardRecord, read_part};
use rankfall::run_folder::{self, Existing, OpenedFolder, RunFolder, partial};
use rankfall::shard::Shard;
use rankfall::sweep::{self, plan::SweepPlan, schedule::SweepCheckpoint};
use rankfall_core::ensemble::EnsembleCheckpoint;
use rankfall_report::record::SUMMARY_SCHEMA;
use rankfall_report::{SeriesTable, table};
use std::borrow::Cow;
use std::fs;
use std::path::Path;
use support::Place;

/// How many mutations each reader gets.
fn count() -> u64 {
    let given = std::env::var("RANKFALL_MUTATIONS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(500)
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// What is put in: escapes, turned text, numbers out of range, what other formats are made of.
const PIECES: &[&[u8]] = &[
    b"\x1b[2J\x1b]0;x\x07",
    b"\\u001b[31m",
    "\u{202e}\u{2066}\u{9b}".as_bytes(),
    b"-1",
    b"18446744073709551616",
    b"1e999",
    b"nan",
    b"null",
    b"../../x",
    b"[[[[[[[[",
    b"{}",
    b"\"",
    b"\n",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x00\x00\x00\x00",
];

fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(out.len());
        let end = (at + 1 + random.below(16)).min(out.len());
        match random.below(7) {
            0 if at < out.len() => out[at] ^= 1 << random.below(8),
            1 if at < out.len() => out[at] = random.next() as u8,
            2 => drop(out.drain(at..end)),
            3 => drop(out.splice(at..at, bytes[..random.below(bytes.len()).min(64)].to_vec())),
            4 => out.truncate(at.max(1)),
            5 => drop(out.splice(at..end, PIECES[random.below(PIECES.len())].to_vec())),
            _ => drop(out.splice(at..at, PIECES[random.below(PIECES.len())].to_vec())),
        }
    }
    out
}

/// Mutates a file and reads it, again and again; the file is as it was afterwards.
fn attack(path: &Path, read: impl Fn() -> Result<(), Failure>) {
    attack_with(path, mutated, read);
}

fn attack_with(
    path: &Path,
    mutate: impl Fn(&[u8], &mut Random) -> Vec<u8>,
    read: impl Fn() -> Result<(), Failure>,
) {
    let whole = fs::read(path).unwrap();
    read().unwrap();
    let mut refused = 0;
    for seed in 0..count() {
        fs::write(path, mutate(&whole, &mut Random(seed))).unwrap();
        if let Err(failure) = read() {
            refused += 1;
            let shown = visible(&failure.to_string());
            let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t' || c == '\u{202e}';
            assert!(!shown.contains(obeyed), "seed {seed}: {shown:?}");
        }
    }
    assert!(
        refused > count() / 10,
        "{refused} of {} were refused",
        count()
    );
    fs::write(path, whole).unwrap();
}

/// With the checksum of what was mutated: as somebody would write it who means harm.
fn with_right_checksum(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let ends: Vec<usize> = (0..bytes.len())
        .filter(|&i| bytes[i] == b'\n')
        .take(2)
        .collect();
    let body = mutated(&bytes[ends[1] + 1..], random);
    let checksum = format!("{}\n", rankfall_data::sha256_of(&body));
    [&bytes[..=ends[0]], checksum.as_bytes(), &body].concat()
}

const NET: &str = r#"name = "net"
[data]
kind = "gaussian"
samples = 20
inputs = 3
outputs = 2
[network]
layers = [3, 4, 2]
activation = "relu"
[[dynamics]]
kind = "gradient-descent"
[run]
time = 0.1
save = { points = 2 }
"#;

fn summary_of(folder: &Path) -> Result<(), Failure> {
    let summary = run_folder::read_summary(folder)?;
    let _ = visible(&table::to_text(&summary));
    Ok(())
}

#[test]
fn summaries() {
    let place = Place::new();
    place.write("net.toml", NET);
    for file in ["good.toml", "net.toml"] {
        place.succeeds(&["run", file, "-q", "--out", file.trim_end_matches(".toml")]);
        let folder = place.path(file.trim_end_matches(".toml"));
        attack(&folder.join("summary.json"), || summary_of(&folder));
    }
}

#[test]
fn experiments() {
    let place = Place::new();
    place.write("net.toml", NET);
    for file in ["good.toml", "net.toml"] {
        let folder = place.path(file.trim_end_matches(".toml"));
        place.succeeds(&["run", file, "-q", "--out", file.trim_end_matches(".toml")]);
        let whole = run_folder::read_experiment(&folder).unwrap();
        attack(&folder.join("experiment.toml"), || {
            let text = run_folder::read_experiment(&folder)?;
            let _ = rankfall::difference::first_difference(&text, &whole, ["there", "here"]);
            Experiment::from_toml(&text, "experiment.toml", Path::new(""), &[]).map(drop)
        });
    }
}

#[test]
fn series() {
    let place = Place::new();
    place.succeeds(&["run", "good.toml", "-q", "--out", "r"]);
    let folder = place.path("r");
    attack(&folder.join("series.parquet"), || {
        let rows = run_folder::read_series(&folder, SUMMARY_SCHEMA)?;
        let _ = SeriesTable::from_rows(rows);
        Ok(())
    });
}

/// Folders of schema 1: whatever is in them, they are read as this version has them, or refused.
#[test]
fn folders_of_schema_one() {
    let place = Place::new();
    for name in ["two", "net"] {
        place.copy_fixture(&format!("schema-one/{name}"), name);
        let folder = place.path(name);
        attack(&folder.join("summary.json"), || summary_of(&folder));
        attack(&folder.join("series.parquet"), || {
            let _ = SeriesTable::from_rows(run_folder::read_series(&folder, 1)?);
            Ok(())
        });
    }
}

fn plan_in(folder: &Path) -> SweepPlan {
    let text = run_folder::read_experiment(folder).unwrap();
    let given = SweepOptions::default();
    sweep::plan_of(&text, "experiment.toml", Path::new(""), &[], &given).unwrap()
}

#[test]
fn tables_of_sweeps() {
    let place = Place::new();
    place.succeeds(&[
        "sweep",
        "good.toml",
        "-q",
        "--out",
        "s",
        "--over",
        "network.width=5,6",
    ]);
    let folder = place.path("s");
    let plan = plan_in(&folder);
    attack(&folder.join("sweep.parquet"), || {
        rankfall::sweep::rows::read_from(&folder, &plan).map(drop)
    });
}

#[test]
fn shards_and_their_statistics() {
    let place = Place::new();
    place.succeeds(&["run", "good.toml", "-q", "--shard", "1/1", "--out", "part"]);
    let folder = place.path("part");
    attack(&folder.join("shard.json"), || {
        partial::read_shard(&folder).map(drop)
    });
    let part = folder.join("statistics/1.bin");
    let (record, _) = partial::read_shard(&folder).unwrap();
    let read =
        |record: &ShardRecord| read_part::<Part<ExactProblemInfo>>(&folder, 1, record).map(drop);
    attack(&part, || read(&record));
    // Whoever changes the file can change the checksum in shard.json as well.
    let whole = fs::read(&part).unwrap();
    for seed in 0..count() {
        let bytes = with_right_checksum(&whole, &mut Random(seed));
        let mut record = record.clone();
        let body = bytes.splitn(3, |&b| b == b'\n').nth(2).unwrap();
        record.parts[1].sha256 = rankfall_data::sha256_of(body);
        fs::write(&part, bytes).unwrap();
        let _ = read(&record);
    }
}

#[test]
fn checkpoints() {
    let place = Place::new();
    let path = place.path("r");
    let folder = RunFolder::fresh(&path, Existing::Refuse).unwrap();
    let owner = Owner {
        experiment: "name = \"x\"",
        shard: Some(Shard { index: 1, count: 2 }),
    };
    let state: EnsembleCheckpoint =
        serde_json::from_value(serde_json::json!(vec![7; 300])).unwrap();
    let snapshot = RunCheckpoint {
        finished: 1,
        current: Some(Cow::Owned(state)),
        seconds: 2.5,
    };
    checkpoint::write(&folder, owner, &snapshot).unwrap();
    let run = || checkpoint::read::<RunCheckpoint>(&folder, owner).map(drop);
    attack(&path.join("checkpoint"), run);
    attack_with(&path.join("checkpoint"), with_right_checksum, run);

    checkpoint::write_finished(&folder, 0, owner, &vec![("a", 1.0); 40]).unwrap();
    let finished = || checkpoint::read_finished::<Vec<(String, f64)>>(&folder, 0, owner).map(drop);
    attack(&path.join("finished/0.bin"), finished);
    attack_with(&path.join("finished/0.bin"), with_right_checksum, finished);

    // Empty maps are encoded as empty texts are.
    let empty = (String::new(), String::new(), 1.0);
    checkpoint::write(&folder, owner, &empty).unwrap();
    let sweep = || checkpoint::read::<SweepCheckpoint>(&folder, owner).map(drop);
    attack_with(&path.join("checkpoint"), with_right_checksum, sweep);
}

/// The marker is only there or not: whatever it says, the run goes on.
#[test]
fn markers() {
    let place = Place::new();
    let path = place.path("r");
    drop(RunFolder::open(&path, Existing::Refuse).unwrap());
    let whole = fs::read(path.join("running")).unwrap();
    for seed in 0..count().min(2000) {
        fs::write(path.join("running"), mutated(&whole, &mut Random(seed))).unwrap();
        let opened = RunFolder::open(&path, Existing::Resume).unwrap();
        assert!(matches!(opened, OpenedFolder::Fresh(_)));
    }
}
