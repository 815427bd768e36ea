//! Long curves reduced to what their pixels can show.

use crate::scene::Point;

/// Columns per pixel; two, as images are drawn at twice the size.
const COLUMNS_PER_PIXEL: f64 = 2.0;

/// A line with, in every column of half a pixel, at most its first, lowest, highest and last point.
/// The picture stays the same; a line of a million points becomes one of a few thousand.
#[must_use]
pub fn line(points: &[Point]) -> Vec<Point> {
    let mut kept = Vec::new();
    for column in columns(points, |p| p.x) {
        if column.len() <= 4 {
            kept.extend_from_slice(column);
            continue;
        }
        let by_height = |a: &usize, b: &usize| column[*a].y.total_cmp(&column[*b].y);
        let lowest = (0..column.len()).min_by(by_height).unwrap_or(0);
        let highest = (0..column.len()).max_by(by_height).unwrap_or(0);
        let (first, second) = (lowest.min(highest), lowest.max(highest));
        let mut chosen = vec![0, first, second, column.len() - 1];
        chosen.dedup();
        kept.extend(chosen.into_iter().map(|i| column[i]));
    }
    kept
}

/// A band, given as (x, upper y, lower y), with the hull of every column of half a pixel.
#[must_use]
pub fn band(edges: &[(f64, f64, f64)]) -> Vec<(f64, f64, f64)> {
    let mut kept = Vec::new();
    for column in columns(edges, |e| e.0) {
        match column.len() {
            0..=2 => kept.extend_from_slice(column),
            _ => {
                let hull =
                    |a: (f64, f64, f64), b: (f64, f64, f64)| (a.0, a.1.min(b.1), a.2.max(b.2));
                kept.extend(column.iter().copied().reduce(hull));
            }
        }
    }
    kept
}

fn columns<T>(items: &[T], x: impl Fn(&T) -> f64) -> Vec<&[T]> {
    let column = |item: &T| (x(item) * COLUMNS_PER_PIXEL).floor();
    items.chunk_by(|a, b| column(a) == column(b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lines_are_untouched() {
        let points: Vec<Point> = (0..200).map(|i| Point::new(f64::from(i), 0.0)).collect();
        assert_eq!(line(&points), points);
    }

    #[test]
    fn long_lines_keep_their_extremes() {
        let mut points: Vec<Point> = (0..100_000)
            .map(|i| Point::new(f64::from(i) * 1e-3, 5.0))
            .collect();
        points[77_777].y = -9.0;
        let thin = line(&points);
        assert!(thin.len() <= 4 * 201, "{}", thin.len());
        assert!(thin.iter().any(|p| p.y == -9.0));
        assert_eq!((thin[0], thin[thin.len() - 1]), (points[0], points[99_999]));
    }

    #[test]
    fn bands_keep_their_hull() {
        let mut edges: Vec<_> = (0..10_000)
            .map(|i| (f64::from(i) * 1e-3, 1.0, 2.0))
            .collect();
        edges[5_000].1 = -3.0;
        let thin = band(&edges);
        assert!(thin.len() <= 21);
        assert!(thin.iter().any(|e| e.1 == -3.0) && thin.iter().all(|e| e.2 == 2.0));
    }
}
