//! The nearest known name to one that is not known.

/// Words people bring from elsewhere, and what they are called here.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("b", "batch_size"),
    ("batch", "batch_size"),
    ("bs", "batch_size"),
    ("algorithm", "kind"),
    ("optimizer", "kind"),
    ("optimiser", "kind"),
    ("criterion", "loss"),
    ("cross_entropy", "softmax-cross-entropy"),
    ("delta", "label_noise"),
    ("em", "euler-maruyama"),
    ("eta", "step_size"),
    ("gd", "gradient-descent"),
    ("gf", "gradient-flow"),
    ("h", "time_step"),
    ("dt", "time_step"),
    ("duration", "time"),
    ("float32", "f32"),
    ("float64", "f64"),
    ("hidden", "width"),
    ("hidden_dim", "width"),
    ("hidden_size", "width"),
    ("iterations", "steps"),
    ("iters", "steps"),
    ("kaiming", "he"),
    ("max_epochs", "epochs"),
    ("max_steps", "steps"),
    ("mse", "squared"),
    ("nonlinearity", "activation"),
    ("num_epochs", "epochs"),
    ("num_steps", "steps"),
    ("random_seed", "seed"),
    ("random_state", "seed"),
    ("repeats", "trajectories"),
    ("runs", "trajectories"),
    ("seeds", "trajectories"),
    ("trials", "trajectories"),
    ("wd", "weight_decay"),
    ("xavier", "glorot"),
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

/// Optimisers of other libraries that rankfall does not have.
const ADAPTIVE: &[&str] = &[
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "lamb",
    "lion",
    "muon",
    "nadam",
    "radam",
    "rmsprop",
    "shampoo",
];

/// Names at least this alike are taken for slips of the fingers: `desgin`, not `adam` for `sgd`.
const ALIKE: f64 = 0.6;

/// The name among `known` that `given` most likely stands for, if one is near enough.
///
/// A word in use elsewhere for the same thing (`learning_rate`) counts as nearest; then
/// the smallest edit distance with transpositions, relative to length and blind to case and to
/// `-`/`_`; then a name that has `given` in it
/// or begins it.
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
    let found = OTHER_WORDS.iter().find(|(other, _)| folded(other) == word);
    found.map(|(_, here)| *here)
}

/// Why a word that is well known elsewhere is nothing here, for those that people look for.
pub fn not_here(word: &str) -> Option<&'static str> {
    ADAPTIVE.contains(&folded(word).as_str()).then_some(
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
        for (_, here) in OTHER_WORDS {
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
