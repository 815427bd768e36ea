//! Numbers as documents write them: −12.33, 60 000, 4·10⁻⁷.

/// A number in a text: how many decimals it has, and whether a power of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    decimals: usize,
    power: bool,
}

const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

/// Reads the number that `text` starts with: its form, and how many bytes it takes. Thousands may
/// be set off by single spaces.
#[must_use]
pub fn read(text: &str) -> Option<(NumberFormat, usize)> {
    let mut at = text
        .strip_prefix('−')
        .map_or(0, |rest| text.len() - rest.len());
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(at);
    if whole == 0 {
        return None;
    }
    at += whole;
    while text[at..].starts_with(' ') && digits(at + 1) == 3 {
        at += 4;
    }
    let mut decimals = 0;
    if text[at..].starts_with('.') && digits(at + 1) > 0 {
        decimals = digits(at + 1);
        at += 1 + decimals;
    }
    let power = text[at..].strip_prefix("·10").map(|rest| {
        let sign = rest.strip_prefix('⁻').unwrap_or(rest);
        let digits: usize = sign
            .chars()
            .take_while(|c| DIGITS.contains(c))
            .map(char::len_utf8)
            .sum();
        (digits > 0, rest.len() - sign.len() + digits)
    });
    let power = match power {
        Some((true, length)) => {
            at += "·10".len() + length;
            true
        }
        _ => false,
    };
    Some((NumberFormat { decimals, power }, at))
}

impl NumberFormat {
    /// A number in this form; a dash where it is undefined.
    #[must_use]
    pub fn write(self, value: f64) -> String {
        if !value.is_finite() {
            return "—".into();
        }
        if self.power && value != 0.0 {
            let text = format!("{:.*e}", self.decimals, value.abs());
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            return format!("{}{mantissa}·10{}", sign(value), superscript(exponent));
        }
        let text = format!("{:.*}", self.decimals, value.abs());
        let zero = text.bytes().all(|c| c == b'0' || c == b'.');
        format!(
            "{}{}",
            if zero { "" } else { sign(value) },
            in_thousands(&text)
        )
    }
}

fn sign(value: f64) -> &'static str {
    if value < 0.0 { "−" } else { "" }
}

fn superscript(exponent: &str) -> String {
    let of = |c: char| match c.to_digit(10) {
        Some(digit) => DIGITS[digit as usize],
        None => '⁻',
    };
    exponent.chars().map(of).collect()
}

/// From five digits on.
fn in_thousands(text: &str) -> String {
    let whole = text.find('.').unwrap_or(text.len());
    if whole < 5 {
        return text.into();
    }
    let mut out = String::new();
    for (place, digit) in text.char_indices() {
        if place > 0 && place < whole && (whole - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_were() {
        for text in [
            "0",
            "5",
            "−12.33",
            "60 000",
            "4·10⁻⁷",
            "8.2·10¹²",
            "1437",
            "0.10",
        ] {
            let (form, length) = read(text).expect("a number");
            assert_eq!(length, text.len(), "{text}");
            let plain = text.replace(' ', "").replace('−', "-");
            let value: f64 = match plain.split_once("·10") {
                Some((mantissa, "⁻⁷")) => mantissa.parse::<f64>().expect("a mantissa") * 1e-7,
                Some((mantissa, _)) => mantissa.parse::<f64>().expect("a mantissa") * 1e12,
                None => plain.parse().expect("a number"),
            };
            assert_eq!(form.write(value), text);
        }
    }

    #[test]
    fn a_number_ends_where_it_does() {
        let length = |text: &str| read(text).map(|(_, length)| length);
        assert_eq!(length("5.3, 4.6"), Some(3));
        assert_eq!(length("5. Next"), Some(1));
        assert_eq!(length("12 of 64"), Some(2));
        assert_eq!(length("5·10 times"), Some(1));
        assert_eq!(length("five"), None);
        assert_eq!(length("− 5"), None);
    }

    #[test]
    fn what_rounds_to_zero_has_no_sign() {
        let form = NumberFormat {
            decimals: 2,
            power: false,
        };
        assert_eq!(form.write(-0.001), "0.00");
        assert_eq!(form.write(f64::NAN), "—");
    }
}
