//! The nearest known name to one that is not known.

/// Words people bring from elsewhere, and what they are called here.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("b", "batch_size"),
    ("batch", "batch_size"),
    ("delta", "label_noise"),
    ("em", "euler-maruyama"),
    ("eta", "step_size"),
    ("gd", "gradient-descent"),
    ("gf", "gradient-flow"),
    ("h", "time_step"),
    ("dt", "time_step"),
    ("hidden", "width"),
    ("hidden_size", "width"),
    ("initialisation", "init"),
    ("initialization", "init"),
    ("l", "width"),
    ("learning_rate", "step_size"),
    ("lr", "step_size"),
    ("n", "samples"),
    ("noise_variance", "label_noise"),
    ("normal", "gaussian"),
    ("p", "inputs"),
    ("k", "outputs"),
    ("paths", "trajectories"),
    ("csv", "file"),
    ("random", "gaussian"),
    ("sgf", "stochastic-gradient-flow"),
    ("sde", "stochastic-gradient-flow"),
    ("std", "scale"),
    ("stochastic-gradient-descent", "sgd"),
    ("stochastic_gradient_descent", "sgd"),
    ("t", "time"),
    ("t_max", "time"),
    ("tolerance", "rank_tolerance"),
    ("y", "targets"),
    ("x", "inputs"),
];

/// The name among `known` that `given` most likely stands for; `None` only if none is known.
///
/// A word in use elsewhere for the same thing (`learning_rate`) counts as nearest; otherwise the
/// smallest edit distance with transpositions, relative to length, blind to case and to `-`/`_`.
pub fn nearest<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let given = folded(given);
    let by_meaning = OTHER_WORDS
        .iter()
        .filter(|(word, _)| folded(word) == given)
        .find_map(|(_, here)| known.iter().find(|k| *k == here));
    by_meaning.copied().or_else(|| by_spelling(&given, known))
}

fn by_spelling<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let likeness = |k: &str| strsim::normalized_damerau_levenshtein(given, &folded(k));
    known
        .iter()
        .copied()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// Lower case with `-` for `_` and space, and short: the distance is quadratic in the length.
fn folded(name: &str) -> String {
    name.chars()
        .take(64)
        .flat_map(char::to_lowercase)
        .map(|c| if c == '_' || c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: &[&str] = &["gradient-flow", "stochastic-gradient-flow", "sgd"];

    #[test]
    fn a_slip_of_the_fingers_is_found() {
        assert_eq!(nearest("widht", &["init", "width"]), Some("width"));
        assert_eq!(nearest("gradient_flow", KINDS), Some("gradient-flow"));
        assert_eq!(
            nearest("stochastic-gradientflow", KINDS),
            Some("stochastic-gradient-flow")
        );
    }

    #[test]
    fn another_word_for_the_same_thing_is_found() {
        assert_eq!(nearest("stochastic-gradient-descent", KINDS), Some("sgd"));
        assert_eq!(
            nearest("learning-rate", &["kind", "step_size"]),
            Some("step_size")
        );
    }

    #[test]
    fn every_word_from_elsewhere_leads_to_a_name_that_exists() {
        use crate::experiment::keys;
        for (_, here) in OTHER_WORDS {
            assert!(
                keys::every_name_and_value().any(|known| known == *here),
                "{here}"
            );
        }
    }

    #[test]
    fn nothing_known_suggests_nothing() {
        assert_eq!(nearest("x", &[]), None);
    }
}
