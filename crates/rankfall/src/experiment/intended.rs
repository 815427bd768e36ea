//! What a value that cannot be read was most likely meant to be, and how to write that.

use crate::failure::{escaped, number_text};

/// How to write what `text`, given for the number at the dotted `key`, most likely means.
pub fn hint(key: &str, text: &str) -> Option<String> {
    let text = text.trim().trim_matches(['"', '\'']);
    if text.is_empty() || text.chars().count() > 200 {
        return None;
    }
    if let Some(spec) = range(text) {
        return Some(one_value_only(key, &spec));
    }
    if let Some(number) = decimal_comma(text) {
        return Some(format!("a number has a point, no comma: write {number}"));
    }
    if let Some(spec) = several(text) {
        return Some(one_value_only(key, &spec));
    }
    flag_hint(text).or_else(|| number(text))
}

/// How to write a flag in TOML.
pub fn flag_hint(text: &str) -> Option<String> {
    let flag = match text.to_lowercase().as_str() {
        "true" | "yes" | "on" => "true",
        "false" | "no" | "off" => "false",
        _ => return None,
    };
    Some(format!("write {flag}, in small letters and without quotes"))
}

/// How to write a value that stopped the TOML reader: `text` is what stands after the `=`.
pub fn hint_in_file(key: &str, text: &str) -> Option<String> {
    let text = text.trim();
    hint(key, text).or_else(|| match text {
        "none" | "None" | "null" | "nil" => Some("leave the key out for its default".to_owned()),
        _ => text
            .starts_with(|c: char| c.is_ascii_alphabetic())
            .then(|| format!("text is in quotes: \"{}\"", escaped(text.trim_matches('"')))),
    })
}

/// How to ask for several values of a key.
pub fn one_value_only(key: &str, spec: &str) -> String {
    let spec: String = spec.split_whitespace().collect();
    format!(
        "one run has one value; for several: rankfall sweep FILE --over '{key}={}'",
        escaped(&spec)
    )
}

/// The SPEC of `--over` for a range, in whichever way it is written.
pub fn range(text: &str) -> Option<String> {
    if let Some((name, arguments)) = text.split_once('(') {
        let name = name.trim();
        let arguments = arguments.strip_suffix(')')?;
        return match name.rsplit('.').next()? {
            "log" | "linear" => Some(format!("{name}({arguments})")),
            "linspace" => Some(format!("linear({arguments})")),
            "geomspace" => Some(format!("log({arguments})")),
            "logspace" | "arange" | "range" => Some("log(1e-4,1e-1,16)".to_owned()),
            _ => None,
        };
    }
    let (from, to) = text.split_once("..")?;
    let to = to.trim_start_matches(['.', '=']);
    let [a, b] = [from, to].map(|end| end.trim().parse::<f64>().ok().filter(|x| x.is_finite()));
    let (a, b) = (a?, b?);
    let decades = a > 0.0 && b > 0.0 && (a / b).max(b / a) >= 10.0;
    let name = if decades { "log" } else { "linear" };
    Some(format!("{name}({},{},16)", from.trim(), to.trim()))
}

/// The SPEC of `--over` for numbers with commas, semicolons or blanks between them.
fn several(text: &str) -> Option<String> {
    let inner = text.trim_start_matches('[').trim_end_matches(']');
    let pieces: Vec<&str> = inner
        .split([',', ';', ' '])
        .filter(|piece| !piece.is_empty())
        .collect();
    let numbers = pieces.iter().all(|piece| piece.parse::<f64>().is_ok());
    (numbers && pieces.len() > 1).then(|| pieces.join(","))
}

/// `0,01` and `1,05` with a point: no list is written so.
fn decimal_comma(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once(',')?;
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let is_number = digits(whole.trim_start_matches(['+', '-'])) && digits(fraction);
    (is_number && fraction.len() > 1 && fraction.starts_with('0'))
        .then(|| format!("{whole}.{fraction}"))
}

/// A number that TOML writes in another way.
fn number(text: &str) -> Option<String> {
    let value: f64 = text.parse().ok().filter(|x: &f64| x.is_finite())?;
    let digits = text.trim_start_matches(['+', '-']);
    let sign = if text.starts_with('-') { "-" } else { "" };
    if digits.len() > 1 && digits.bytes().all(|b| b.is_ascii_digit()) && digits.starts_with('0') {
        let digits = digits.trim_start_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        return Some(format!(
            "a number has no leading zeros: write {sign}{digits}"
        ));
    }
    let shown = number_text(value);
    Some(
        if digits.starts_with('0') && digits[1..].starts_with(|c: char| c.is_ascii_digit()) {
            format!("a number has no leading zeros: write {shown}")
        } else if digits.starts_with('.') || digits.ends_with('.') || digits.contains(".e") {
            format!("a number has digits on both sides of its point: write {shown}")
        } else {
            format!("remove the quotes: {text}")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        hint("run.seed", text).unwrap_or_default()
    }

    #[test]
    fn a_number_of_another_spelling_is_written_out() {
        for (text, words) in [
            ("007", "no leading zeros: write 7"),
            ("-010", "write -10"),
            ("00", "write 0"),
            ("018446744073709551615", "write 18446744073709551615"),
            ("007.5", "no leading zeros: write 7.5"),
            (".5", "both sides of its point: write 0.5"),
            ("5.", "write 5"),
            ("\"10\"", "remove the quotes: 10"),
            ("0,01", "no comma: write 0.01"),
            ("True", "write true"),
        ] {
            assert!(said(text).contains(words), "{text}: {}", said(text));
        }
    }

    #[test]
    fn several_values_lead_to_a_sweep() {
        for (text, spec) in [
            ("1e-3..1e-1", "--over 'run.seed=log(1e-3,1e-1,16)'"),
            ("1 ..= 5", "--over 'run.seed=linear(1,5,16)'"),
            ("1,2,3", "--over 'run.seed=1,2,3'"),
            ("[1, 2]", "--over 'run.seed=1,2'"),
            ("1 2 3", "--over 'run.seed=1,2,3'"),
            ("0.1;0.2", "--over 'run.seed=0.1,0.2'"),
            ("log(1,10,4)", "--over 'run.seed=log(1,10,4)'"),
            ("np.linspace(0, 1, 5)", "--over 'run.seed=linear(0,1,5)'"),
        ] {
            assert!(said(text).contains(spec), "{text}: {}", said(text));
        }
    }

    #[test]
    fn what_means_nothing_gets_no_hint() {
        for text in [
            "", "soon", "nan", "inf", "..", "a..b", "1.2.3", "(", "f(1)", "é",
        ] {
            assert_eq!(hint("run.seed", text), None, "{text}");
        }
    }
}
