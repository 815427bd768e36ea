//! What a column of numbers is of: the names of `series.parquet`, from those under which engines
//! measure.

use serde::{Deserialize, Serialize};

/// An observable with its layer and its place in a spectrum.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Observable {
    /// Its name, the same for every layer.
    pub name: String,
    /// The layer it is of, from 1, where it is of one.
    pub layer: Option<u32>,
    /// 1, 2, … for the parts of a spectrum, descending; 0 for scalars.
    pub index: u32,
}

impl Observable {
    /// From the name and the index under which an engine measures it, which are those of schema 1:
    /// there the layer is part of the name, or takes the place of the index.
    #[must_use]
    pub fn measured(name: &str, index: u32) -> Self {
        let of = |name: &str, layer: u32, index: u32| Self {
            name: name.to_owned(),
            layer: Some(layer),
            index,
        };
        if let Some(name) = name.strip_suffix("_w1") {
            of(name, 1, index)
        } else if let Some(name) = name.strip_suffix("_w2") {
            of(name, 2, index)
        } else if let Some((name, layer)) = layer_at_the_end(name) {
            of(name, layer, index)
        } else if let Some(name) = name.strip_suffix("_layer") {
            of(name, index, 0)
        } else if name.ends_with("_features") || name == "balance_distance" {
            of(name, index, 0)
        } else if let Some(rest) = name.strip_prefix("log_det_stack") {
            of(&format!("log_det{rest}"), index, 0)
        } else {
            Self {
                name: name.to_owned(),
                layer: None,
                index,
            }
        }
    }
}

/// Of `log_singular_value_layer_3`: the name without its layer, and 3.
fn layer_at_the_end(name: &str) -> Option<(&str, u32)> {
    let (name, layer) = name.rsplit_once("_layer_")?;
    Some((name, layer.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_leave_the_names_and_the_indices() {
        let of = |name: &str, index| {
            let Observable { name, layer, index } = Observable::measured(name, index);
            (name, layer, index)
        };
        let expected = |name: &str, layer, index| (name.to_owned(), layer, index);
        let spectrum = "log_singular_value";
        let (theta, odd) = ("log_singular_value_theta", "log_singular_value_layer_x");
        let (share, jacobian) = ("active_share_features", "effective_rank_jacobian");
        for (measured, index, name, layer, part) in [
            ("log_singular_value_w2", 3, spectrum, Some(2), 3),
            ("log_singular_value_layer_12", 3, spectrum, Some(12), 3),
            ("numerical_rank_w1", 0, "numerical_rank", Some(1), 0),
            ("numerical_rank_layer", 4, "numerical_rank", Some(4), 0),
            ("log_abs_det_layer", 1, "log_abs_det", Some(1), 0),
            ("log_det_stack", 2, "log_det", Some(2), 0),
            ("log_det_stack_law", 2, "log_det_law", Some(2), 0),
            ("log_det", 0, "log_det", None, 0),
            (share, 2, share, Some(2), 0),
            (theta, 2, theta, None, 2),
            (odd, 2, odd, None, 2),
            (jacobian, 0, jacobian, None, 0),
        ] {
            let expected = expected(name, layer, part);
            assert_eq!(of(measured, index), expected, "{measured}");
        }
    }
}
