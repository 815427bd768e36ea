//! Graded columns: what is done to a lane does not depend on its neighbours.

use rankfall_core::linalg::graded::{GradedColumns, Rotate};
use rankfall_core::random::{Purpose, StreamKey};
use rankfall_core::simd::instructions::Instructions;
use rankfall_core::simd::lane_vec::LaneVec;
use rankfall_core::simd::lanes::{Lanes, Mask};

const ROWS: usize = 7;
const COLUMNS: usize = 6;
const LANES: usize = 8;

/// How far each column of a lane is from a multiple of the one before it.
const APART: [f64; LANES] = [1.0, 0.1, 1e-3, 1e-5, 1e-9, 1e-14, 0.0, 0.3];
/// How long each column of a lane is beside the one before it.
const LENGTH: [f64; LANES] = [1.0, 1.0, 1e-3, 1e-5, 1.0, 1e9, 1.0, 1e-2];

type Matrix = [[f64; ROWS]; COLUMNS];

/// Columns of all kinds, lane by lane: well apart, nearly parallel, parallel, of very different
/// lengths, and now and then one of zeros.
fn lanes(draw: u64) -> [Matrix; LANES] {
    std::array::from_fn(|lane| {
        let mut reader = StreamKey::new(1, Purpose::Inputs, 0).reader(lane as u64, draw);
        let mut columns: Matrix = [[0.0; ROWS]; COLUMNS];
        for j in 0..COLUMNS {
            for i in 0..ROWS {
                let before = if j == 0 { 1.0 } else { columns[j - 1][i] };
                columns[j][i] = (before + APART[lane] * reader.normal()) * LENGTH[lane];
            }
        }
        if draw.is_multiple_of(5) {
            columns[reader.below(COLUMNS as u64) as usize] = [0.0; ROWS];
        }
        columns
    })
}

/// What became of one lane: mantissas, exponents and rotation.
type Bits = [Vec<u64>; 3];

/// Works on columns that lie beside others, with the rotation they accumulate; returns lane 0.
fn first_lane<const N: usize>(
    matrices: [&Matrix; N],
    work: impl Fn(&mut GradedColumns<N>, &mut [Lanes<N>]),
) -> Bits {
    let mut factor = GradedColumns::from_fn(ROWS, COLUMNS, |lane, i, j| matrices[lane][j][i]);
    let mut rotation: LaneVec<N> = (0..COLUMNS * COLUMNS)
        .map(|i| Lanes::splat(f64::from(u8::from(i % (COLUMNS + 1) == 0))))
        .collect();
    work(&mut factor, &mut rotation);
    let bits = |all: &[Lanes<N>]| all.iter().map(|x| x.0[0].to_bits()).collect();
    [
        bits(factor.mantissa()),
        bits(factor.exponent()),
        bits(&rotation),
    ]
}

/// Checks every lane of many draws alone against itself beside all the others.
macro_rules! neighbours_change_nothing {
    ($work:expr) => {
        for draw in 0..200 {
            let lanes = lanes(draw);
            for lane in 0..LANES {
                let beside = std::array::from_fn(|i| &lanes[(lane + i) % LANES]);
                let alone = first_lane::<1>([&lanes[lane]], $work);
                let company = first_lane::<LANES>(beside, $work);
                assert!(alone == company, "lane {lane} of draw {draw}");
            }
        }
    };
}

#[test]
fn rotations_of_a_lane_do_not_depend_on_its_neighbours() {
    let ways = [
        Rotate::ToRounding,
        Rotate::to_orthogonality(ROWS),
        Rotate::AboveCosine(0.2),
    ];
    let best = Instructions::best();
    for when in ways {
        for active in [0..ROWS, 2..ROWS] {
            neighbours_change_nothing!(|factor, rotation| factor.orthogonalise(
                active.clone(),
                when,
                Mask::ALL,
                Some(rotation),
                best
            ));
        }
    }
}

#[test]
fn reflections_of_a_lane_do_not_depend_on_its_neighbours() {
    let best = Instructions::best();
    for pivots in [0..ROWS, 0..2, 3..ROWS] {
        neighbours_change_nothing!(|factor, _| {
            factor.orthogonalise(0..ROWS, Rotate::ToRounding, Mask::ALL, None, best);
            factor.triangularise(pivots.clone(), best);
        });
    }
}
