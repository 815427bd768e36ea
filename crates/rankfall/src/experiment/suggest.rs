//! The nearest known name to one that is not known.

/// What things are called here, and words for them that people bring from elsewhere.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("batch_size", "b batch bs"),
    ("kind", "algorithm optimizer optimiser"),
    ("loss", "criterion"),
    ("softmax-cross-entropy", "cross_entropy"),
    ("label_noise", "delta noise_variance"),
    ("euler-maruyama", "em"),
    ("step_size", "eta learning_rate lr"),
    ("gradient-descent", "gd"),
    ("gradient-flow", "gf"),
    ("time_step", "h dt"),
    ("time", "duration t t_max"),
    ("f32", "float32"),
    ("f64", "float64"),
    ("width", "hidden hidden_dim hidden_size l"),
    ("steps", "iterations iters max_steps num_steps"),
    ("he", "kaiming"),
    ("epochs", "max_epochs num_epochs"),
    ("squared", "mse"),
    ("activation", "nonlinearity"),
    ("seed", "random_seed random_state"),
    ("trajectories", "repeats runs seeds trials paths"),
    ("weight_decay", "wd"),
    ("glorot", "xavier"),
    ("init", "initialisation initialization"),
    ("samples", "n"),
    ("gaussian", "normal random"),
    ("inputs", "p x"),
    ("outputs", "k"),
    ("file", "csv"),
    ("stochastic-gradient-flow", "sgf sde"),
    ("scale", "std"),
    ("sgd", "stochastic-gradient-descent"),
    ("rank_tolerance", "tolerance"),
    ("targets", "y"),
];

/// Optimisers of other libraries that rankfall does not have.
const ADAPTIVE: &str = "adadelta adafactor adagrad adam adamax adamw lamb lion muon nadam radam \
     rmsprop shampoo";

/// Names at least this alike are taken for slips of the fingers: `desgin`, not `adam` for `sgd`.
const ALIKE: f64 = 0.6;

/// The name among `known` that `given` most likely stands for, if one is near enough.
///
/// A word in use elsewhere for the same thing (`learning_rate`) counts as nearest; then the smallest
/// edit distance with transpositions, relative to length and blind to case and to `-`/`_`; then a
/// name that has `given` in it or begins it.
pub fn nearest<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let by_meaning = meaning(given).and_then(|here| known.iter().find(|k| **k == here));
    let given = folded(given);
    by_meaning
        .copied()
        .or_else(|| by_spelling(&given, known))
        .or_else(|| by_part(&given, known))
}

/// What a word from elsewhere is called here.
pub fn meaning(word: &str) -> Option<&'static str> {
    let word = folded(word);
    let is_known = |others: &str| others.split(' ').any(|other| folded(other) == word);
    let found = OTHER_WORDS.iter().find(|(_, others)| is_known(others));
    found.map(|(here, _)| *here)
}

/// Why a word that is well known elsewhere is nothing here, for those that people look for.
pub fn not_here(word: &str) -> Option<&'static str> {
    let word = folded(word);
    ADAPTIVE.split(' ').any(|known| known == word).then_some(
        "there are no optimisers with a step size for each weight: what is predicted here is about \
         plain gradients; descents take momentum, nesterov and weight_decay",
    )
}

fn by_spelling<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let likeness = |k: &str| strsim::normalized_damerau_levenshtein(given, &folded(k));
    let best = known
        .iter()
        .copied()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= ALIKE).then_some(best)
}

fn by_part<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let is_part = |k: &&&str| {
        let known = folded(k);
        (given.len() >= 4 && known.contains(given)) || (k.len() >= 3 && given.starts_with(&known))
    };
    known.iter().find(is_part).copied()
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
        for (here, _) in OTHER_WORDS {
            assert!(
                keys::every_name_and_value().any(|known| known == *here),
                "{here}"
            );
        }
    }

    #[test]
    fn a_part_of_a_name_is_found() {
        assert_eq!(nearest("stochastic", KINDS), Some(KINDS[1]));
        assert_eq!(nearest("logarithmic", &["linear", "log"]), Some("log"));
    }

    #[test]
    fn what_is_near_nothing_suggests_nothing() {
        assert_eq!(nearest("x", &[]), None);
        for far in ["adam", "lbfgs", "newton", "", "x"] {
            assert_eq!(nearest(far, KINDS), None, "{far}");
        }
    }

    #[test]
    fn adaptive_optimisers_are_known_not_to_be_here() {
        assert!(not_here("AdamW").is_some_and(|why| why.contains("momentum")));
        assert_eq!(not_here("sgd"), None);
    }
}
