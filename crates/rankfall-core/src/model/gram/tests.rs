//! Tests of the Gram matrices.

use faer::Mat;

use super::*;

/// A small deterministic stream of integers in −50..=50.
fn integers(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((state >> 33) % 101) as f64 - 50.0
    }
}

fn fill(rows: usize, p: usize, k: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut next = integers(seed);
    let x = (0..rows * p).map(|_| next()).collect();
    let y = (0..rows * k).map(|_| next()).collect();
    (x, y)
}

fn accumulated(p: usize, k: usize, x: &[f64], y: &[f64]) -> GramAccumulator {
    let mut moments = GramAccumulator::new(p, k);
    moments.add_rows(x, y).unwrap();
    moments
}

/// Σ a b / n over integer columns, exact in i128 and rounded once or twice.
fn exact(a: &[f64], i: usize, wa: usize, b: &[f64], j: usize, wb: usize) -> f64 {
    let rows = a.len() / wa;
    let sum: i128 = (0..rows)
        .map(|r| a[r * wa + i] as i128 * b[r * wb + j] as i128)
        .sum();
    sum as f64 / rows as f64
}

/// Rounding of the products inside a block, sums of 256 terms, is a few times √256 / 2 ulps
/// at the very most in faer's order of summing, less in ours.
const ROUNDING: f64 = 16.0;

fn assert_exact(gram: &Gram, p: usize, k: usize, x: &[f64], y: &[f64], ulps: f64) {
    let size = |m: &Mat<f64>, i: usize| m[(i, i)].sqrt();
    for i in 0..p {
        for j in 0..p {
            let tolerance = ulps * f64::EPSILON * size(&gram.sxx, i) * size(&gram.sxx, j);
            let want = exact(x, i, p, x, j, p);
            let got = gram.sxx[(i, j)];
            assert!((got - want).abs() <= tolerance, "sxx {i} {j}: {got} {want}");
        }
        for j in 0..k {
            let tolerance = ulps * f64::EPSILON * size(&gram.sxx, i) * size(&gram.syy, j);
            let want = exact(x, i, p, y, j, k);
            assert!((gram.sxy[(i, j)] - want).abs() <= tolerance, "sxy {i} {j}");
        }
    }
    for i in 0..k {
        for j in 0..k {
            let want = exact(y, i, k, y, j, k);
            let tolerance = ulps * f64::EPSILON * size(&gram.syy, i) * size(&gram.syy, j);
            assert!((gram.syy[(i, j)] - want).abs() <= tolerance, "syy {i} {j}");
        }
    }
}

#[test]
fn integer_moments_are_exact_to_rounding() {
    // Both product kernels, blocks full and not, one block and many.
    for (p, k) in [(1, 1), (3, 2), (5, 1), (40, 8), (45, 10)] {
        for rows in [1, 2, 7, 255, 256, 257, 1000] {
            let (x, y) = fill(rows, p, k, (rows * 100 + p) as u64);
            let gram = accumulated(p, k, &x, &y).gram();
            assert_eq!(gram.n, rows as u64);
            assert_exact(&gram, p, k, &x, &y, ROUNDING);
            gram.check().unwrap();
        }
    }
}

#[test]
fn splitting_the_calls_changes_no_bit() {
    let (p, k, rows) = (4, 2, 700);
    let (x, y) = fill(rows, p, k, 3);
    let whole = accumulated(p, k, &x, &y).gram();
    let mut pieces = GramAccumulator::new(p, k);
    let mut at = 0;
    for take in [1, 0, 255, 1, 300, 143] {
        let (a, b) = (at, at + take);
        pieces.add_rows(&x[a * p..b * p], &y[a * k..b * k]).unwrap();
        at = b;
    }
    assert_eq!(pieces.rows(), rows as u64);
    let pieces = pieces.gram();
    assert_eq!(whole.sxx, pieces.sxx);
    assert_eq!(whole.sxy, pieces.sxy);
    assert_eq!(whole.syy, pieces.syy);
}

#[test]
fn an_offset_of_1e8_keeps_the_variance() {
    // Columns 1e8 + u and 1e8 + v with small integers u, v: the centred moments are those
    // of u and v, which a plain sum of squares (of size 1e16 n) would have lost.
    let (rows, p) = (10_000, 2);
    let (u, _) = fill(rows, p, 1, 9);
    let x: Vec<f64> = u.iter().map(|v| v + 1e8).collect();
    let y = vec![0.0; rows];
    let moments = accumulated(p, 1, &x, &y);
    let plain = accumulated(p, 1, &u, &y).standardized_gram(true);
    let offset = moments.standardized_gram(true);
    let apart = offset.gram.sxx[(0, 1)] - plain.gram.sxx[(0, 1)];
    assert!(apart.abs() < 1e-14, "{apart:e}");
    let scales = &offset.standardization.input_scales;
    let expected = &plain.standardization.input_scales;
    assert!((scales[0] / expected[0] - 1.0).abs() < 1e-14);
    assert_exact(&moments.gram(), p, 1, &x, &y, ROUNDING);

    // The control: plain sums of squares in double precision do lose it.
    let sum: f64 = (0..rows).map(|r| x[r * p]).sum();
    let squares: f64 = (0..rows).map(|r| x[r * p] * x[r * p]).sum();
    let naive = squares / rows as f64 - (sum / rows as f64).powi(2);
    assert!((naive / expected[0].powi(2) - 1.0).abs() > 1e-6);
}

#[test]
fn columns_of_very_different_scale_keep_their_own_accuracy() {
    let (rows, p) = (600, 2);
    let (u, y) = fill(rows, p, 1, 4);
    let scales = [2f64.powi(-400), 2f64.powi(400)];
    let x: Vec<f64> = (u.iter().enumerate())
        .map(|(i, v)| v * scales[i % p])
        .collect();
    let plain = accumulated(p, 1, &u, &y).gram();
    let scaled = accumulated(p, 1, &x, &y).gram();
    for i in 0..p {
        for j in 0..p {
            // Powers of two commute with every rounding here.
            assert_eq!(
                scaled.sxx[(i, j)],
                plain.sxx[(i, j)] * scales[i] * scales[j]
            );
        }
    }
    scaled.check().unwrap();
}

#[test]
fn merging_in_any_order_agrees() {
    let (p, k, rows) = (3, 2, 1000);
    let (x, y) = fill(rows, p, k, 11);
    let parts: Vec<_> = [0..10, 10..400, 400..401, 401..1000]
        .into_iter()
        .map(|r| accumulated(p, k, &x[r.start * p..r.end * p], &y[r.start * k..r.end * k]))
        .collect();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let mut total = GramAccumulator::new(p, k);
        for part in order {
            total.merge(&parts[part]).unwrap();
        }
        assert_eq!(total.rows(), rows as u64);
        assert_exact(&total.gram(), p, k, &x, &y, ROUNDING);
    }
    let other = GramAccumulator::new(p, k + 1);
    let mut total = GramAccumulator::new(p, k);
    assert!(matches!(
        total.merge(&other),
        Err(GramError::MergeShape { .. })
    ));
}

#[test]
fn fewer_rows_than_columns_is_no_error() {
    let (x, y) = fill(3, 8, 2, 5);
    let gram = accumulated(8, 2, &x, &y).gram();
    gram.check().unwrap();
    assert_exact(&gram, 8, 2, &x, &y, ROUNDING);
}

#[test]
fn one_row_is_its_outer_product_and_standardises_to_zero() {
    let moments = accumulated(2, 1, &[3.0, 0.1], &[2.0]);
    let gram = moments.gram();
    assert_eq!(gram.sxx[(0, 0)], 9.0);
    assert_eq!(gram.sxy[(1, 0)], 0.2);
    gram.check().unwrap();
    let standardized = moments.standardized_gram(true);
    assert_eq!(standardized.standardization.constant, [0, 1]);
    assert_eq!(standardized.gram.sxx, Mat::zeros(2, 2));
    assert_eq!(standardized.gram.syy, Mat::zeros(1, 1));
}

#[test]
fn standardising_gives_correlations_and_reports_constants() {
    let rows = 500;
    let (u, y) = fill(rows, 2, 1, 21);
    let mut x = Vec::new();
    for r in 0..rows {
        x.extend([u[2 * r], 0.1, 1e6 + 1e-3 * u[2 * r + 1]]);
    }
    let moments = accumulated(3, 1, &x, &y);
    let got = moments.standardized_gram(true);
    assert_eq!(got.standardization.constant, [1]);
    assert_eq!(got.gram.sxx[(0, 0)], 1.0);
    assert_eq!(got.gram.sxx[(1, 1)], 0.0);
    assert_eq!(got.gram.sxx[(2, 2)], 1.0);
    // The rows, standardised one by one, have these moments.
    let s = &got.standardization;
    let z: Vec<f64> = (x.iter().enumerate())
        .map(|(i, &v)| s.input(i % 3, v))
        .collect();
    let t: Vec<f64> = y.iter().map(|&v| s.target(0, v)).collect();
    let again = accumulated(3, 1, &z, &t).gram();
    for i in 0..3 {
        assert!((again.sxy[(i, 0)] - got.gram.sxy[(i, 0)]).abs() < 1e-7);
        for j in 0..3 {
            assert!((again.sxx[(i, j)] - got.gram.sxx[(i, j)]).abs() < 1e-8);
        }
    }
    assert!((again.syy[(0, 0)] / got.gram.syy[(0, 0)] - 1.0).abs() < 1e-12);
    got.gram.check().unwrap();
    let raw = moments.standardized_gram(false);
    assert_eq!(raw.gram.syy, moments.gram().syy);
    assert_eq!(raw.standardization.target_means, [0.0]);
}

#[test]
fn rows_that_are_not_whole_are_refused() {
    let mut moments = GramAccumulator::new(2, 1);
    assert!(moments.add_rows(&[1.0, 2.0, 3.0], &[1.0]).is_err());
    assert!(moments.add_rows(&[1.0, 2.0], &[1.0, 2.0]).is_err());
    assert!(moments.add_rows(&[], &[1.0]).is_err());
    assert_eq!(moments.rows(), 0);
    assert_eq!(moments.gram().check(), Err(GramError::NoRows));
}

#[test]
fn overflowing_squares_are_found() {
    let gram = accumulated(1, 1, &[1e200, -1e200], &[1.0, 1.0]).gram();
    assert!(matches!(
        gram.check(),
        Err(GramError::NotFinite { matrix: "sxx", .. })
    ));
}

fn gram_of(sxx: [[f64; 2]; 2], sxy: [f64; 2], syy: f64) -> Gram {
    Gram {
        sxx: Mat::from_fn(2, 2, |i, j| sxx[i][j]),
        sxy: Mat::from_fn(2, 1, |i, _| sxy[i]),
        syy: Mat::from_fn(1, 1, |_, _| syy),
        n: 10,
        centred: None,
    }
}

#[test]
fn check_accepts_singular_and_refuses_indefinite() {
    gram_of([[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0], 1.0)
        .check()
        .unwrap();
    // S_xx alone is fine; only the joint matrix shows that y correlates beyond 1 with x.
    let joint = gram_of([[1.0, 0.0], [0.0, 1.0]], [0.8, 0.7], 1.0);
    assert!(matches!(
        joint.check(),
        Err(GramError::NotPositiveSemidefinite { eigenvalue, .. })
            if (eigenvalue - (1.0 - 1.13f64.sqrt())).abs() < 1e-12
    ));
    gram_of([[1.0, 0.0], [0.0, 1.0]], [0.8, 0.5], 1.0)
        .check()
        .unwrap();
    // The same in a badly scaled column: the excess is 1e-12 of the largest entry.
    let small = gram_of([[1e12, 0.0], [0.0, 1.0]], [0.0, 1.1], 1.0);
    assert!(small.check().is_err());
}

#[test]
fn check_names_what_is_wrong() {
    let ok = gram_of([[2.0, 1.0], [1.0, 2.0]], [0.5, 0.5], 1.0);
    let with = |change: fn(&mut Gram)| {
        let mut gram = ok.clone();
        change(&mut gram);
        gram.check().unwrap_err()
    };
    assert_eq!(with(|g| g.n = 0), GramError::NoRows);
    assert!(matches!(
        with(|g| g.sxy = Mat::zeros(3, 1)),
        GramError::Shape { matrix: "sxy", .. }
    ));
    assert!(matches!(
        with(|g| g.sxx[(1, 0)] = f64::NAN),
        GramError::NotFinite { row: 1, col: 0, .. }
    ));
    assert!(matches!(
        with(|g| g.sxx[(1, 0)] = 1.001),
        GramError::NotSymmetric { matrix: "sxx", .. }
    ));
    assert!(matches!(
        with(|g| g.syy[(0, 0)] = -1.0),
        GramError::Diagonal { index: 2, .. }
    ));
    assert!(matches!(
        with(|g| g.syy[(0, 0)] = 0.0),
        GramError::Diagonal { index: 2, .. }
    ));
    assert!(matches!(
        with(|g| g.syy = Mat::zeros(0, 0)),
        GramError::NoColumns { outputs: 0, .. }
    ));
}

#[test]
fn single_precision_entries_pass_only_at_their_own_precision() {
    let (x, y) = fill(40, 3, 1, 8);
    // A fourth input that is the sum of two others makes S_xx singular; rounding to f32
    // then pushes an eigenvalue below zero by about 1e-8.
    let mut wide = Vec::new();
    for row in x.chunks_exact(3) {
        wide.extend([
            row[0] / 3.0,
            row[1] / 3.0,
            row[2] / 3.0,
            (row[0] + row[1]) / 3.0,
        ]);
    }
    let mut gram = accumulated(4, 1, &wide, &y).gram();
    gram.check().unwrap();
    gram.sxx = Mat::from_fn(4, 4, |i, j| f64::from(gram.sxx[(i, j)] as f32));
    gram.sxx[(3, 3)] *= 1.0 - 1e-7;
    assert!(gram.check().is_err());
    gram.check_to(f64::from(f32::EPSILON)).unwrap();
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Any integer data, any shape, any split: exact to rounding, and a valid Gram.
        #[test]
        fn any_integer_rows_are_summed_exactly(
            p in 1usize..6, k in 1usize..4, rows in 1usize..600,
            cut in 0.0f64..1.0, seed: u64, offset in -1_000_000i32..1_000_000,
        ) {
            let (mut x, y) = fill(rows, p, k, seed);
            x.iter_mut().for_each(|v| *v += f64::from(offset));
            let at = (cut * rows as f64) as usize;
            let mut first = accumulated(p, k, &x[..at * p], &y[..at * k]);
            let second = accumulated(p, k, &x[at * p..], &y[at * k..]);
            first.merge(&second).unwrap();
            let gram = first.gram();
            prop_assert_eq!(gram.n, rows as u64);
            assert_exact(&gram, p, k, &x, &y, ROUNDING);
            prop_assert_eq!(gram.check(), Ok(()));
            prop_assert_eq!(first.standardized_gram(true).gram.check(), Ok(()));
        }
    }
}
