//! How surely a comparison fails: a normal approximation to its statistic over seeds, and a test of
//! that approximation.

use statrs::distribution::{ContinuousCDF, Normal};

/// One comparison of one claim over the seeds.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The claim.
    pub claim: String,
    /// Its comparison, from 0.
    place: usize,
    /// In words, from the first seed.
    pub what: String,
    /// The statistic under each seed; it fails where this is above 0.
    ///
    /// log₁₀ of a ratio: for statistical comparisons of the distance of the estimate from the
    /// margin over the half-width of the interval, for exact ones of the deviation over the
    /// half-width of the margin.
    pub values: Vec<f64>,
    /// Under how many seeds the verdict was *fails*.
    pub caught: usize,
}

/// How surely.
pub struct Power {
    /// P(statistic > 0) for a normal law of the sample's mean and deviation.
    pub estimate: f64,
    /// The same, 95 % lower confidence bound for the sample's size.
    pub at_least: f64,
    /// p-value of Shapiro and Francia's test that the statistic is normal.
    pub normality: f64,
}

impl Sample {
    /// Every comparison in a table of the example `comparisons`.
    pub fn all(table: &str) -> Vec<Self> {
        let mut out: Vec<Self> = Vec::new();
        for line in table.lines().skip(1) {
            let cells: Vec<&str> = line.split('\t').collect();
            let [
                claim,
                _,
                place,
                verdict,
                value,
                low,
                high,
                left,
                right,
                p,
                prediction,
                _,
                _,
                what,
            ] = cells.as_slice()
            else {
                continue;
            };
            let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
            let place = place.parse().unwrap_or(0);
            let margin = [number(low), number(high)];
            let statistic = if p.is_empty() {
                exact(number(value), number(prediction), margin)
            } else {
                statistical(number(value), margin, [number(left), number(right)])
            };
            let known = out
                .iter_mut()
                .find(|s| s.claim == *claim && s.place == place);
            let sample = match known {
                Some(sample) => sample,
                None => {
                    out.push(Self {
                        claim: (*claim).into(),
                        place,
                        what: (*what).into(),
                        values: Vec::new(),
                        caught: 0,
                    });
                    let last = out.len() - 1;
                    &mut out[last]
                }
            };
            sample.values.push(statistic);
            sample.caught += usize::from(*verdict == "fails");
        }
        let whole: Vec<Self> = out
            .chunk_by(|a, b| a.claim == b.claim)
            .filter_map(Self::worst)
            .collect();
        out.extend(whole);
        out
    }

    /// All comparisons of one claim together: the largest statistic under each seed, since a claim
    /// fails where any of its comparisons does. None for a claim with one comparison, or with
    /// another number of them under another seed.
    fn worst(of_claim: &[Self]) -> Option<Self> {
        let seeds = of_claim[0].values.len();
        if of_claim.len() < 2 || of_claim.iter().any(|s| s.values.len() != seeds) {
            return None;
        }
        let largest = |seed: usize| {
            let values = of_claim.iter().map(|s| s.values[seed]);
            values.fold(f64::NEG_INFINITY, f64::max)
        };
        let values: Vec<f64> = (0..seeds).map(largest).collect();
        Some(Self {
            claim: of_claim[0].claim.clone(),
            place: usize::MAX,
            what: format!("the worst of its {} comparisons", of_claim.len()),
            caught: values.iter().filter(|&&v| v > 0.0).count(),
            values,
        })
    }

    fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.values.iter().map(|v| (v - mean).powi(2)).sum();
        (squares / (self.values.len() as f64 - 1.0)).sqrt()
    }

    /// Mean over deviation.
    fn distance(&self) -> f64 {
        let distance = self.mean() / self.deviation();
        if distance.is_nan() {
            f64::NEG_INFINITY
        } else {
            distance
        }
    }

    /// The power of this comparison.
    pub fn power(&self) -> Power {
        let n = self.values.len() as f64;
        let z = self.distance();
        // Variance of mean/deviation for normal values; 1.645 for 95 % on one side.
        let spread = (1.0 / n + z * z / (2.0 * (n - 1.0))).sqrt();
        Power {
            estimate: below(z),
            at_least: below(z - 1.645 * spread),
            normality: shapiro_francia(&self.values),
        }
    }
}

/// The comparison that notices most surely; none if nothing was measured.
pub fn best(samples: &[Sample]) -> Option<&Sample> {
    let complete = samples
        .iter()
        .filter(|s| s.values.len() > 2 && s.values.iter().all(|v| v.is_finite()));
    complete.max_by(|a, b| a.distance().total_cmp(&b.distance()))
}

fn statistical(value: f64, [low, high]: [f64; 2], [left, right]: [f64; 2]) -> f64 {
    let distance = (low - value).max(value - high);
    // Inside the margin is as good as a distance far below the interval.
    (distance / (0.5 * (right - left))).max(1e-20).log10()
}

fn exact(value: f64, prediction: f64, [low, high]: [f64; 2]) -> f64 {
    let reach = 0.5 * (high - low);
    let deviation = (value - prediction).abs();
    if reach.is_finite() && prediction.is_finite() {
        // A deviation of nothing at all is as good as one far below rounding.
        (deviation / reach).max(1e-20).log10()
    } else {
        (low - value).max(value - high)
    }
}

/// Φ.
fn below(z: f64) -> f64 {
    Normal::new(0.0, 1.0).map_or(f64::NAN, |law| law.cdf(z))
}

/// p-value of the test of Shapiro and Francia by Royston's approximation (1993), for 5 to 5000
/// values: W' is the squared correlation of the sorted values with Blom's scores.
pub fn shapiro_francia(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let Ok(normal) = Normal::new(0.0, 1.0) else {
        return f64::NAN;
    };
    let scores: Vec<f64> = (1..=sorted.len())
        .map(|i| normal.inverse_cdf((i as f64 - 0.375) / (n + 0.25)))
        .collect();
    let mean = sorted.iter().sum::<f64>() / n;
    let (mut cross, mut own, mut other) = (0.0, 0.0, 0.0);
    for (value, score) in sorted.iter().zip(&scores) {
        cross += (value - mean) * score;
        own += (value - mean).powi(2);
        other += score * score;
    }
    let w = cross * cross / (own * other);
    let (u, v) = (n.ln(), n.ln().ln());
    let centre = -1.2725 + 1.0521 * (v - u);
    let scale = 1.0308 - 0.26758 * (v + 2.0 / u);
    1.0 - below(((1.0 - w).ln() - centre) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Normal scores are as normal as can be; squares of them are not.
    #[test]
    fn the_test_of_normality_tells_them_apart() {
        let normal = Normal::new(0.0, 1.0).expect("a law");
        let scores: Vec<f64> = (1..=20)
            .map(|i| normal.inverse_cdf((f64::from(i) - 0.5) / 20.0))
            .collect();
        let squares: Vec<f64> = scores.iter().map(|x| (2.0 * x).exp()).collect();
        assert!(shapiro_francia(&scores) > 0.9);
        assert!(shapiro_francia(&squares) < 0.001);
    }

    #[test]
    fn statistics_by_hand() {
        // Three half-widths outside the margin.
        assert!((statistical(7.0, [0.0, 1.0], [5.0, 9.0]) - 3f64.log10()).abs() < 1e-12);
        assert!(statistical(0.5, [0.0, 1.0], [-1.5, 2.5]) < -1.0);
        assert!((exact(1e-7, 0.0, [-1e-10, 1e-10]) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_claim_fails_where_any_comparison_does() {
        let line = |seed: u64, place: u64, value: f64| {
            format!(
                "c\t{seed}\t{place}\tholds\t{value}\t0\t1\t{}\t{}\t1e-9\t0.5\tfails\t0.1\tx",
                value - 1.0,
                value + 1.0
            )
        };
        let lines = [
            line(1, 0, 5.0),
            line(1, 1, 0.5),
            line(2, 0, 0.5),
            line(2, 1, 7.0),
        ];
        let samples = Sample::all(&format!("head\n{}", lines.join("\n")));
        let worst = samples.last().expect("there are three");
        assert_eq!((samples.len(), worst.caught), (3, 2));
        assert_eq!(worst.values, [4.0, 6.0].map(f64::log10));
    }

    #[test]
    fn a_table_is_read() {
        let line = |seed: u64, verdict: &str, value: f64| {
            format!(
                "c\t{seed}\t0\t{verdict}\t{value}\t0\t1\t{}\t{}\t1e-9\t0.5\tfails\t0.1\tx",
                value - 1.0,
                value + 1.0
            )
        };
        let table = [
            "head".into(),
            line(1, "fails", 5.0),
            line(2, "fails", 7.0),
            line(3, "holds", 0.5),
        ]
        .join("\n");
        let samples = Sample::all(&table);
        assert_eq!((samples.len(), samples[0].caught), (1, 2));
        assert_eq!(samples[0].values, [4.0, 6.0, 1e-20].map(f64::log10));
        assert!(best(&samples).is_some());
    }
}
