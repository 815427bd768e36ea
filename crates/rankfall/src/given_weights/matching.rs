//! Which tensor of a file belongs to which layer: by shape, and by the order of the numbers in
//! names.

/// A tensor as matching sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedShape {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// Why no tensor can be given to each layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchError {
    /// There are not as many tensors as layers, or their shapes, in the order of their numbers, are
    /// others.
    Shapes,
    /// Tensors of one shape whose names give no order.
    Order,
}

/// For each wanted shape the place of its tensor among `tensors`. Names that are the same but for
/// their numbers must follow each other as their numbers do; between other names the shape must
/// decide.
///
/// # Errors
/// Where shapes and names do not settle it.
pub fn assign(tensors: &[&NamedShape], wanted: &[Vec<usize>]) -> Result<Vec<usize>, MatchError> {
    if tensors.len() != wanted.len() {
        return Err(MatchError::Shapes);
    }
    let mut natural: Vec<usize> = (0..tensors.len()).collect();
    natural.sort_by_cached_key(|&place| natural_key(&tensors[place].name));
    let mut taken = Vec::with_capacity(wanted.len());
    for shape in wanted {
        let next = natural
            .iter()
            .find(|place| !taken.contains(*place) && tensors[**place].shape == *shape);
        taken.push(*next.ok_or(MatchError::Shapes)?);
    }
    for (at, &later) in taken.iter().enumerate() {
        for &earlier in &taken[..at] {
            let (one, other) = (tensors[earlier], tensors[later]);
            let alike = pattern(&one.name) == pattern(&other.name);
            if !alike && one.shape == other.shape {
                return Err(MatchError::Order);
            }
            if alike && natural_key(&one.name) >= natural_key(&other.name) {
                return Err(MatchError::Shapes);
            }
        }
    }
    Ok(taken)
}

/// A name with its numbers left out.
fn pattern(name: &str) -> Vec<&str> {
    name.split(|c: char| c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .collect()
}

/// Orders names as people do: `layers.10` after `layers.2`. Numbers by their length without leading
/// zeros, then digit by digit.
fn natural_key(name: &str) -> Vec<(usize, String)> {
    let mut key: Vec<(usize, String)> = Vec::new();
    let mut in_number = false;
    for c in name.chars() {
        let digit = c.is_ascii_digit();
        if digit != in_number || key.is_empty() {
            key.push((0, String::new()));
            in_number = digit;
        }
        if let Some((length, text)) = key.last_mut() {
            if digit && text == "0" {
                text.clear();
            }
            text.push(c);
            *length = if digit { text.len() } else { 0 };
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(all: &[(&str, &[usize])]) -> Vec<NamedShape> {
        let named = |(name, shape): &(&str, &[usize])| NamedShape {
            name: (*name).to_owned(),
            shape: shape.to_vec(),
        };
        all.iter().map(named).collect()
    }

    fn assigned(all: &[(&str, &[usize])], wanted: &[&[usize]]) -> Result<Vec<usize>, MatchError> {
        let tensors = tensors(all);
        let wanted: Vec<Vec<usize>> = wanted.iter().map(|s| s.to_vec()).collect();
        assign(&tensors.iter().collect::<Vec<_>>(), &wanted)
    }

    #[test]
    fn numbers_in_names_order_equal_shapes_as_people_count() {
        let all: &[(&str, &[usize])] =
            &[("l.10.w", &[4, 4]), ("l.2.w", &[4, 4]), ("l.0.w", &[4, 4])];
        assert_eq!(assigned(all, &[&[4, 4][..]; 3]), Ok(vec![2, 1, 0]));
    }

    #[test]
    fn shapes_order_names_without_numbers() {
        let all: &[(&str, &[usize])] = &[("decoder", &[64, 8]), ("encoder", &[8, 64])];
        assert_eq!(assigned(all, &[&[8, 64], &[64, 8]]), Ok(vec![1, 0]));
    }

    #[test]
    fn equal_shapes_under_different_words_are_refused() {
        let all: &[(&str, &[usize])] = &[("alpha", &[5, 5]), ("beta", &[5, 5])];
        assert_eq!(assigned(all, &[&[5, 5], &[5, 5]]), Err(MatchError::Order));
    }

    #[test]
    fn shapes_that_go_against_the_numbers_are_refused() {
        let all: &[(&str, &[usize])] = &[("0.w", &[3, 5]), ("2.w", &[5, 3])];
        assert_eq!(assigned(all, &[&[5, 3], &[3, 5]]), Err(MatchError::Shapes));
        assert_eq!(assigned(all, &[&[3, 5], &[5, 3]]), Ok(vec![0, 1]));
    }

    #[test]
    fn names_that_count_alike_are_refused() {
        let all: &[(&str, &[usize])] = &[("l.1", &[4, 4]), ("l.01", &[4, 4])];
        assert_eq!(assigned(all, &[&[4, 4], &[4, 4]]), Err(MatchError::Shapes));
    }

    #[test]
    fn every_tensor_is_needed() {
        let all: &[(&str, &[usize])] = &[("0", &[3]), ("1", &[3])];
        assert_eq!(assigned(all, &[&[3]]), Err(MatchError::Shapes));
    }
}
