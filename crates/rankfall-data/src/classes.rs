//! Class columns: the distinct labels of a column, and their 0/1 outputs.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::error::{DataErrorKind, RowPosition, no_value, not_finite, wrong, wrong_value};
use crate::header::is_missing;

/// More distinct labels than this and a column is not taken for a class.
pub(crate) const MAX_CLASSES: usize = 1000;
/// Bytes of the longest label.
const LONGEST_LABEL: usize = 10_000;
/// How many labels a note lists.
const LISTED: usize = 6;

/// One class of a class column.
#[derive(Clone, Debug)]
struct Label {
    text: String,
    /// The number that it is or reads as, finite or not.
    number: Option<f64>,
    /// Where it was met first, in text.
    place: Option<RowPosition>,
}

impl Label {
    fn is_number(&self) -> bool {
        self.number.is_some_and(f64::is_finite)
    }

    /// Whether its text stands for a missing value, if the column is one of numbers.
    fn is_marker(&self) -> bool {
        !self.is_number() && is_missing(self.text.as_bytes())
    }
}

/// Numbers the distinct labels of one column in the order in which they are met.
///
/// Labels that are text are told apart as text: 1, 01 and 1.0 are three classes.
#[derive(Clone, Debug)]
pub(crate) struct ClassCodes {
    column: String,
    labels: Vec<Label>,
    numbers: HashMap<u64, usize>,
    texts: HashMap<String, usize>,
    /// Once all rows were seen, a new label means that the file changed.
    complete: bool,
}

impl ClassCodes {
    pub fn new(column: &str) -> Self {
        Self {
            column: column.to_owned(),
            labels: Vec::new(),
            numbers: HashMap::new(),
            texts: HashMap::new(),
            complete: false,
        }
    }

    /// The code of a finite number.
    pub fn number(&mut self, value: f64) -> Result<usize, DataErrorKind> {
        let value = value + 0.0; // −0 is 0
        if let Some(&code) = self.numbers.get(&value.to_bits()) {
            return Ok(code);
        }
        let label = Label {
            text: value.to_string(),
            number: Some(value),
            place: None,
        };
        let code = self.add(label)?;
        self.numbers.insert(value.to_bits(), code);
        Ok(code)
    }

    /// The code of a label that is text. Nothing, and what no number is, are missing values in
    /// any column.
    pub fn text(&mut self, text: &str, place: RowPosition) -> Result<usize, DataErrorKind> {
        if let Some(&code) = self.texts.get(text) {
            return Ok(code);
        }
        let number = fast_float2::parse::<f64, _>(text).ok();
        if text.is_empty() {
            return Err(no_value(place, &self.column));
        }
        if number.is_some_and(f64::is_nan) {
            return Err(not_finite(place, &self.column, text));
        }
        if text.len() > LONGEST_LABEL {
            let what = format!(
                "a text of {} bytes is no class, which has at most {LONGEST_LABEL}",
                text.len()
            );
            return Err(wrong_value(place, &self.column, what));
        }
        let label = Label {
            text: text.to_owned(),
            number,
            place: Some(place),
        };
        let code = self.add(label)?;
        self.texts.insert(text.to_owned(), code);
        Ok(code)
    }

    fn add(&mut self, label: Label) -> Result<usize, DataErrorKind> {
        if self.complete {
            return Err(DataErrorKind::Changed("while it was being read"));
        }
        if self.labels.len() == MAX_CLASSES {
            return Err(wrong(format!(
                "column {:?} has more than {MAX_CLASSES} distinct values; is it a class? Without one_hot = true it is one numeric output",
                self.column
            )));
        }
        self.labels.push(label);
        Ok(self.labels.len() - 1)
    }

    /// The number that a label is or reads as.
    pub fn value(&self, code: usize) -> Option<f64> {
        self.labels.get(code).and_then(|label| label.number)
    }

    /// Ends the collecting and sorts: by value when all labels are numbers, else as text.
    ///
    /// # Errors
    /// A word for a missing value, or an infinity, where all other labels are numbers.
    pub fn complete(&mut self) -> Result<SortedClasses, DataErrorKind> {
        self.complete = true;
        self.check_markers()?;
        let numeric = self.labels.iter().all(Label::is_number);
        let value = |code: usize| self.labels[code].number.unwrap_or_default();
        let by_value = |a: usize, b: usize| match numeric {
            true => value(a).total_cmp(&value(b)),
            false => Ordering::Equal,
        };
        let text = |code: usize| &self.labels[code].text;
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        order.sort_by(|&a, &b| by_value(a, b).then_with(|| text(a).cmp(text(b))));
        let mut rank = vec![0; order.len()];
        for (place, &code) in order.iter().enumerate() {
            rank[code] = place;
        }
        let labels: Vec<String> = order.iter().map(|&code| text(code).clone()).collect();
        Ok(SortedClasses {
            names: labels
                .iter()
                .map(|label| format!("{}={label}", self.column))
                .collect(),
            labels,
            rank,
            notes: self.notes(),
        })
    }

    /// Refuses words for missing values, and infinities, in a column of numbers. A column of words
    /// may have them: NA is also a country.
    fn check_markers(&self) -> Result<(), DataErrorKind> {
        let of_numbers = self.labels.iter().any(Label::is_number);
        let other = |label: &&Label| label.number.is_none() && !label.is_marker();
        if !of_numbers || self.labels.iter().any(|label| other(&label)) {
            return Ok(());
        }
        let Some(label) = self.labels.iter().find(|label| !label.is_number()) else {
            return Ok(());
        };
        let text = &label.text;
        let place = label.place.unwrap_or(RowPosition { row: 0, line: None });
        Err(match label.number {
            Some(_) => not_finite(place, &self.column, text),
            None => {
                let what = format!(
                    "{text:?} stands for a missing value among numbers; drop or fill in such rows"
                );
                wrong_value(place, &self.column, what)
            }
        })
    }

    fn notes(&self) -> Vec<String> {
        let shown = |labels: &[&Label]| {
            let mut words: Vec<String> = labels
                .iter()
                .take(LISTED)
                .map(|l| format!("{:?}", l.text))
                .collect();
            if labels.len() > LISTED {
                words.push(format!("{} more", labels.len() - LISTED));
            }
            words.join(", ")
        };
        let column = &self.column;
        let mut notes = Vec::new();
        let markers: Vec<&Label> = self.labels.iter().filter(|l| l.is_marker()).collect();
        if !markers.is_empty() {
            notes.push(format!(
                "column {column:?}: {} was taken as a class; drop such rows if it stands for a missing value",
                shown(&markers)
            ));
        }
        let mut by_value: HashMap<u64, Vec<&Label>> = HashMap::new();
        for label in self.labels.iter().filter(|l| l.is_number()) {
            let value = label.number.unwrap_or_default() + 0.0;
            by_value.entry(value.to_bits()).or_default().push(label);
        }
        let mut alike: Vec<&Label> = by_value
            .into_values()
            .filter(|v| v.len() > 1)
            .flatten()
            .collect();
        alike.sort_by(|a, b| {
            let values = [a, b].map(|label| label.number.unwrap_or_default());
            values[0]
                .total_cmp(&values[1])
                .then_with(|| a.text.cmp(&b.text))
        });
        if !alike.is_empty() {
            notes.push(format!(
                "column {column:?}: the labels {} are equal as numbers and differ as text, so they are classes of their own; write those alike that are one",
                shown(&alike)
            ));
        }
        notes
    }
}

/// The classes of one column in their final order.
#[derive(Clone, Debug)]
pub(crate) struct SortedClasses {
    /// Output position of each code.
    pub rank: Vec<usize>,
    /// The labels.
    pub labels: Vec<String>,
    /// Names of the outputs, `column=label`.
    pub names: Vec<String>,
    /// What was taken for a class that need not be one.
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(row: u64) -> RowPosition {
        RowPosition { row, line: None }
    }

    fn of_texts(texts: &[&str]) -> Result<SortedClasses, DataErrorKind> {
        let mut codes = ClassCodes::new("c");
        for (row, text) in texts.iter().enumerate() {
            codes.text(text, place(row as u64 + 1))?;
        }
        codes.complete()
    }

    #[test]
    fn numbers_sort_by_value_and_text_by_letter() {
        let mut codes = ClassCodes::new("c");
        for value in [10.0, 9.0, -0.0, 0.0, 10.0] {
            codes.number(value).unwrap();
        }
        let sorted = codes.complete().unwrap();
        assert_eq!(sorted.names, ["c=0", "c=9", "c=10"]);
        assert_eq!(sorted.rank, [2, 1, 0]);
        assert!(matches!(codes.number(3.0), Err(DataErrorKind::Changed(_))));
        assert_eq!(
            of_texts(&["10", "9", "a"]).unwrap().labels,
            ["10", "9", "a"]
        );
        assert_eq!(of_texts(&["10", "9", "9"]).unwrap().labels, ["9", "10"]);
    }

    #[test]
    fn labels_that_are_equal_as_numbers_are_told_apart_and_said() {
        let sorted = of_texts(&["001", "1", "01", "2", "3.10", "3.1"]).unwrap();
        assert_eq!(sorted.labels, ["001", "01", "1", "2", "3.1", "3.10"]);
        let said = "\"001\", \"01\", \"1\", \"3.1\", \"3.10\" are equal as numbers";
        assert!(sorted.notes[0].contains(said), "{:?}", sorted.notes);
        assert!(of_texts(&["1", "2"]).unwrap().notes.is_empty());
    }

    #[test]
    fn missing_values_are_told_by_the_whole_column() {
        for marker in ["?", "null", "NA", "None", "n/a", "-"] {
            let error = of_texts(&["0", "1", marker, "1"]).unwrap_err().to_string();
            assert!(
                error.contains("row 3") && error.contains("missing"),
                "{error}"
            );
            // Beside words it is one of them, said.
            let sorted = of_texts(&["FR", "DE", marker]).unwrap();
            assert_eq!(sorted.labels.len(), 3);
            assert!(sorted.notes[0].contains(marker), "{:?}", sorted.notes);
        }
        assert!(of_texts(&["0", "inf"]).is_err());
        assert!(of_texts(&["low", "inf"]).is_ok());
        for nothing in ["", "nan", "NaN"] {
            assert!(of_texts(&["a", "b", nothing]).is_err());
        }
    }

    /// A packed file of a few kilobytes can have gigabytes of them.
    #[test]
    fn a_text_too_long_for_a_class_is_refused() {
        assert!(of_texts(&["a", &"b".repeat(10_000)]).is_ok());
        let error = of_texts(&["a", &"b".repeat(10_001)]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("row 2, column \"c\": a text of 10001 bytes")
        );
    }

    #[test]
    fn the_thousand_and_first_class_is_refused() {
        let mut codes = ClassCodes::new("id");
        for value in 0..MAX_CLASSES {
            codes.number(value as f64).unwrap();
        }
        codes.number(0.0).unwrap();
        let error = codes.number(-1.0).unwrap_err().to_string();
        assert!(error.contains("more than 1000 distinct values"), "{error}");
    }
}
