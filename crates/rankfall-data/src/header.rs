//! Is the first line names or a row? Decided by the lines after it, column by column.

use std::collections::HashSet;

use crate::spec::Delimiter;

/// What people write where a value is missing, in lower case.
const MISSING: [&str; 22] = [
    "",
    "na",
    "n/a",
    "n.a.",
    "#n/a",
    "<na>",
    "nan",
    "-nan",
    "null",
    "none",
    "nil",
    "?",
    "-",
    "--",
    ".",
    "..",
    "*",
    "missing",
    "undefined",
    "unknown",
    "\\n",
    "#na",
];

/// Whether a field says that its value is missing.
pub(crate) fn is_missing(field: &[u8]) -> bool {
    // The longest word is nine bytes long; measurements are not worth a copy.
    field.len() <= 9 && {
        let lower = field.to_ascii_lowercase();
        MISSING.iter().any(|word| word.as_bytes() == lower)
    }
}

/// What stands in a field, as far as columns are told apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Number,
    Missing,
    Text,
}

/// The content of a field; a comma is a decimal point where it does not separate.
pub(crate) fn content(field: &[u8], delimiter: Delimiter) -> Content {
    if is_missing(field) {
        return Content::Missing;
    }
    let number = |field: &[u8]| fast_float2::parse::<f64, _>(field).is_ok();
    let comma = || {
        let at = field.iter().position(|&byte| byte == b',')?;
        let mut pointed = field.to_vec();
        pointed[at] = b'.';
        Some(pointed)
    };
    let decimal_comma =
        || delimiter != Delimiter::Byte(b',') && comma().is_some_and(|f| number(&f));
    match number(field) || decimal_comma() {
        true => Content::Number,
        false => Content::Text,
    }
}

/// What the first line was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Names; `said` where it could be a row.
    Names { said: bool },
    /// A row; `said` where it could be names.
    Row { said: bool },
    /// Words over numbers beside numbers over numbers: a row with an unknown word for a missing
    /// value, or names of which some are numbers.
    Unclear,
}

/// A column of the lines after the first.
struct Column {
    numeric: bool,
    /// Every number in it is written with a point or an exponent.
    pointed: bool,
    texts: HashSet<Vec<u8>>,
    /// Whether its texts come again and again, as classes do.
    recurring: bool,
}

impl Column {
    fn of(rows: &[&[Vec<u8>]], column: usize, delimiter: Delimiter) -> Self {
        let (mut numbers, mut pointed) = (0, 0);
        let (mut texts, mut words) = (HashSet::new(), 0);
        for field in rows.iter().filter_map(|row| row.get(column)) {
            match content(field, delimiter) {
                Content::Number => {
                    numbers += 1;
                    pointed += usize::from(field.iter().any(|byte| b".,eE".contains(byte)));
                }
                Content::Missing => {}
                Content::Text => {
                    words += 1;
                    texts.insert(field.clone());
                }
            }
        }
        Self {
            numeric: numbers > 0 && numbers >= words,
            pointed: numbers > 0 && numbers == pointed,
            recurring: words >= 4 && 2 * texts.len() <= words,
            texts,
        }
    }
}

/// Decides what `first` is, given some of the lines after it.
///
/// - Words over numbers, and no number beside them: names.
/// - Words over numbers beside consecutive whole numbers (years, pandas' 0, 1, 2, …): names, said;
///   beside other numbers: unclear.
/// - Consecutive whole numbers alone, unlike any line after them, from 0 or over measurements:
///   names, said; other whole numbers in equal steps: a row, said.
/// - A word that the same column has again: a row. Nothing but new words: names, said.
pub(crate) fn decide(first: &[Vec<u8>], rows: &[&[Vec<u8>]], delimiter: Delimiter) -> Taken {
    let contents: Vec<Content> = first.iter().map(|f| content(f, delimiter)).collect();
    let places = |wanted: Content| {
        let of = contents.iter().enumerate();
        of.filter(move |(_, content)| **content == wanted)
            .map(|(at, _)| at)
    };
    let numbers: Vec<usize> = places(Content::Number).collect();
    let words: Vec<usize> = places(Content::Text).collect();
    let columns: Vec<Column> = (0..first.len())
        .map(|c| Column::of(rows, c, delimiter))
        .collect();
    let sequence = is_sequence(first, &numbers, rows, &columns);
    if words.iter().any(|&c| columns[c].numeric) {
        return match (numbers.is_empty(), sequence) {
            (true, _) => Taken::Names { said: false },
            (false, Sequence::Names) => Taken::Names { said: true },
            (false, _) => Taken::Unclear,
        };
    }
    let seen_again = words.iter().any(|&c| columns[c].texts.contains(&first[c]));
    if numbers.is_empty() {
        return match (words.is_empty(), seen_again) {
            (true, _) => Taken::Row { said: false },
            (false, true) => Taken::Row { said: true },
            (false, false) => Taken::Names { said: true },
        };
    }
    let new_word = words.iter().any(|&c| columns[c].recurring) && !seen_again;
    match sequence {
        Sequence::Names if !seen_again => Taken::Names { said: true },
        // 0 beside a word over classes: pandas names a column that has no name by its position.
        Sequence::Zero if new_word => Taken::Names { said: true },
        Sequence::Names | Sequence::Steps => Taken::Row { said: !seen_again },
        Sequence::Zero | Sequence::No => Taken::Row { said: new_word },
    }
}

/// How the numbers of the first line follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sequence {
    /// Consecutive, and it is likely that they are names.
    Names,
    /// One or two numbers from 0.
    Zero,
    /// In equal steps.
    Steps,
    No,
}

fn is_sequence(
    first: &[Vec<u8>],
    numbers: &[usize],
    rows: &[&[Vec<u8>]],
    columns: &[Column],
) -> Sequence {
    // A gap inside is a missing value; only an index has no name, and stands first.
    let gaps = (1..first.len()).any(|c| is_missing(&first[c]));
    let Some(step) = equal_steps(first, numbers).filter(|_| !gaps) else {
        return Sequence::No;
    };
    if rows
        .iter()
        .any(|row| equal_steps(row, numbers) == Some(step) && numbers.len() > 1)
    {
        return Sequence::No;
    }
    let from_zero = numbers.first().is_some_and(|&c| first[c] == b"0");
    let measured = numbers.iter().all(|&c| columns[c].pointed);
    let (two, many) = (numbers.len() >= 2, numbers.len() >= 3);
    match step {
        1 if (from_zero && many) || (measured && (many || (two && from_zero))) => Sequence::Names,
        1 if from_zero => Sequence::Zero,
        _ if many => Sequence::Steps,
        _ => Sequence::No,
    }
}

/// The step of whole numbers written in digits alone at these places, greater than 0; 1 for one
/// number.
fn equal_steps(line: &[Vec<u8>], places: &[usize]) -> Option<i64> {
    let whole = |&place: &usize| {
        let field = line.get(place)?;
        let digits = !field.is_empty() && field.iter().all(u8::is_ascii_digit);
        str::from_utf8(field).ok().filter(|_| digits)?.parse().ok()
    };
    let values: Vec<i64> = places.iter().map(whole).collect::<Option<_>>()?;
    let step = match values[..] {
        [] => return None,
        [_] => 1,
        [a, b, ..] => b - a,
    };
    let equal = values.windows(2).all(|pair| pair[1] - pair[0] == step);
    (equal && step > 0).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> Taken {
        let line = |line: &str| line.split(',').map(|f| f.as_bytes().to_vec()).collect();
        let lines: Vec<Vec<Vec<u8>>> = text.lines().map(line).collect();
        let rows: Vec<&[Vec<u8>]> = lines[1..].iter().map(|l| &l[..]).collect();
        decide(&lines[0], &rows, Delimiter::Byte(b','))
    }

    #[test]
    fn the_first_line_is_told_by_the_columns_below_it() {
        let names = |said| Taken::Names { said };
        let row = |said| Taken::Row { said };
        let cases = [
            // Words over numbers.
            ("a,b\n1,2\n3,4", names(false)),
            ("a,b\n1,\n3,?\n,4", names(false)),
            (",a,b\n0,1,2\n1,3,4", names(false)),
            ("a,kind\n1,x\n2,y", names(false)),
            // A missing value in the first row is no name.
            ("5.1,,3\n4.9,3.0,1\n4.7,3.2,2", row(false)),
            ("5.1,NA,3\n4.9,3.0,1\n4.7,3.2,2", row(false)),
            ("5.1,?,3\n4.9,3.0,1\n4.7,3.2,2", row(false)),
            ("?,1\n2,3", row(false)),
            ("2000,\n1,5\n2,6", row(false)),
            // One with a word that nobody knows, or names of which some are numbers.
            ("5,gone,3\n4,3.0,1\n4,3.2,2", Taken::Unclear),
            ("5.1,gone,3\n4.9,3.0,1\n4.7,3.2,2", Taken::Unclear),
            (
                "country,2000,2001,2002\nx,1.5,2.5,3.5\ny,0.1,0.2,0.3",
                names(true),
            ),
            ("id,0,1,2\n7,5,3,8\n9,1,1,1", names(true)),
            // Names that are numbers.
            ("0,1,2,3\n1.0,0,0,0\n1.5,2,1,1", names(true)),
            (",0,1,2\n0,1.0,0,0\n1,1.5,2,1", names(true)),
            ("2000,2001,2002\n1.5,2.5,3.5\n0.1,0.2,0.3", names(true)),
            ("2000,2001,2002\n15,25,35\n1,2,9", row(true)),
            ("10,20,30\n11,19,35\n4,4,4", row(true)),
            ("0,1\n0.5,0.25\n0.1,0.2", names(true)),
            // Rows like those after them.
            ("1,2,3\n2,3,4\n3,4,5", row(false)),
            ("0,0\n0,1\n1,0\n1,1", row(false)),
            ("0,1\n1,0\n1,1\n0,0", row(false)),
            ("1,no\n2,yes", row(false)),
            ("5.1,setosa\n4.9,setosa\n7.0,other", row(false)),
            // A new word over classes.
            ("0,label\n1.5,cat\n2.5,dog\n3.5,cat\n1.0,dog", names(true)),
            ("3.7,label\n1.5,cat\n2.5,dog\n3.5,cat\n1.0,dog", row(true)),
            ("0,cat\n1.5,cat\n2.5,dog\n3.5,cat\n1.0,dog", row(false)),
            // Nothing but words.
            ("colour,shape\nred,round\nblue,square", names(true)),
            ("red,round\nblue,square\nred,square", row(true)),
            ("a,b", names(true)),
        ];
        for (text, expected) in cases {
            assert_eq!(taken(text), expected, "{text}");
        }
    }

    #[test]
    fn decimal_commas_are_numbers_where_commas_do_not_separate() {
        let semicolon = Delimiter::Byte(b';');
        assert_eq!(content(b"1,5", semicolon), Content::Number);
        assert_eq!(content(b"1,5,2", semicolon), Content::Text);
        assert_eq!(content(b"1.5", Delimiter::Whitespace), Content::Number);
        assert_eq!(content(b"Null", semicolon), Content::Missing);
    }
}
