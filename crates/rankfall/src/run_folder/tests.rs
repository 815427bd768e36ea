//! Tests of run folders: which may be used, and what they look like on the way.

use super::*;
use rankfall_report::record::ProblemSummary;
use tempfile::TempDir;

fn summary() -> Summary {
    Summary {
        schema: SUMMARY_SCHEMA,
        version: "0".into(),
        experiment: "test".into(),
        seed: u64::MAX,
        problem: ProblemSummary {
            trace_sxx: Some(0.1),
            ..ProblemSummary::two_layers(10, [3, 4, 2])
        },
        warnings: vec!["a \"quoted\" warning".into()],
        ..Summary::default()
    }
}

fn temporary() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs/test");
    (folder, path)
}

fn fresh(path: &Path, existing: Existing) -> RunFolder {
    RunFolder::fresh(path, existing).unwrap()
}

fn refusal(path: &Path, existing: Existing) -> String {
    let failure = RunFolder::open(path, existing).unwrap_err();
    assert_eq!(failure.kind.code(), 2);
    failure.to_string()
}

fn finished(path: &Path) {
    let folder = fresh(path, Existing::Refuse);
    folder.write_experiment("name = \"test\"").unwrap();
    folder.write_series(&series::tests::rows()).unwrap();
    folder.write_bytes("figures/a.svg", b"").unwrap();
    folder.finish(&summary()).unwrap();
}

#[test]
fn a_finished_run_reads_back() {
    let (_keep, path) = temporary();
    finished(&path);
    assert_eq!(read_summary(&path).unwrap(), summary());
    assert_eq!(
        read_series(&path, SUMMARY_SCHEMA).unwrap(),
        series::tests::rows()
    );
    assert!(!path.join(RUNNING).exists());
}

#[test]
fn a_finished_run_is_kept_unless_replaced() {
    let (_keep, path) = temporary();
    finished(&path);
    assert!(refusal(&path, Existing::Refuse).contains("--force replaces it"));
    let resumed = RunFolder::open(&path, Existing::Resume).unwrap();
    assert!(matches!(resumed, OpenedFolder::Finished));
    assert!(read_summary(&path).is_ok());
    let folder = fresh(&path, Existing::Replace);
    let left: Vec<_> = fs::read_dir(&path).unwrap().collect();
    assert_eq!(left.len(), 1, "only the marker: {left:?}");
    assert!(folder.file(RUNNING).exists());
}

#[test]
fn an_unfinished_run_does_not_look_finished() {
    let (_keep, path) = temporary();
    let folder = fresh(&path, Existing::Refuse);
    folder.write_experiment("name = \"test\"").unwrap();
    folder.write_bytes(SUMMARY, b"{}").unwrap();
    drop(folder);
    let failure = read_summary(&path).unwrap_err();
    assert!(failure.message.contains("not finished"));
    assert!(refusal(&path, Existing::Refuse).contains("--resume continues it"));
}

#[test]
fn only_a_checkpoint_is_continued_from() {
    let (_keep, path) = temporary();
    let folder = fresh(&path, Existing::Resume);
    folder.write_bytes(SERIES, b"half").unwrap();
    drop(folder);
    let folder = fresh(&path, Existing::Resume);
    assert!(!folder.file(SERIES).exists());
    folder.write_experiment("x").unwrap();
    folder.write_bytes(CHECKPOINT, b"state").unwrap();
    drop(folder);
    let Ok(OpenedFolder::Interrupted(folder)) = RunFolder::open(&path, Existing::Resume) else {
        panic!("the checkpoint was not found")
    };
    assert_eq!(fs::read(folder.file(CHECKPOINT)).unwrap(), b"state");
    assert_eq!(folder.recorded_experiment().unwrap().as_deref(), Some("x"));
}

#[test]
fn two_runs_cannot_share_a_folder() {
    let (_keep, path) = temporary();
    let first = fresh(&path, Existing::Refuse);
    assert!(refusal(&path, Existing::Resume).contains("another run is writing"));
    assert!(refusal(&path, Existing::Replace).contains("another run is writing"));
    drop(first);
    fresh(&path, Existing::Replace);
}

#[test]
fn nothing_of_anyone_else_is_deleted() {
    let (_keep, path) = temporary();
    finished(&path);
    fs::write(path.join("notes.txt"), "mine").unwrap();
    for existing in [Existing::Refuse, Existing::Resume, Existing::Replace] {
        assert!(refusal(&path, existing).contains("\"notes.txt\""));
    }
    let (_keep, path) = temporary();
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("summary.json"), "{}").unwrap();
    for existing in [Existing::Refuse, Existing::Resume, Existing::Replace] {
        assert!(refusal(&path, existing).contains("not a run folder"));
    }
    assert_eq!(fs::read(path.join("summary.json")).unwrap(), b"{}");
    assert!(!path.join(RUNNING).exists());
}

#[cfg(unix)]
#[test]
fn a_link_is_deleted_but_not_what_it_leads_to() {
    let (keep, path) = temporary();
    finished(&path);
    let elsewhere = keep.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("a"), "mine").unwrap();
    fs::remove_dir_all(path.join(FIGURES)).unwrap();
    std::os::unix::fs::symlink(&elsewhere, path.join(FIGURES)).unwrap();
    fresh(&path, Existing::Replace);
    assert_eq!(fs::read(elsewhere.join("a")).unwrap(), b"mine");
    assert!(!path.join(FIGURES).exists());
}

#[test]
fn what_is_not_a_folder_is_refused() {
    let (keep, _) = temporary();
    let file = keep.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(refusal(&file, Existing::Replace).contains("is not a folder"));
    assert!(refusal(&file.join("below"), Existing::Refuse).contains("is not a folder"));
}

#[test]
fn summaries_that_cannot_be_understood_are_refused() {
    let (_keep, path) = temporary();
    finished(&path);
    let refused = |text: &str| {
        fs::write(path.join(SUMMARY), text).unwrap();
        read_summary(&path).unwrap_err().to_string()
    };
    assert!(refused("{").contains("summary.json"));
    assert!(refused("{\"schema\": 99}").contains("schema 99"));
    for known in ["{\"schema\": 1}", "{\"schema\": 2}"] {
        assert!(
            refused(known).contains("missing field"),
            "{}",
            refused(known)
        );
    }
    let nowhere = read_summary(&path.join("none")).unwrap_err();
    assert!(nowhere.message.contains("not a run folder"));
}

#[test]
fn what_a_crash_left_is_no_obstacle() {
    let (_keep, path) = temporary();
    let folder = fresh(&path, Existing::Refuse);
    fs::write(folder.file(".rankfall-series.parquet.tmp"), "half").unwrap();
    drop(folder);
    let folder = fresh(&path, Existing::Replace);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Killed at any place, `--force` leaves no checkpoint without the experiment it belongs to.
#[test]
fn a_folder_is_cleared_from_its_checkpoint_to_its_experiment() {
    let mut names: Vec<String> = OURS.iter().map(|name| (*name).to_owned()).collect();
    for _ in 0..names.len() {
        names.rotate_left(1);
        let order = clearing_order(&names);
        assert_eq!(order.len(), OURS.len() - 1, "all but the marker");
        assert_eq!(order.first().unwrap(), &CHECKPOINT);
        assert_eq!(order.last().unwrap(), &EXPERIMENT);
    }
}
