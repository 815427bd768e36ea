//! Labels beside line ends, moved apart so that none hides another.

/// Places as near as possible to `wanted`, which ascend, at least `gap` apart and within
/// `low..=high`. `None` where they do not fit.
///
/// Least squares under the order: with the gaps taken out, neighbours that would overlap are pooled
/// at their mean (pool adjacent violators).
#[must_use]
pub fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Option<Vec<f64>> {
    let room = high - low - gap * wanted.len().saturating_sub(1) as f64;
    if room < 0.0 {
        return None;
    }
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (i, place) in wanted.iter().enumerate() {
        pools.push((place - gap * i as f64, 1));
        while let [.., (above, n), (here, m)] = pools[..] {
            if above <= here {
                break;
            }
            let mean = (above * n as f64 + here * m as f64) / (n + m) as f64;
            pools.truncate(pools.len() - 2);
            pools.push((mean, n + m));
        }
    }
    let freed = pools
        .into_iter()
        .flat_map(|(place, n)| std::iter::repeat_n(place, n));
    Some(
        freed
            .enumerate()
            .map(|(i, place)| place.clamp(low, low + room) + gap * i as f64)
            .collect(),
    )
}

/// Every how manieth of `count` labels to keep so that they fit into `room`.
#[must_use]
pub fn stride(count: usize, gap: f64, room: f64) -> usize {
    let most = (room / gap).max(1.0) as usize;
    count.div_ceil(most).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_room_stay() {
        assert_eq!(
            spread(&[10.0, 40.0, 80.0], 12.0, 0.0, 100.0),
            Some(vec![10.0, 40.0, 80.0])
        );
    }

    #[test]
    fn coinciding_labels_part_evenly() {
        assert_eq!(
            spread(&[50.0, 50.0, 50.0], 12.0, 0.0, 100.0),
            Some(vec![38.0, 50.0, 62.0])
        );
    }

    #[test]
    fn labels_stay_inside() {
        assert_eq!(spread(&[0.0, 0.0], 12.0, 0.0, 100.0), Some(vec![0.0, 12.0]));
        assert_eq!(
            spread(&[99.0, 130.0], 12.0, 0.0, 100.0),
            Some(vec![88.0, 100.0])
        );
    }

    #[test]
    fn too_many_labels_are_refused_and_thinned() {
        assert_eq!(spread(&[1.0; 20], 12.0, 0.0, 100.0), None);
        let kept = 20_usize.div_ceil(stride(20, 12.0, 100.0));
        assert!(spread(&vec![1.0; kept], 12.0, 0.0, 100.0).is_some());
        assert_eq!(spread(&[], 12.0, 0.0, 100.0), Some(vec![]));
    }
}
