//! Where the numbers of a sentence stand in a document.

use std::ops::Range;

use crate::number::{self, NumberFormat};

/// A place of a number, in bytes of the document, and how it is written there.
pub type NumberPlace = (Range<usize>, NumberFormat);

/// The places of the numbers of `sentence`, in which each is `{}`; any white space, with the sign
/// of a comment after the end of a line, is as good as any other.
///
/// # Errors
/// A sentence that the document does not have, or more than once.
pub fn find(document: &str, sentence: &str) -> Result<Vec<NumberPlace>, String> {
    let text = Text::of(document);
    let parts: Vec<&str> = sentence.split("{}").collect();
    let all: Vec<Vec<NumberPlace>> = text
        .starts(parts[0])
        .filter_map(|start| text.numbers(start, &parts))
        .collect();
    match <[Vec<NumberPlace>; 1]>::try_from(all) {
        Ok([places]) => Ok(places),
        Err(all) => Err(format!("has {} places, not one, of: {sentence}", all.len())),
    }
}

/// A document with every run of white space as one blank.
struct Text {
    plain: String,
    /// Of every byte of it, where it is in the document; and the end.
    origin: Vec<usize>,
}

impl Text {
    fn of(document: &str) -> Self {
        let (mut plain, mut origin) = (String::new(), Vec::new());
        let mut at_start = true;
        for (place, c) in document.char_indices() {
            let blank = c.is_whitespace() || (at_start && c == '#');
            at_start = c == '\n' || (at_start && blank);
            if blank && plain.ends_with(' ') {
                continue;
            }
            let c = if blank { ' ' } else { c };
            plain.push(c);
            origin.extend((0..c.len_utf8()).map(|byte| place + byte));
        }
        origin.push(document.len());
        Self { plain, origin }
    }

    fn starts<'a>(&'a self, first: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.plain.match_indices(first).map(|(start, _)| start)
    }

    /// The numbers between `parts`, where these begin at `start`.
    fn numbers(&self, start: usize, parts: &[&str]) -> Option<Vec<NumberPlace>> {
        let before = self.plain[..start].chars().next_back();
        if parts[0].is_empty() && before.is_some_and(|c| c.is_ascii_digit() || ".−".contains(c)) {
            return None;
        }
        let mut at = start + parts[0].len();
        let mut places = Vec::new();
        for part in &parts[1..] {
            let (form, length) = number::read(&self.plain[at..])?;
            places.push((self.origin[at]..self.origin[at + length], form));
            at += length;
            self.plain[at..].starts_with(part).then_some(())?;
            at += part.len();
        }
        Some(places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMENT: &str =
        "# An effective rank of\n#   2.44 from 5.49, and\n# so on\nname = \"x\"\n";

    #[test]
    fn numbers_are_found_across_lines() {
        let places = find(COMMENT, "rank of {} from {}, and so on").expect("found");
        let texts: Vec<&str> = places
            .iter()
            .map(|(range, _)| &COMMENT[range.clone()])
            .collect();
        assert_eq!(texts, ["2.44", "5.49"]);
    }

    #[test]
    fn a_sentence_must_be_there_once() {
        assert!(find(COMMENT, "rank of {} to {}").is_err());
        assert!(find("1 a, 2 a", "{} a").is_err());
        assert_eq!(
            find("# −12.5 a", "{} a").map(|places| places[0].0.clone()),
            Ok(2..9)
        );
    }
}
