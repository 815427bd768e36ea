//! What is said of trajectories that diverged: as warnings, and as the end of a run of which
//! nothing is left.

use crate::failure::{Failure, quoted};
use rankfall_core::ensemble::statistics::StopReason;
use rankfall_report::record::{DivergenceRecord, DynamicsSummary};

/// A sentence for the summary, if any trajectory diverged.
pub fn warning(dynamics: &DynamicsSummary) -> Option<String> {
    let first = dynamics.divergences.first()?;
    let label = quoted(&dynamics.label);
    let (lost, all, at) = (dynamics.diverged, dynamics.trajectories, first.trajectory);
    let when = format!("trajectory {at} at t = {}", first.time);
    let what = match why_stopped(first) {
        Some(why) => format!("stopped, since {why}"),
        None => "diverged".to_owned(),
    };
    Some(match (dynamics.all_diverged(), all) {
        (true, 1) => format!(
            "the one trajectory of {label} {what}, at t = {}; there are no numbers of it",
            first.time
        ),
        (true, _) => {
            format!("all {all} trajectories of {label} {what} ({when}); there are no numbers of it")
        }
        (false, _) => format!(
            "{lost} of {all} trajectories of {label} {what} ({when}); its statistics are over the others, \
             which conditions on survival"
        ),
    })
}

/// Why a trajectory was stopped whose weights did not leave the range of numbers.
fn why_stopped(divergence: &DivergenceRecord) -> Option<&'static str> {
    let reason = divergence.reason.as_str();
    if reason == StopReason::StepLimit.name() {
        Some(
            "the equation is too stiff for the integrator, which had tried as many steps as it may",
        )
    } else if reason == StopReason::NotConserved.name() {
        Some(
            "what gradient flow conserves, log det M or the balance, had drifted farther than the errors of \
             the steps explain",
        )
    } else {
        None
    }
}

/// Dynamics without a survivor make a failed run, though its record is kept.
///
/// # Errors
/// Exit code 1, naming all of them.
pub fn expect_survivors(all: &[DynamicsSummary], hint: &str) -> Result<(), Failure> {
    const NAMED: usize = 8;
    let lost: Vec<&DynamicsSummary> = all.iter().filter(|one| one.all_diverged()).collect();
    let Some(first) = (lost.iter())
        .filter_map(|one| Some((&one.label, one.divergences.first()?)))
        .min_by(|(_, one), (_, other)| one.time.total_cmp(&other.time))
    else {
        return Ok(());
    };
    let labels: Vec<String> = lost.iter().map(|one| quoted(&one.label)).collect();
    let names = match labels.len().checked_sub(NAMED) {
        None | Some(0) => labels.join(", "),
        Some(more) => format!("{} and {more} more", labels[..NAMED].join(", ")),
    };
    let (
        label,
        DivergenceRecord {
            trajectory,
            step,
            time,
            ..
        },
    ) = first;
    let of = match lost.len() {
        1 => String::new(),
        _ => format!(" of {}", quoted(label)),
    };
    let reason = lost
        .iter()
        .find_map(|one| why_stopped(one.divergences.first()?));
    let message = format!(
        "every trajectory of {names} diverged, the first trajectory {trajectory}{of} at step {step} (t = {time}); \
         the record is kept{}",
        reason.map_or(String::new(), |why| format!("; {why}"))
    );
    let failure = Failure::run(message).hint(hint);
    Err(match reason {
        Some(_) => {
            failure.hint("inputs of smaller scale (data.standardize = true), or a shorter run.time")
        }
        None => failure,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divergence() -> DivergenceRecord {
        DivergenceRecord {
            trajectory: 2,
            step: 7,
            time: 0.5,
            reason: StopReason::OutOfRange.name().to_owned(),
        }
    }

    fn dynamics(label: &str, diverged: u64, trajectories: u64) -> DynamicsSummary {
        DynamicsSummary {
            label: label.to_owned(),
            trajectories,
            diverged,
            divergences: (0..diverged.min(1)).map(|_| divergence()).collect(),
            ..DynamicsSummary::default()
        }
    }

    #[test]
    fn nothing_is_said_of_others_where_there_are_none() {
        let of = |diverged, trajectories| warning(&dynamics("x", diverged, trajectories));
        assert_eq!(of(0, 3), None);
        let some = of(2, 3).unwrap();
        assert!(
            some.starts_with("2 of 3 ") && some.contains("over the others"),
            "{some}"
        );
        let all = of(3, 3).unwrap();
        assert!(
            all.contains("all 3 ") && all.contains("no numbers") && !all.contains("others"),
            "{all}"
        );
        let one = of(1, 1).unwrap();
        assert!(
            one.contains("the one trajectory of \"x\" diverged, at t = 0.5"),
            "{one}"
        );
    }

    #[test]
    fn all_that_are_lost_are_named() {
        let all = [("a", 3), ("b", 2), ("c", 3)].map(|(label, lost)| dynamics(label, lost, 3));
        let failure = expect_survivors(&all, "smaller").unwrap_err();
        assert_eq!(failure.kind.code(), 1);
        assert!(
            failure
                .message
                .contains("of \"a\", \"c\" diverged, the first trajectory 2 of \"a\" at step 7"),
            "{failure}"
        );
        assert!(!failure.message.contains("\"b\""));
        assert!(expect_survivors(&all[1..2], "smaller").is_ok());
    }
}
