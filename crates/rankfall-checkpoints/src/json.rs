//! JSON of headers and indexes, in memory that does not grow beyond what a list of tensors needs.

use serde::de::DeserializeOwned;

/// One value takes two bytes of a file and thirty-two of memory; a million tensors have as many.
const MOST_VALUES: usize = 12_000_000;

/// Reads JSON.
///
/// # Errors
/// A sentence: text that is not JSON, or has more values than a list of tensors has.
pub fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    // Before every value but the first is one of these.
    let values = text.iter().filter(|b| b",:[{".contains(b)).count();
    if values > MOST_VALUES {
        return Err(format!(
            "it has more than {MOST_VALUES} values: no list of tensors has as many"
        ));
    }
    serde_json::from_slice(text).map_err(|error| format!("it is not JSON: {error}"))
}
