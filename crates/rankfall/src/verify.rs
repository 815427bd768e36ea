//! `rankfall verify`: claims measured one by one, a table on the way, a record and a page at the end.

use crate::arguments::{Effort, VerifyArguments};
use crate::estimate;
use crate::experiment::{DynamicsSpec, Experiment, nearest};
use crate::failure::{Failure, quoted, shown_path};
use crate::interruption;
use crate::preparation::{self, Prepared};
use crate::run_folder::{REPORT, atomic, write_into};
use indicatif::{ProgressBar, ProgressDrawTarget};
use rankfall_core::dynamics::{Dynamics, Kind, LabelNoise, Sampling};
use rankfall_evidence::bench::Watch;
use rankfall_evidence::claim::{Claim, Stop};
use rankfall_evidence::decision::{FAMILY_WISE_RATE, Judged};
use rankfall_evidence::figure::{Curve, Figure, Style};
use rankfall_evidence::{Finding, Level, Setting, Suite, Verdict, claims};
use rankfall_report::claims::{
    CLAIMS_SCHEMA, ClaimCurve, ClaimFigure, ClaimRecord, ClaimsRecord, ComparisonRecord, CurveStyle,
};
use rankfall_report::claims_page;
use rankfall_report::number::{fixed, significant};
use std::fs;
use std::io::{ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The record of a run of `verify`.
pub const CLAIMS: &str = "claims.json";

/// `rankfall verify`.
///
/// # Errors
/// Exit code 1 where a claim fails or something cannot be written, 2 for wrong input, 130 where it was
/// interrupted; what was found until then is kept.
pub fn verify(arguments: &VerifyArguments) -> Result<(), Failure> {
    let chosen = chosen(&arguments.only)?;
    if arguments.list {
        return crate::print(&listed(&chosen));
    }
    let out = out_folder(arguments);
    check_folder(&out)?;
    let setting = setting(arguments)?;
    interruption::listen()?;
    let session = Session {
        arguments,
        out: &out,
        suite: Suite::new(&setting),
        setting: &setting,
        level: level(arguments.level),
        started: Instant::now(),
    };
    session.run(&chosen)
}

fn level(effort: Effort) -> Level {
    match effort {
        Effort::Quick => Level::Quick,
        Effort::Full => Level::Full,
    }
}

/// The claims that were asked for, in the order of the list.
fn chosen(only: &[String]) -> Result<Vec<&'static Claim>, Failure> {
    let known: Vec<&str> = claims::ALL.iter().map(|c| c.id).collect();
    if let Some(unknown) = only.iter().find(|id| !known.contains(&id.as_str())) {
        let failure = Failure::input(format!("there is no claim {}", quoted(unknown)));
        let near = nearest(unknown, &known).map(|near| format!("did you mean {near}?"));
        let list = "rankfall verify --list shows all of them".to_owned();
        return Err(near.into_iter().chain([list]).fold(failure, Failure::hint));
    }
    let asked = |c: &&'static Claim| only.is_empty() || only.iter().any(|id| id == c.id);
    Ok(claims::ALL.iter().filter(asked).collect())
}

fn listed(chosen: &[&'static Claim]) -> String {
    let entry = |c: &&'static Claim| {
        format!(
            "{} ({}, {})\n  {}\n  {}\n  against: {}\n",
            c.id,
            c.kind.words(),
            c.source.words(),
            c.title,
            c.statement,
            c.alternative
        )
    };
    let entries: Vec<String> = chosen.iter().map(entry).collect();
    entries.join("\n")
}

fn out_folder(arguments: &VerifyArguments) -> PathBuf {
    let default = || Path::new("runs").join("verify");
    arguments.out.clone().unwrap_or_else(default)
}

/// A folder may be new, empty, or of an earlier `verify`, whose files are replaced.
fn check_folder(path: &Path) -> Result<(), Failure> {
    let shown = shown_path(path);
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            let message = format!("cannot write into {shown}: {error}");
            return Err(Failure::input(message).hint("name another folder with --out"));
        }
    };
    for entry in entries {
        let entry = entry.map_err(|e| Failure::input(format!("cannot read {shown}: {e}")))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != CLAIMS && name != REPORT && !atomic::is_temporary(&name) {
            let message = format!(
                "{shown} is not empty and not of an earlier verify: there is {} in it",
                quoted(&name)
            );
            return Err(Failure::input(message).hint("name another folder with --out"));
        }
    }
    Ok(())
}

/// The paper's setting, or the user's.
fn setting(arguments: &VerifyArguments) -> Result<Setting, Failure> {
    let Some(path) = &arguments.experiment else {
        let seed = arguments.seed.unwrap_or(1);
        return Setting::of_the_paper(seed).map_err(|stop| Failure::run(stop.to_string()));
    };
    let mut experiment = Experiment::load(path, &[])?;
    experiment.run.seed = arguments.seed.unwrap_or(experiment.run.seed);
    estimate::check_drawing(&experiment)?;
    let prepared = with_rows(&experiment)?;
    let problem = prepared.setup.problem(0).map_err(preparation::of_setup)?;
    let noisy = experiment
        .dynamics
        .iter()
        .find(|d| d.dynamics.noise_intensity(problem.samples) > 0.0);
    let Some(spec) = noisy.or(experiment.dynamics.first()) else {
        return Err(Failure::input("the experiment has no dynamics"));
    };
    let dynamics = &spec.dynamics;
    let batch_size = match dynamics.kind {
        Kind::StochasticGradientFlow { batch_size, .. }
        | Kind::StochasticGradientDescent { batch_size, .. } => batch_size,
        Kind::LabelNoiseGradientDescent { .. } => problem.samples,
        Kind::GradientFlow | Kind::GradientDescent => 1,
    };
    Ok(Setting {
        words: format!(
            "{}: {}, width {}, η = {}, δ = {}, b = {batch_size} as in {}",
            quoted(&experiment.name),
            prepared.known.problem.data,
            prepared.setup.width,
            dynamics.step_size,
            dynamics.label_noise,
            quoted(&spec.label)
        ),
        problem,
        initialisation: prepared.setup.initialisation,
        width: prepared.setup.width,
        seed: prepared.setup.seed,
        step_size: dynamics.step_size,
        label_noise: dynamics.label_noise,
        batch_size,
        of_the_paper: false,
    })
}

/// Reads or draws the data, with their rows where there are any and they fit into memory.
fn with_rows(experiment: &Experiment) -> Result<Prepared, Failure> {
    let mut keeping = experiment.clone();
    keeping.dynamics.push(DynamicsSpec {
        label: "rows".into(),
        dynamics: Dynamics {
            kind: Kind::StochasticGradientDescent {
                batch_size: 1,
                sampling: Sampling::WithReplacement,
                distribution: LabelNoise::Gaussian,
            },
            step_size: 1.0,
            label_noise: 0.0,
        },
        time_step: 1.0,
        automatic_time_step: false,
    });
    let reading_gram = matches!(experiment.data, crate::experiment::DataSpec::Gram(_));
    match preparation::prepare(&mut keeping) {
        Ok(prepared) if !reading_gram => Ok(prepared),
        _ => preparation::prepare(&mut experiment.clone()),
    }
}

struct Interruptible;

impl Watch for Interruptible {
    fn interrupted(&self) -> bool {
        interruption::requested()
    }
}

/// One run of `verify`.
struct Session<'a> {
    arguments: &'a VerifyArguments,
    out: &'a Path,
    suite: Suite<'a>,
    setting: &'a Setting,
    level: Level,
    started: Instant,
}

impl Session<'_> {
    fn run(&self, chosen: &[&'static Claim]) -> Result<(), Failure> {
        let spinner = self.spinner();
        let mut findings = Vec::new();
        self.row(&spinner, &heading())?;
        for (place, claim) in chosen.iter().enumerate() {
            spinner.set_message(format!("{} ({} of {})", claim.id, place + 1, chosen.len()));
            let threads = threads(self.arguments);
            match self.suite.find(claim, self.level, threads, &Interruptible) {
                Ok(finding) => {
                    self.row(&spinner, &row(&finding))?;
                    findings.push(finding);
                    self.write_record(&findings)?;
                }
                Err(Stop::Interrupted | Stop::Unmeasured(_)) => {
                    spinner.finish_and_clear();
                    self.write(&findings)?;
                    let shown = shown_path(self.out);
                    let done = findings.len();
                    return Err(Failure::interrupted(format!(
                        "interrupted after {done} of {} claims; what was found is in {shown}",
                        chosen.len()
                    )));
                }
            }
        }
        spinner.finish_and_clear();
        self.write(&findings)?;
        self.finish(&findings)
    }

    fn spinner(&self) -> ProgressBar {
        let shown = !self.arguments.quiet && std::io::stderr().is_terminal();
        let target = if shown {
            ProgressDrawTarget::stderr_with_hz(5)
        } else {
            ProgressDrawTarget::hidden()
        };
        let spinner = ProgressBar::with_draw_target(None, target);
        spinner.enable_steady_tick(Duration::from_millis(200));
        spinner
    }

    fn row(&self, spinner: &ProgressBar, text: &str) -> Result<(), Failure> {
        if self.arguments.json {
            return Ok(());
        }
        spinner.suspend(|| crate::print(text))
    }

    /// Prints what remains to be said, and fails if a claim did.
    fn finish(&self, findings: &[Finding]) -> Result<(), Failure> {
        let record = self.record(findings);
        if self.arguments.json {
            crate::print(&json(&record)?)?;
        } else {
            crate::print(&closing(findings, self.out))?;
        }
        let failed: Vec<&str> = findings
            .iter()
            .filter(|f| f.verdict == Verdict::Fails)
            .map(|f| f.claim.id)
            .collect();
        match failed.len() {
            0 => Ok(()),
            1 => Err(Failure::run(format!("the claim {} fails", failed[0]))),
            count => Err(Failure::run(format!(
                "{count} claims fail: {}",
                failed.join(", ")
            ))),
        }
    }

    fn record(&self, findings: &[Finding]) -> ClaimsRecord {
        ClaimsRecord {
            schema: CLAIMS_SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: self.setting.seed,
            level: self.level.words().to_owned(),
            setting: self.setting.words.clone(),
            command: self.command(),
            family_wise_rate: FAMILY_WISE_RATE,
            comparisons: self.suite.comparisons() as u64,
            seconds: self.started.elapsed().as_secs_f64(),
            claims: findings.iter().map(claim_record).collect(),
        }
    }

    /// What repeats it.
    fn command(&self) -> String {
        let mut words = vec!["rankfall verify".to_owned()];
        words.extend(self.arguments.experiment.as_deref().map(shown_path));
        words.push(format!(
            "--level {} --seed {}",
            self.level.words(),
            self.setting.seed
        ));
        words.extend(self.arguments.only.iter().map(|id| format!("--only {id}")));
        words.join(" ")
    }

    fn write_record(&self, findings: &[Finding]) -> Result<(), Failure> {
        let text = json(&self.record(findings))?;
        write_into(&self.out.join(CLAIMS), text.as_bytes())
    }

    fn write(&self, findings: &[Finding]) -> Result<(), Failure> {
        self.write_record(findings)?;
        let page = claims_page(&self.record(findings));
        write_into(&self.out.join(REPORT), page.as_bytes())
    }
}

fn threads(arguments: &VerifyArguments) -> usize {
    let available = || std::thread::available_parallelism().map_or(1, usize::from);
    arguments.threads.map_or_else(available, usize::from)
}

fn json(record: &ClaimsRecord) -> Result<String, Failure> {
    serde_json::to_string_pretty(record)
        .map(|text| text + "\n")
        .map_err(|error| Failure::run(format!("cannot write the claims as JSON: {error}")))
}

fn longest_id() -> usize {
    claims::ALL.iter().map(|c| c.id.len()).max().unwrap_or(0)
}

fn columns(cells: [&str; 6]) -> String {
    let widths = [longest_id(), 14, 12, 12, 26, 8];
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        line += &format!("{cell:<width$}  ");
    }
    line.trim_end().to_owned() + "\n"
}

fn heading() -> String {
    columns([
        "claim",
        "verdict",
        "predicted",
        "measured",
        "interval",
        "seconds",
    ])
}

/// One claim in the table: its decisive comparison.
fn row(finding: &Finding) -> String {
    let seconds = fixed(finding.seconds, 1);
    let Some(judged) = finding.deciding() else {
        let cells = [
            finding.claim.id,
            finding.verdict.words(),
            "—",
            "—",
            "—",
            &seconds,
        ];
        return columns(cells);
    };
    let comparison = &judged.comparison;
    let [low, high] = judged.interval.map(|x| significant(x, 4));
    let interval = match judged.p_value {
        Some(_) => format!("[{low}, {high}]"),
        None => "to rounding".to_owned(),
    };
    columns([
        finding.claim.id,
        finding.verdict.words(),
        &significant(comparison.prediction, 4),
        &significant(comparison.measured.value(), 4),
        &interval,
        &seconds,
    ])
}

/// Why claims did not hold, how many did, and where the rest is.
fn closing(findings: &[Finding], out: &Path) -> String {
    let mut text = String::from("\n");
    for finding in findings.iter().filter(|f| f.verdict != Verdict::Holds) {
        text += &format!(
            "{} {}: {}\n",
            finding.claim.id,
            finding.verdict.words(),
            finding.reason
        );
    }
    let count = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    let shown = shown_path(out);
    text + &format!(
        "{} claims: {} hold, {} fail, {} cannot be told, {} do not apply; the page is {shown}/{REPORT}\n",
        findings.len(),
        count(Verdict::Holds),
        count(Verdict::Fails),
        count(Verdict::CannotTell),
        count(Verdict::DoesNotApply)
    )
}

/// JSON has no infinity; the ends of one-sided margins are the largest numbers there are.
fn end(value: f64) -> f64 {
    value.clamp(f64::MIN, f64::MAX)
}

fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn range(ends: [f64; 2]) -> Option<[f64; 2]> {
    (!ends[0].is_nan() && !ends[1].is_nan()).then(|| ends.map(end))
}

fn comparison_record(judged: &Judged) -> ComparisonRecord {
    let comparison = &judged.comparison;
    ComparisonRecord {
        what: comparison.what.clone(),
        prediction: known(comparison.prediction),
        measured: known(comparison.measured.value()),
        interval: judged.p_value.and_then(|_| range(judged.interval)),
        margin: range(comparison.margin),
        p_value: judged.p_value,
        verdict: judged.verdict.words().to_owned(),
    }
}

fn claim_record(finding: &Finding) -> ClaimRecord {
    let claim = finding.claim;
    let deciding = finding.deciding().map(comparison_record);
    ClaimRecord {
        id: claim.id.to_owned(),
        title: claim.title.to_owned(),
        statement: claim.statement.to_owned(),
        source: claim.source.words().to_owned(),
        kind: claim.kind.words().to_owned(),
        alternative: claim.alternative.to_owned(),
        prediction: deciding.as_ref().and_then(|c| c.prediction),
        measured: deciding.as_ref().and_then(|c| c.measured),
        interval: deciding.as_ref().and_then(|c| c.interval),
        margin: deciding.as_ref().and_then(|c| c.margin),
        p_value: finding.p_value,
        verdict: finding.verdict.words().to_owned(),
        reason: finding.reason.clone(),
        seconds: finding.seconds,
        comparisons: finding.comparisons.iter().map(comparison_record).collect(),
        figure: finding.figure.as_ref().map(claim_figure),
    }
}

fn claim_figure(figure: &Figure) -> ClaimFigure {
    ClaimFigure {
        title: figure.title.clone(),
        caption: figure.caption.clone(),
        x_label: figure.x_label.clone(),
        y_label: figure.y_label.clone(),
        x_log: figure.x_log,
        y_log: figure.y_log,
        curves: figure.curves.iter().map(claim_curve).collect(),
    }
}

fn claim_curve(curve: &Curve) -> ClaimCurve {
    let [low, high] = match &curve.interval {
        Some([low, high]) => [Some(low.clone()), Some(high.clone())],
        None => [None, None],
    };
    ClaimCurve {
        label: curve.label.clone(),
        style: match curve.style {
            Style::Line => CurveStyle::Line,
            Style::Dashed => CurveStyle::Dashed,
            Style::Points => CurveStyle::Points,
        },
        x: curve.x.clone(),
        y: curve.y.clone(),
        low,
        high,
    }
}
