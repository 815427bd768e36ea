//! Numbers as figures and tables write them: true minus signs, grouped digits, powers of ten.

/// `exponent` in superscript digits.
#[must_use]
pub fn superscript(exponent: i64) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raised = |c: char| c.to_digit(10).map_or('⁻', |d| DIGITS[d as usize]);
    exponent.to_string().chars().map(raised).collect()
}

/// `index` in subscript digits.
#[must_use]
pub fn subscript(index: usize) -> String {
    index
        .to_string()
        .chars()
        .filter_map(|c| char::from_u32(u32::from('₀') + c.to_digit(10)?))
        .collect()
}

/// 10ⁿ.
#[must_use]
pub fn power_of_ten(exponent: i64) -> String {
    format!("10{}", superscript(exponent))
}

/// `v` with `decimals` digits after the point, a true minus, and thin spaces between thousands
/// from five digits on.
#[must_use]
pub fn fixed(v: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", v.abs());
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    // A value that rounds to zero has no sign.
    let sign = match v < 0.0 && text.contains(|c| ('1'..='9').contains(&c)) {
        true => "−",
        false => "",
    };
    format!("{sign}{}{fraction}", grouped(whole))
}

/// Digits with thin spaces between thousands from five on.
fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && digits.len() > 4 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `v` to `digits` significant digits, in powers of ten where it is very large or small.
#[must_use]
pub fn significant(v: f64, digits: usize) -> String {
    if !v.is_finite() {
        return dash();
    }
    if v == 0.0 {
        return "0".into();
    }
    let (mantissa, exponent) = scientific(v, digits);
    if (-3..6).contains(&exponent) {
        let decimals = (digits as i64 - 1 - exponent).max(0) as usize;
        return fixed(v, decimals);
    }
    format!("{mantissa}×{}", power_of_ten(exponent))
}

/// Mantissa and exponent after rounding: 9.996 to three digits is 1.00 × 10¹.
fn scientific(v: f64, digits: usize) -> (String, i64) {
    let text = format!("{:.*e}", digits.saturating_sub(1), v);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.replace('-', "−"), exponent.parse().unwrap_or(0))
}

/// [`significant`] without zeros that only fill up the digits: settings, and values known exactly.
#[must_use]
pub fn compact(v: f64, digits: usize) -> String {
    let text = significant(v, digits);
    let (number, power) = text.split_at(text.find('×').unwrap_or(text.len()));
    if !number.contains('.') {
        return text;
    }
    let number = number.trim_end_matches('0').trim_end_matches('.');
    format!("{number}{power}")
}

/// e^`log` to `digits` significant digits, also where e^`log` is no double.
#[must_use]
pub fn from_natural_log(log: f64, digits: usize) -> String {
    if !log.is_finite() {
        return dash();
    }
    if log.abs() < 600.0 {
        return significant(log.exp(), digits);
    }
    let decades = log * std::f64::consts::LOG10_E;
    let exponent = decades.floor();
    let (mantissa, carried) = scientific(10f64.powf(decades - exponent), digits);
    format!("{mantissa}×{}", power_of_ten(exponent as i64 + carried))
}

/// What stands for a number that is undefined.
#[must_use]
pub fn dash() -> String {
    "—".to_owned()
}

/// [`significant`], or a dash for what is undefined.
#[must_use]
pub fn or_dash(v: Option<f64>, digits: usize) -> String {
    v.map_or_else(dash, |v| significant(v, digits))
}

/// `v` with as many digits as an uncertainty of `half_width` leaves it, and two more; from 3 to 12.
#[must_use]
pub fn resolved(v: f64, half_width: f64) -> String {
    let ratio = (v.abs() / half_width).log10().ceil();
    let digits = if ratio.is_finite() { ratio + 2.0 } else { 6.0 };
    compact(v, digits.clamp(3.0, 12.0) as usize)
}

/// A count with thin spaces between thousands.
#[must_use]
pub fn count(n: u64) -> String {
    grouped(&n.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_groups() {
        assert_eq!(fixed(-40000.0, 0), "−40\u{202f}000");
        assert_eq!(fixed(-1234.5, 1), "−1234.5");
        assert_eq!(fixed(-0.04, 1), "0.0");
        assert_eq!(count(1_000_000), "1\u{202f}000\u{202f}000");
        assert_eq!(count(999), "999");
    }

    #[test]
    fn significant_digits_survive_rounding_up() {
        assert_eq!(significant(9.996, 3), "10.0");
        assert_eq!(significant(0.012345, 3), "0.0123");
        assert_eq!(significant(-1.5e-9, 2), "−1.5×10⁻⁹");
        assert_eq!(significant(0.0, 3), "0");
        assert_eq!(significant(f64::NAN, 3), "—");
        assert_eq!(significant(f64::MAX, 2), "1.8×10³⁰⁸");
    }

    #[test]
    fn compact_numbers_lose_only_filling() {
        assert_eq!(compact(0.02, 3), "0.02");
        assert_eq!(compact(100.0, 2), "100");
        assert_eq!(compact(5e-9, 3), "5×10⁻⁹");
        assert_eq!(compact(-13.74, 6), "−13.74");
    }

    #[test]
    fn digits_follow_the_uncertainty() {
        assert_eq!(resolved(-0.198_166_3, 2e-5), "−0.198166");
        assert_eq!(resolved(1.0, 0.5), "1");
        assert_eq!(resolved(12.3456, 100.0), "12.3");
        assert_eq!(resolved(0.5, 0.0), "0.5");
        assert_eq!(resolved(0.0, 1.0), "0");
        assert_eq!(resolved(1.0, f64::NAN), "1");
    }

    #[test]
    fn logarithms_beyond_doubles() {
        assert_eq!(from_natural_log(0.0, 2), "1.0");
        // ln 10 = 2.302585…, so this is 10^-10000.
        assert_eq!(from_natural_log(-23_025.850_929_940_457, 1), "1×10⁻¹⁰⁰⁰⁰");
        // 10^-1000.0013 is 9.97 × 10^-1001, which two digits round up to the next power.
        let log = -1000.0013 * std::f64::consts::LN_10;
        assert_eq!(from_natural_log(log, 2), "1.0×10⁻¹⁰⁰⁰");
        assert_eq!(subscript(12), "₁₂");
    }
}
