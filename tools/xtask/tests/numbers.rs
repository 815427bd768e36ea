//! The numbers of the documents: every sentence of the table is where it says, and those of small
//! runs are what the runs give.

use xtask::figures::{DocumentedRun, runs};
use xtask::root;

#[test]
fn every_sentence_is_in_its_documents() {
    let lost: Vec<String> = runs()
        .expect("a table")
        .iter()
        .flat_map(|run| run.lost(&root()))
        .collect();
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

#[test]
fn numbers_of_small_runs_are_what_the_runs_give() {
    let mut small: Vec<DocumentedRun> = runs().expect("a table");
    small.retain(|run| run.small);
    assert!(!small.is_empty());
    for run in &small {
        let folder = run.results().expect("runs");
        let stale = run
            .numbers(folder.path(), &root(), false)
            .expect("compares");
        assert!(stale.is_empty(), "{}: {}", run.command, stale.join("\n"));
    }
}
