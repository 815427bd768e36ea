//! Coefficients of the series of φ₁ and φ₂, and where they may be summed.

/// Series are summed where ‖G‖²_F is at most this; larger increments are halved first.
pub const SERIES_BOUND: f64 = 0.2;

/// 0.2⁷/15! < 10⁻¹⁷: the first term left out.
const SERIES_TERMS: usize = 7;

/// 1/(2j + 1)! and 1/(2j + 2)! from the highest j to 0.
pub const SERIES: [(f64, f64); SERIES_TERMS] = series();

const fn series() -> [(f64, f64); SERIES_TERMS] {
    let mut out = [(0.0, 0.0); SERIES_TERMS];
    let (mut factorial, mut j) = (1.0, 0);
    while j < SERIES_TERMS {
        let odd = factorial * if j == 0 { 1.0 } else { (2 * j + 1) as f64 };
        let even = odd * (2 * j + 2) as f64;
        out[SERIES_TERMS - 1 - j] = (1.0 / odd, 1.0 / even);
        factorial = even;
        j += 1;
    }
    out
}
