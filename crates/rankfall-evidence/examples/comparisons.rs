//! Every comparison of claims in the paper's setting, over several seeds, as tab-separated lines.
//!
//! `comparisons LEVEL FIRST_SEED SEEDS THREADS [ID]...`, LEVEL one of smallest, quick, full.

use rankfall_evidence::bench::NoSupervisor;
use rankfall_evidence::decision::Measurement;
use rankfall_evidence::experiments::NoExperiments;
use rankfall_evidence::{Level, Setting, Subject, Suite, Verification, claims};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [level, first, seeds, threads, only @ ..] = arguments.as_slice() else {
        return Err("comparisons LEVEL FIRST_SEED SEEDS THREADS [ID]...".into());
    };
    let level = match level.as_str() {
        "smallest" => Level::Smallest,
        "quick" => Level::Quick,
        "full" => Level::Full,
        other => return Err(format!("no level {other}").into()),
    };
    let (first, seeds): (u64, u64) = (first.parse()?, seeds.parse()?);
    println!(
        "claim\tseed\tplace\tverdict\tvalue\tlow\thigh\tinterval_low\tinterval_high\tp_value\tprediction\tclaim_verdict\tseconds\twhat"
    );
    for seed in first..first + seeds {
        let paper = Subject::TwoLayers(Setting::of_the_paper(seed)?);
        let threads = threads.parse()?;
        let verification = Verification::new(&paper, level, threads, &NoSupervisor, &NoExperiments);
        for claim in claims::of(Suite::Exact) {
            if !only.is_empty() && !only.iter().any(|id| id == claim.id) {
                continue;
            }
            let found = verification.find(claim)?;
            let verdict = found.verdict.words();
            let seconds = found.seconds;
            if found.comparisons.is_empty() {
                println!(
                    "{}\t{seed}\t0\t{verdict}\t\t\t\t\t\t\t\t{verdict}\t{seconds:.2}\t{}",
                    claim.id, found.reason
                );
            }
            for (place, judged) in found.comparisons.iter().enumerate() {
                let comparison = &judged.comparison;
                let p_value = match comparison.measured {
                    Measurement::Exact(_) => String::new(),
                    Measurement::Statistical(_) => {
                        format!("{:.4e}", judged.p_value.unwrap_or(f64::NAN))
                    }
                };
                println!(
                    "{}\t{seed}\t{place}\t{}\t{:.9e}\t{:.9e}\t{:.9e}\t{:.9e}\t{:.9e}\t{p_value}\t{:.9e}\t{verdict}\t{seconds:.2}\t{}",
                    claim.id,
                    judged.verdict.words(),
                    comparison.measured.value(),
                    comparison.margin[0],
                    comparison.margin[1],
                    judged.interval[0],
                    judged.interval[1],
                    comparison.prediction,
                    comparison.what
                );
            }
        }
    }
    Ok(())
}
