//! Eigenvalues and loss floor of data whose columns differ by 10¹⁶ in scale, or have means 10⁸
//! times their spread, against arithmetic of 80 digits (mpmath: eigenvalues of XᵀX/n, and the
//! residual of the normal equations).

use rankfall_core::model::gram::{Gram, GramAccumulator};
use rankfall_core::model::problem::Problem;

const ROWS: usize = 40;

/// A column without structure, of size one.
fn wave(row: usize, column: usize) -> f64 {
    let (i, c) = (row as f64, column as f64);
    (1.0 + i * (2.0 * c + 3.0) + 0.37 * i * i * (c + 1.0)).sin()
}

fn gram(inputs: impl Fn(usize) -> Vec<f64>, outputs: impl Fn(usize) -> Vec<f64>) -> Gram {
    let mut moments = GramAccumulator::new(inputs(0).len(), outputs(0).len());
    for row in 0..ROWS {
        let added = moments.add_rows(&inputs(row), &outputs(row));
        added.expect("whole rows");
    }
    moments.gram()
}

fn two_outputs(i: usize) -> Vec<f64> {
    vec![
        wave(i, 0) + wave(i, 1) - 2.0 * wave(i, 2) + 3.0 * wave(i, 3) + 0.1 * wave(i, 4),
        wave(i, 2) + 0.1 * wave(i, 5),
    ]
}

fn scaled_inputs(i: usize) -> Vec<f64> {
    [1e8, 1.0, 1e-8, 1e-3]
        .iter()
        .enumerate()
        .map(|(c, scale)| scale * wave(i, c))
        .collect()
}

fn expect(gram: &Gram, eigenvalues: &[f64], loss_floor: f64, tolerance: f64) {
    let problem = Problem::new(gram, None, None).expect("a problem");
    for (found, exact) in problem.eigenvalues.iter().zip(eigenvalues) {
        let error = if *exact == 0.0 {
            *found
        } else {
            found / exact - 1.0
        };
        assert!(error.abs() < tolerance, "{:?}", problem.eigenvalues);
    }
    let error = problem.loss_floor / loss_floor - 1.0;
    assert!(
        error.abs() < tolerance,
        "{} {loss_floor}",
        problem.loss_floor
    );
    let p = problem.inputs;
    for a in 0..p {
        for b in 0..p {
            let columns = [a, b].map(|j| problem.basis.col_as_slice(j));
            let product: f64 = columns[0].iter().zip(columns[1]).map(|(x, y)| x * y).sum();
            let expected = f64::from(u8::from(a == b));
            assert!((product - expected).abs() < 1e-13, "{a} {b}: {product}");
        }
    }
    let lost = eigenvalues.iter().filter(|&&s| s == 0.0).count();
    assert_eq!(problem.lost_directions, lost);
}

const SCALED: [f64; 4] = [
    4.86330887328357e15,
    0.549873616777714,
    5.61462794046477e-7,
    4.07922813991198e-17,
];
const SCALED_FLOOR: f64 = 0.004918184740759475;

#[test]
fn columns_of_any_scale_keep_their_digits() {
    let mut moments = gram(scaled_inputs, two_outputs);
    expect(&moments, &SCALED, SCALED_FLOOR, 1e-12);
    // The same from the moments alone: scales are no cancellation.
    moments.centred = None;
    expect(&moments, &SCALED, SCALED_FLOOR, 1e-12);
}

#[test]
fn a_spread_of_one_around_ten_to_the_eight_is_not_lost() {
    let inputs = |i: usize| vec![1e8 + wave(i, 0), 1e8 + wave(i, 1), wave(i, 2)];
    let moments = gram(inputs, two_outputs);
    let eigenvalues = [2.00000000391227e16, 0.575539352159276, 0.337907048327639];
    expect(&moments, &eigenvalues, 3.032329116805824, 1e-7);
}

#[test]
fn outputs_around_ten_to_the_eight_keep_what_is_left_of_them() {
    let inputs = |i: usize| vec![1.0, wave(i, 0), wave(i, 1)];
    let outputs = |i: usize| vec![1e8 + wave(i, 0) + 0.1 * wave(i, 4)];
    let eigenvalues = [1.04380878963214, 0.550027938858207, 0.442499230584934];
    expect(
        &gram(inputs, outputs),
        &eigenvalues,
        0.002593187286689662,
        1e-6,
    );
}

/// Four times the second column, exactly, as a fifth.
#[test]
fn dependent_columns_are_zero_beside_small_ones() {
    let inputs = |i: usize| {
        let mut row = scaled_inputs(i);
        row.push(4.0 * row[1]);
        row
    };
    let eigenvalues = [
        4.86330887328357e15,
        9.34785140269984,
        5.61462799002978e-7,
        4.07922813991198e-17,
        0.0,
    ];
    expect(
        &gram(inputs, two_outputs),
        &eigenvalues,
        SCALED_FLOOR,
        1e-12,
    );
}

/// What each input explains is found by the optimum in the original units: y = Σ x_j/s_j of the
/// scaled columns.
#[test]
fn the_optimum_of_small_columns_is_right() {
    let outputs = |i: usize| vec![(0..4).map(|c| wave(i, c)).sum()];
    let problem = Problem::new(&gram(scaled_inputs, outputs), None, None).expect("a problem");
    for (j, scale) in [1e8, 1.0, 1e-8, 1e-3].into_iter().enumerate() {
        let found: f64 = (0..4)
            .map(|a| problem.basis[(j, a)] * problem.optimum[(a, 0)])
            .sum();
        // To rounding of the largest entry, 10⁸: an orthonormal basis in doubles can do no better.
        assert!((found - 1.0 / scale).abs() < 1e-12 * 1e8, "{j}: {found}");
    }
    assert!(problem.loss_floor < 1e-20, "{}", problem.loss_floor);
}
