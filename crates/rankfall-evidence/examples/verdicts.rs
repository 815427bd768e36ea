//! Verdicts in the paper's setting: `verdicts [LEVEL] [SEED] [ID]...`, every comparison on a line.

use rankfall_evidence::bench::Unwatched;
use rankfall_evidence::{Level, Setting, Suite, claims};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let level = match arguments.first().map(String::as_str) {
        Some("smallest") => Level::Smallest,
        Some("full") => Level::Full,
        _ => Level::Quick,
    };
    let seed = arguments.get(1).map_or(Ok(1), |s| s.parse())?;
    let setting = Setting::of_the_paper(seed)?;
    let suite = Suite::new(&setting);
    println!("{} comparisons", suite.comparisons());
    for claim in claims::ALL {
        if arguments.len() > 2 && !arguments[2..].iter().any(|id| id == claim.id) {
            continue;
        }
        let found = suite.find(claim, level, 2, &Unwatched)?;
        println!(
            "{}: {} p = {:?} ({:.2} s) {}",
            claim.id,
            found.verdict.words(),
            found.p_value,
            found.seconds,
            found.reason
        );
        for judged in &found.comparisons {
            let c = &judged.comparison;
            println!(
                "    {:<12} {:.6e} measured {:.6e} [{:.6e}, {:.6e}] margin [{:.3e}, {:.3e}] p {:?} | {}",
                judged.verdict.words(),
                c.prediction,
                c.measured.value(),
                judged.interval[0],
                judged.interval[1],
                c.margin[0]
                    - if c.margin[0].is_finite() {
                        c.prediction.max(-1e300)
                    } else {
                        0.0
                    },
                c.margin[1]
                    - if c.margin[1].is_finite() {
                        c.prediction.max(-1e300)
                    } else {
                        0.0
                    },
                judged.p_value,
                c.what
            );
        }
    }
    Ok(())
}
