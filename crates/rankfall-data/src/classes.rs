//! Class columns: the distinct values of a column, and their 0/1 outputs.

use std::collections::HashMap;

use crate::error::DataErrorKind;

/// More distinct values than this and a column is not taken for a class.
pub(crate) const MAX_CLASSES: usize = 1000;

/// One class of a class column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Label {
    Number(f64),
    Text(String),
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Numbers the distinct values of one column in the order in which they are met.
#[derive(Clone, Debug)]
pub(crate) struct ClassCodes {
    column: String,
    labels: Vec<Label>,
    numbers: HashMap<u64, usize>,
    texts: HashMap<String, usize>,
    /// Once all rows were seen, a new value means that the file changed.
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
        let code = self.add(Label::Number(value))?;
        self.numbers.insert(value.to_bits(), code);
        Ok(code)
    }

    /// The code of a text that is not a number.
    pub fn text(&mut self, value: &str) -> Result<usize, DataErrorKind> {
        if let Some(&code) = self.texts.get(value) {
            return Ok(code);
        }
        let code = self.add(Label::Text(value.to_owned()))?;
        self.texts.insert(value.to_owned(), code);
        Ok(code)
    }

    fn add(&mut self, label: Label) -> Result<usize, DataErrorKind> {
        if self.complete {
            return Err(DataErrorKind::Changed {
                since: "while it was being read",
            });
        }
        if self.labels.len() == MAX_CLASSES {
            return Err(DataErrorKind::TooManyClasses {
                column: self.column.clone(),
                limit: MAX_CLASSES,
            });
        }
        self.labels.push(label);
        Ok(self.labels.len() - 1)
    }

    /// Ends the collecting and sorts: numerically when all are numbers, else as text.
    pub fn complete(&mut self) -> SortedClasses {
        self.complete = true;
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        let numeric = self.texts.is_empty();
        order.sort_by(|&a, &b| match (&self.labels[a], &self.labels[b]) {
            (Label::Number(a), Label::Number(b)) if numeric => a.total_cmp(b),
            (a, b) => a.to_string().cmp(&b.to_string()),
        });
        let mut rank = vec![0; order.len()];
        for (place, &code) in order.iter().enumerate() {
            rank[code] = place;
        }
        let names = (order.iter())
            .map(|&code| format!("{}={}", self.column, self.labels[code]))
            .collect();
        SortedClasses { rank, names }
    }
}

/// The classes of one column in their final order.
#[derive(Clone, Debug)]
pub(crate) struct SortedClasses {
    /// Output position of each code.
    pub rank: Vec<usize>,
    /// Names of the outputs, `column=value`.
    pub names: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_by_value_and_text_by_letter() {
        let mut codes = ClassCodes::new("c");
        for value in [10.0, 9.0, -0.0, 0.0, 10.0] {
            codes.number(value).unwrap();
        }
        let sorted = codes.complete();
        assert_eq!(sorted.names, ["c=0", "c=9", "c=10"]);
        assert_eq!(sorted.rank, [2, 1, 0]);
        assert!(matches!(
            codes.number(3.0),
            Err(DataErrorKind::Changed { .. })
        ));

        let mut codes = ClassCodes::new("c");
        codes.number(10.0).unwrap();
        codes.number(9.0).unwrap();
        codes.text("a").unwrap();
        assert_eq!(codes.complete().names, ["c=10", "c=9", "c=a"]);
    }

    #[test]
    fn the_thousand_and_first_class_is_refused() {
        let mut codes = ClassCodes::new("id");
        for value in 0..MAX_CLASSES {
            codes.number(value as f64).unwrap();
        }
        codes.number(0.0).unwrap();
        assert!(matches!(
            codes.number(-1.0),
            Err(DataErrorKind::TooManyClasses { limit: 1000, .. })
        ));
    }
}
