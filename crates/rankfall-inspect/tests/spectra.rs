//! Singular values against matrices whose spectrum is known exactly, their bounds, and what is said
//! of them.
//!
//! H/√n with H of Sylvester is orthogonal, so (1/n) H diag(s) Hᵀ has the singular values s; with n
//! a power of two and s whole numbers of few bits every entry is exact, in single precision too.

use rankfall_checkpoints::Checkpoint;
use rankfall_inspect::inspect::{Unwatched, inspect};
use rankfall_inspect::plan::{Choice, Plan};
use rankfall_inspect::record::{Inspection, Row};
use rankfall_inspect::saved::{self, PARTIAL, Saved};
use rankfall_inspect::table::totals;
use rankfall_inspect::view::Fused;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes tensors as safetensors.
fn write(folder: &Path, tensors: &[(&str, &str, Vec<usize>, Vec<f64>)]) -> PathBuf {
    let (mut header, mut bytes) = (Vec::new(), Vec::new());
    for (name, dtype, shape, numbers) in tensors {
        let start = bytes.len();
        for x in numbers {
            match *dtype {
                "F32" => bytes.extend_from_slice(&(*x as f32).to_le_bytes()),
                _ => bytes.extend_from_slice(&x.to_le_bytes()),
            }
        }
        let end = bytes.len();
        header.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        ));
    }
    let header = format!("{{{}}}", header.join(","));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&bytes);
    let path = folder.join("m.safetensors");
    fs::write(&path, file).unwrap();
    path
}

fn run(path: &Path, choice: &Choice, threads: usize) -> Inspection {
    let mut plan = Plan::default();
    plan.add(&Checkpoint::open(path).unwrap(), choice);
    inspect(plan, threads, None, &Unwatched)
}

/// Rows of (1/n) H diag(s) Hᵀ, stacked: m = n times `copies`; then σ = s √copies.
fn known(s: &[f64], copies: usize) -> Vec<f64> {
    let n = s.len();
    let sign = |i: usize, j: usize| {
        if (i & j).count_ones().is_multiple_of(2) {
            1.0
        } else {
            -1.0
        }
    };
    let entry =
        |i: usize, j: usize| (0..n).map(|k| sign(i, k) * s[k] * sign(k, j)).sum::<f64>() / n as f64;
    let block: Vec<f64> = (0..n * n).map(|at| entry(at / n, at % n)).collect();
    block.repeat(copies)
}

fn transposed(matrix: &[f64], columns: usize) -> Vec<f64> {
    let rows = matrix.len() / columns;
    (0..matrix.len())
        .map(|at| matrix[at % rows * columns + at / rows])
        .collect()
}

fn check(row: &Row, truth: &[f64], method: &str) {
    assert_eq!((row.analysed, row.method), (true, Some(method)), "{row:?}");
    let sigmas = &row.spectrum.as_ref().unwrap().sigmas;
    assert_eq!(sigmas.len(), truth.len());
    for (found, truth) in sigmas.iter().zip(truth) {
        // The truth is exact; a rounding of the root of `copies` is below every bound.
        assert!(
            (found.value - truth).abs() <= found.bound,
            "{found:?} for {truth}"
        );
        assert!(
            found.bound < 1e-6 * truth.max(truth * 1e-3) + 1e-9 * sigmas[0].value,
            "{found:?} for {truth}"
        );
    }
}

#[test]
fn known_spectra_are_found_within_their_bounds() {
    let folder = tempfile::tempdir().unwrap();
    // 64 whole numbers from 131071 down to 17: four decades.
    let s: Vec<f64> = (0..64)
        .map(|i| (131_071.0 * 0.868f64.powi(i)).round())
        .collect();
    let long: Vec<f64> = s.iter().map(|s| s * 40f64.sqrt()).collect();
    let (square, tall) = (known(&s, 1), known(&s, 40));
    let wide = transposed(&tall, 64);
    let path = write(
        folder.path(),
        &[
            ("square", "F32", vec![64, 64], square.clone()),
            ("tall", "F32", vec![2560, 64], tall.clone()),
            ("wide", "F32", vec![64, 2560], wide),
            ("double", "F64", vec![64, 64], square),
            ("double tall", "F64", vec![2560, 64], tall),
        ],
    );
    for threads in [1, 3] {
        let rows = run(&path, &Choice::default(), threads).tensors;
        check(&rows[0], &s, "gram");
        check(&rows[1], &long, "gram");
        check(&rows[2], &long, "gram");
        check(&rows[3], &s, "bidiagonal");
        check(&rows[4], &long, "bidiagonal");
        let log_det: f64 = s.iter().map(|s| s.ln()).sum();
        for row in [&rows[0], &rows[3]] {
            assert!(
                (row.log_abs_det.unwrap() - log_det).abs()
                    <= row.log_abs_det_error.unwrap() + 1e-12 * log_det
            );
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_threads() {
    let folder = tempfile::tempdir().unwrap();
    let mixed: Vec<f64> = (0..700 * 300)
        .map(|i| f64::from((i as u32).wrapping_mul(2_654_435_761)) / 1e9 - 2.0)
        .collect();
    let path = write(
        folder.path(),
        &[
            ("f", "F32", vec![700, 300], mixed.clone()),
            ("d", "F64", vec![700, 300], mixed),
        ],
    );
    let one = run(&path, &Choice::default(), 1);
    assert_eq!(one, run(&path, &Choice::default(), 2));
    assert_eq!(one, run(&path, &Choice::default(), 7));
}

#[test]
fn a_matrix_of_rank_3_has_rank_3_in_single_precision() {
    let folder = tempfile::tempdir().unwrap();
    // Products of factors, rounded to single precision: full rank if looked at in double precision.
    let factor =
        |i: usize, k: usize| ((i * 37 + k * 101 + i * i * k * 7) % 1009) as f64 / 1009.0 - 0.5;
    let entry = |at: usize| {
        (0..3)
            .map(|k| factor(at / 64, k) * factor(at % 64 + 1000, k))
            .sum::<f64>()
    };
    let path = write(
        folder.path(),
        &[("w", "F32", vec![100, 64], (0..6400).map(entry).collect())],
    );
    let row = &run(&path, &Choice::default(), 2).tensors[0];
    assert_eq!(row.numerical_rank, Some(3));
    let above = |edge: f64| {
        row.spectrum
            .as_ref()
            .unwrap()
            .sigmas
            .iter()
            .filter(|s| s.value > edge)
            .count()
    };
    assert!(
        above(100.0 * f64::EPSILON * row.sigma_max.unwrap()) > 60,
        "the precision of storage is what matters"
    );
    // Exactly of rank 3: what is not told from zero is said so, and there is no determinant.
    let s: Vec<f64> = (0..64).map(|i| if i < 3 { 8.0 } else { 0.0 }).collect();
    let path = write(folder.path(), &[("w", "F32", vec![64, 64], known(&s, 1))]);
    let row = &run(&path, &Choice::default(), 2).tensors[0];
    assert_eq!(
        (row.numerical_rank, row.log_abs_det, row.method),
        (Some(3), None, Some("bidiagonal"))
    );
    assert!(row.sigma_min.unwrap() <= row.error_bound.unwrap() && row.error_bound.unwrap() < 1e-11);
}

#[test]
fn numbers_of_any_size_do_not_over_or_underflow() {
    let folder = tempfile::tempdir().unwrap();
    let s: Vec<f64> = (1..=16).rev().map(f64::from).collect();
    for scale in [1e-300, 1e300] {
        let of = |scale: f64| {
            let numbers = known(&s, 1).iter().map(|x| x * scale).collect();
            let path = write(folder.path(), &[("w", "F64", vec![16, 16], numbers)]);
            run(&path, &Choice::default(), 1).tensors.remove(0)
        };
        let (row, one) = (of(scale), of(1.0));
        assert_eq!((row.above_mp, one.above_mp), (Some(0), Some(0)));
        for (found, of_one) in [
            (row.stable_rank, one.stable_rank),
            (row.effective_rank, one.effective_rank),
            (row.mp_edge.map(|edge| edge / scale), one.mp_edge),
            (row.nuclear_norm.map(|norm| norm / scale), one.nuclear_norm),
        ] {
            let (found, of_one) = (found.unwrap(), of_one.unwrap());
            assert!(
                (found / of_one - 1.0).abs() < 1e-12,
                "{scale}: {found} for {of_one}"
            );
        }
    }
    for scale in [1e-300, 1e300, 5e-320] {
        let numbers: Vec<f64> = known(&s, 1).iter().map(|x| x * scale).collect();
        let path = write(folder.path(), &[("w", "F64", vec![16, 16], numbers)]);
        let row = &run(&path, &Choice::default(), 1).tensors[0];
        let relative = row.sigma_max.unwrap() / scale / 16.0 - 1.0;
        // 5e-320 has four digits.
        assert!(
            relative.abs() < if scale < 1e-310 { 1e-3 } else { 1e-13 },
            "{scale}: {relative}"
        );
    }
}

#[test]
fn a_singular_value_beyond_doubles_is_not_counted_as_rank_0() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = vec![1.7e308; 4];
    let path = write(folder.path(), &[("w", "F64", vec![2, 2], numbers)]);
    let row = &run(&path, &Choice::default(), 1).tensors[0];
    assert_eq!((row.analysed, row.numerical_rank), (false, None));
    assert!(row.reason.as_deref().unwrap().contains("double precision"));
}

#[test]
fn a_convolution_has_two_rows_that_are_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let numbers: Vec<f64> = (0..4 * 3 * 2 * 2)
        .map(|i| f64::from((i * 29 + 11) % 64) / 8.0 - 4.0)
        .collect();
    let slice = |a: usize| -> Vec<f64> { (0..12).map(|at| numbers[at * 4 + a]).collect() };
    let path = write(
        folder.path(),
        &[
            ("conv.weight", "F32", vec![4, 3, 2, 2], numbers.clone()),
            ("unfolded", "F32", vec![4, 12], numbers.clone()),
            ("s0", "F32", vec![4, 3], slice(0)),
            ("s1", "F32", vec![4, 3], slice(1)),
            ("s2", "F32", vec![4, 3], slice(2)),
            ("s3", "F32", vec![4, 3], slice(3)),
        ],
    );
    let rows = run(&path, &Choice::default(), 1).tensors;
    let values = |row: &Row| -> Vec<f64> {
        row.spectrum
            .as_ref()
            .unwrap()
            .sigmas
            .iter()
            .map(|s| s.value)
            .collect()
    };
    assert_eq!((rows.len(), values(&rows[0])), (7, values(&rows[2])));
    let mut pooled: Vec<f64> = rows[3..].iter().flat_map(values).collect();
    pooled.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(values(&rows[1]), pooled);
    assert!(rows[1].matrix.as_deref().unwrap().contains("pooled"));
}

#[test]
fn nothing_is_left_out_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let w: Vec<f64> = (0..6).map(f64::from).collect();
    let path = write(
        folder.path(),
        &[
            ("w", "F32", vec![2, 3], w.clone()),
            ("bias", "F32", vec![3], vec![1.0; 3]),
            ("copy", "F32", vec![2, 3], w.clone()),
            ("nan", "F32", vec![1, 2], vec![f64::NAN, 1.0]),
            ("zero", "F32", vec![2, 2], vec![0.0; 4]),
            ("count", "I64", vec![1, 1], vec![1.0]),
            ("optimizer.state.0.exp_avg", "F32", vec![2, 3], w),
        ],
    );
    let rows = run(&path, &Choice::default(), 1).tensors;
    let reason = |i: usize| rows[i].reason.clone().unwrap_or_default();
    assert!(
        rows[0].analysed
            && reason(1).contains("vector")
            && reason(2).contains("the same numbers as w")
    );
    assert!(
        reason(3).contains("1 of its numbers")
            && reason(5).contains("i64")
            && reason(6).contains("optimiser")
    );
    assert_eq!(
        (
            rows[4].analysed,
            rows[4].numerical_rank,
            rows[4].effective_rank
        ),
        (true, Some(0), None)
    );
    let choice = Choice {
        layers: vec!["w".into()],
        optimizer: true,
        fused: Fused::Whole,
    };
    let rows = run(&path, &choice, 1).tensors;
    assert_eq!(rows.len(), 7);
    assert!(
        rows[1..]
            .iter()
            .all(|row| row.reason.as_deref() == Some("not chosen by --layers"))
    );
}

#[test]
fn a_stopped_inspection_goes_on_from_what_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let s: Vec<f64> = (1..=16).rev().map(f64::from).collect();
    let path = write(folder.path(), &[("w", "F64", vec![16, 16], known(&s, 1))]);
    let plan = || {
        let mut plan = Plan::default();
        plan.add(&Checkpoint::open(&path).unwrap(), &Choice::default());
        plan
    };
    let saved = Saved::open(folder.path(), false).unwrap();
    let first = inspect(plan(), 1, Some(&saved), &Unwatched);
    drop(saved);
    // A line that was cut by a kill.
    let partial = folder.path().join(PARTIAL);
    let mut text = fs::read(&partial).unwrap();
    text.extend_from_slice(b"{\"key\": \"ab");
    fs::write(&partial, text).unwrap();
    let saved = Saved::open(folder.path(), true).unwrap();
    assert_eq!(saved.len(), 1);
    assert_eq!(inspect(plan(), 1, Some(&saved), &Unwatched), first);
    drop(saved);
    // What is there is not computed again: a number changed in the file is the number that is
    // given.
    let text = fs::read_to_string(&partial).unwrap();
    let at = text.find("\"values\":[").unwrap() + 10;
    let end = at + text[at..].find(',').unwrap();
    fs::write(&partial, format!("{}16.25{}", &text[..at], &text[end..])).unwrap();
    let saved = Saved::open(folder.path(), true).unwrap();
    let row = &inspect(plan(), 1, Some(&saved), &Unwatched).tensors[0];
    assert_eq!(row.sigma_max, Some(16.25));
    // Another file under the name is another tensor.
    drop(saved);
    std::thread::sleep(std::time::Duration::from_millis(20));
    write(
        folder.path(),
        &[(
            "w",
            "F64",
            vec![16, 16],
            known(&s, 1).iter().map(|x| 2.0 * x).collect(),
        )],
    );
    let saved = Saved::open(folder.path(), true).unwrap();
    let row = &inspect(plan(), 1, Some(&saved), &Unwatched).tensors[0];
    assert!((row.sigma_max.unwrap() - 32.0).abs() < 1e-12);
    saved::remove(folder.path());
    assert!(!partial.exists());
}

#[test]
fn brackets_in_names_are_no_parts_of_one_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let tensor = |name, x| (name, "F32", vec![2, 2], vec![x; 4]);
    let path = write(folder.path(), &[tensor("w[0]", 1.0), tensor("w[1]", 2.0)]);
    let said = totals(&run(&path, &Choice::default(), 1));
    assert_eq!(said, "2 tensors, 8 numbers; 2 analysed\n");
    let path = write(
        folder.path(),
        &[("attn.in_proj_weight", "F32", vec![6, 2], vec![1.0; 12])],
    );
    let choice = Choice {
        fused: Fused::Split,
        ..Choice::default()
    };
    let said = totals(&run(&path, &choice, 1));
    assert_eq!(said, "1 tensors, 12 numbers; 1 analysed\n");
}
