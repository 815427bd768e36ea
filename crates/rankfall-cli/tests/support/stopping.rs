//! Runs stopped while they are at work, however fast the machine is.

use super::Place;
use std::process::{Child, Output};
use std::time::Duration;

/// Tries ever longer runs, given as multiples of a short one, until the attempt does not come too
/// late; what came of it. How long a run takes is the machine's affair, never a test's.
///
/// # Panics
///
/// If even a run 256 times as long was over too soon.
pub fn until_caught<T>(attempt: impl Fn(u64) -> Option<T>) -> T {
    (0..5)
        .find_map(|fourfold| attempt(4_u64.pow(fourfold)))
        .expect("every run was over before it could be stopped")
}

/// Starts a run and waits until it has written its next checkpoint; `None` if it was over before.
pub fn at_work(place: &Place, arguments: &[&str], checkpoint: &str) -> Option<Child> {
    let path = place.path(checkpoint);
    let written = || std::fs::metadata(&path).and_then(|d| d.modified()).ok();
    let before = written();
    let mut child = place.command(arguments).spawn().unwrap();
    while written().is_none_or(|now| Some(now) == before) {
        if child.try_wait().unwrap().is_some() {
            expect_success(&child.wait_with_output().unwrap());
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Some(child)
}

/// Kills a run some time after its next checkpoint; whether it was not over before.
pub fn killed(place: &Place, arguments: &[&str], checkpoint: &str, after: Duration) -> bool {
    let Some(mut child) = at_work(place, arguments, checkpoint) else {
        return false;
    };
    std::thread::sleep(after);
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{output:?}");
    !output.status.success()
}

/// Sends a run a signal (`-INT`) after its next checkpoint, and lets it end; `None` if it was over
/// before.
#[cfg(unix)]
pub fn interrupted(
    place: &Place,
    arguments: &[&str],
    checkpoint: &str,
    signal: &str,
) -> Option<Output> {
    let child = at_work(place, arguments, checkpoint)?;
    send(&child, signal);
    let output = child.wait_with_output().unwrap();
    (!output.status.success()).then_some(output)
}

/// Sends a process a signal.
#[cfg(unix)]
pub fn send(child: &Child, signal: &str) {
    let sent = std::process::Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

fn expect_success(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}
