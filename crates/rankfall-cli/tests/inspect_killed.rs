//! Inspections that are killed, at several points, and resumed: the bytes of one that was never
//! killed, and nothing half-written under the name of something whole.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use support::Place;
use support::stopping::until_caught;

/// Spectra of an inspection, each kept as soon as it is there.
const LAYERS: usize = 24;
/// Side of the layers of the shortest inspection: a millisecond or two each.
const SIDE: f64 = 96.0;
const KEPT: &str = "r/inspection.partial";
/// What is written last.
const LAST: &str = "report.html";
/// Layers go one after the other, so that spectra are kept one after the other.
const INSPECT: [&str; 7] = [
    "inspect",
    "m.safetensors",
    "-q",
    "--threads",
    "1",
    "--out",
    "r",
];
/// On other threads than before.
const RESUME: [&str; 8] = [
    "inspect",
    "m.safetensors",
    "-q",
    "--threads",
    "2",
    "--out",
    "r",
    "--resume",
];

/// A folder with a checkpoint that takes that many times as long as a short one. Always the same
/// numbers.
fn with_checkpoint(times: u64) -> Place {
    let place = Place::new();
    // The time of a layer grows like the cube of its side.
    let side = (SIDE * (times as f64).cbrt()) as usize;
    let size = 4 * side * side;
    let tensor = |i: usize| {
        let (from, to) = (i * size, (i + 1) * size);
        format!(
            r#""layer.{i:02}":{{"dtype":"F32","shape":[{side},{side}],"data_offsets":[{from},{to}]}}"#
        )
    };
    let header = format!(
        "{{{}}}",
        (0..LAYERS).map(tensor).collect::<Vec<_>>().join(",")
    );
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    let mut state = 1_u64;
    for _ in 0..LAYERS * side * side {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let number = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
        file.extend_from_slice(&number.to_le_bytes());
    }
    place.write("m.safetensors", file);
    place
}

/// The spectra that are kept; none before there is a file for them, and none when all is done.
fn kept(place: &Place) -> Option<usize> {
    let bytes = fs::read(place.path(KEPT)).ok()?;
    // Only a line that has its end was kept; resuming begins with an empty one.
    let mut lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    lines.pop();
    Some(lines.iter().filter(|line| !line.is_empty()).count())
}

/// Files of the result by name. Those under a temporary name are nobody's.
fn results(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    let root = place.path("r");
    let all = place.everything("r").into_iter();
    let named = all.map(|(path, bytes)| (path.strip_prefix(&root).unwrap().to_owned(), bytes));
    named
        .filter(|(name, _)| {
            let file = name.file_name().unwrap().to_string_lossy();
            !(file.starts_with(".rankfall-") && file.ends_with(".tmp"))
        })
        .collect()
}

/// The result of an inspection that nobody kills.
fn undisturbed(times: u64) -> BTreeMap<PathBuf, Vec<u8>> {
    let place = with_checkpoint(times);
    place.succeeds(&INSPECT);
    let whole = results(&place);
    let there = |name: &str| whole.contains_key(&PathBuf::from(name));
    assert!(there("inspection.json") && there("singular-values.csv") && there(LAST));
    assert!(there("figures/spectra.svg") && !place.path(KEPT).exists());
    whole
}

fn expect_same(found: &BTreeMap<PathBuf, Vec<u8>>, whole: &BTreeMap<PathBuf, Vec<u8>>) {
    let names = |all: &BTreeMap<PathBuf, Vec<u8>>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(whole));
    for (name, bytes) in found {
        assert!(*bytes == whole[name], "{} differs", name.display());
    }
}

/// Kills an inspection as soon as `it_is_time`; whether it was not over before.
fn killed(place: &Place, arguments: &[&str], it_is_time: impl Fn() -> bool) -> bool {
    let mut child = place.command(arguments).spawn().unwrap();
    while !it_is_time() {
        if child.try_wait().unwrap().is_some() {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{output:?}");
    !output.status.success()
}

/// Kills an inspection when it has kept at least so many spectra; `None` if it came further than
/// the last but one.
fn killed_with(place: &Place, arguments: &[&str], least: usize) -> Option<usize> {
    let there = || kept(place).is_some_and(|count| count >= least);
    killed(place, arguments, there).then_some(())?;
    kept(place).filter(|&count| count < LAYERS)
}

#[test]
fn before_the_first_spectrum_is_kept() {
    until_caught(|times| {
        let place = with_checkpoint(times);
        killed_with(&place, &INSPECT, 0).filter(|&count| count == 0)?;
        assert_eq!(results(&place).len(), 1, "there is more than {KEPT}");
        place.succeeds(&RESUME);
        expect_same(&results(&place), &undisturbed(times));
        Some(())
    });
}

/// Killed three times, each time further on: what was kept stays.
#[test]
fn in_the_middle_again_and_again() {
    until_caught(|times| {
        let place = with_checkpoint(times);
        let mut before = 0;
        for (arguments, least) in [
            (&INSPECT[..], 1),
            (&RESUME[..], LAYERS / 2),
            (&RESUME[..], LAYERS - 4),
        ] {
            let count = killed_with(&place, arguments, least)?;
            assert!(count >= before, "{count} spectra are left of {before}");
            before = count;
            assert_eq!(results(&place).len(), 1, "there is more than {KEPT}");
        }
        place.succeeds(&RESUME);
        expect_same(&results(&place), &undisturbed(times));
        Some(())
    });
}

/// Each file that is there is whole, and the others come.
#[test]
fn while_it_writes() {
    for begun in ["figures", "inspection.json", "singular-values.csv"] {
        until_caught(|times| {
            let (place, whole) = (with_checkpoint(times), undisturbed(times));
            let path = place.path("r").join(begun);
            killed(&place, &INSPECT, || path.exists()).then_some(())?;
            let left = results(&place);
            if left.contains_key(&PathBuf::from(LAST)) {
                return None;
            }
            assert_eq!(kept(&place), Some(LAYERS), "nothing is left to resume from");
            for (name, bytes) in &left {
                let is_kept = place.path("r").join(name) == place.path(KEPT);
                assert!(
                    is_kept || whole.get(name) == Some(bytes),
                    "{} is not whole",
                    name.display()
                );
            }
            place.succeeds(&RESUME);
            expect_same(&results(&place), &whole);
            let everything = place.everything("r").len();
            assert_eq!(everything, whole.len(), "temporary files are left");
            Some(())
        });
    }
}

/// The control: what was kept is what the result is made of, so that a wrong number in it is seen,
/// and a line that was cut anywhere is not taken for one.
#[test]
fn what_was_kept_is_used_and_what_is_cut_is_not() {
    let (place, whole) = until_caught(|times| {
        let place = with_checkpoint(times);
        killed_with(&place, &INSPECT, LAYERS / 2)?;
        Some((place, undisturbed(times)))
    });
    let left = place.text(KEPT);
    let resumed = |text: &str| {
        fs::remove_dir_all(place.path("r")).unwrap();
        fs::create_dir(place.path("r")).unwrap();
        place.write(KEPT, text);
        place.succeeds(&RESUME);
        results(&place)
    };
    let lines: Vec<&str> = left.lines().filter(|line| line.ends_with('}')).collect();
    let last = lines[lines.len() - 1];
    let earlier = lines[..lines.len() - 1].join("\n");
    for length in [1, last.len() / 3, last.len() / 2, last.len() - 1] {
        let cut = format!("{earlier}\n{}", &last[..length]);
        expect_same(&resumed(&cut), &whole);
    }
    let mut wrong: serde_json::Value = serde_json::from_str(last).unwrap();
    let largest = wrong["values"][0].as_f64().unwrap();
    wrong["values"][0] = (1.001 * largest).into();
    let found = resumed(&format!("{earlier}\n{wrong}\n"));
    for name in ["inspection.json", "singular-values.csv", LAST] {
        let name = PathBuf::from(name);
        assert!(
            found[&name] != whole[&name],
            "{} is the same",
            name.display()
        );
    }
}
