//! `rankfall verify`: claims measured one by one, a table on the way, a record and a page at the end.

mod exact;
mod networks;
mod progress;
mod record;
mod table;

use crate::arguments::{ClaimSuite, Effort, VerifyArguments};
use crate::interruption;
use progress::Bar;
use rankfall::experiment::nearest;
use rankfall::failure::{Failure, quoted, shown_path};
use rankfall::run_folder::lock::Held;
use rankfall::run_folder::{REPORT, atomic};
use rankfall_evidence::bench::Watch;
use rankfall_evidence::claim::{Heading, Stop};
use rankfall_evidence::decision::FAMILY_WISE_RATE;
use rankfall_evidence::{Finding, Level, Suite, Verdict};
use rankfall_report::claims::{CLAIMS_SCHEMA, ClaimsRecord};
use rankfall_report::{claim_lines, claims_closing, claims_heading, claims_page};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The record of a run of `verify`.
pub const CLAIMS: &str = "claims.json";

/// `rankfall verify`.
///
/// # Errors
/// Exit code 1 where a claim fails or something cannot be written, 2 for wrong input, 130 where it was
/// interrupted; what was found until then is kept.
pub fn verify(arguments: &VerifyArguments) -> Result<(), Failure> {
    let known = headings(arguments.suite);
    let asked = asked(arguments, &known)?;
    if arguments.list {
        return crate::print(&table::listed(&asked));
    }
    let out = out_folder(arguments);
    check_folder(&out)?;
    let hold = || {
        fs::create_dir_all(&out).map_err(|error| {
            let message = format!("cannot make the folder {}: {error}", shown_path(&out));
            Failure::input(message).hint("name another one with --out")
        })?;
        Held::take(&out)
    };
    let session = |frame: Frame| Session {
        arguments,
        out: &out,
        frame,
        level: level(arguments.level),
        width: progress::columns_of_stdout(),
        started: Instant::now(),
    };
    match arguments.suite {
        ClaimSuite::Exact => {
            let setting = exact::setting(arguments)?;
            let suite = Suite::new(&setting);
            interruption::listen()?;
            interruption::let_finish();
            let frame = Frame {
                seed: setting.seed,
                setting: setting.words.clone(),
                comparisons: suite.comparisons(),
            };
            let _held = hold()?;
            session(frame).run(&exact::tasks(&suite, &asked, arguments))
        }
        ClaimSuite::Networks => {
            networks::no_experiment(arguments)?;
            interruption::listen()?;
            interruption::let_finish();
            let laboratory = networks::Laboratory;
            let bench = networks::bench(&laboratory, arguments);
            let _held = hold()?;
            session(networks::frame(&bench)).run(&networks::tasks(&bench, &asked))
        }
    }
}

/// A claim ready to be measured.
struct Task<'a> {
    id: &'static str,
    /// About how long it takes, in units of any kind; only the time left is worked out from it.
    cost: f64,
    find: Box<dyn Fn() -> Result<Finding, Stop> + 'a>,
}

/// What a run of `verify` says of all its claims.
struct Frame {
    seed: u64,
    /// What they are tested on, in words.
    setting: String,
    /// How many comparisons share the family-wise rate.
    comparisons: usize,
}

fn headings(suite: ClaimSuite) -> Vec<Heading> {
    match suite {
        ClaimSuite::Exact => exact::headings(),
        ClaimSuite::Networks => networks::headings(),
    }
}

fn level(effort: Effort) -> Level {
    match effort {
        Effort::Quick => Level::Quick,
        Effort::Full => Level::Full,
    }
}

/// The claims that were asked for, in the order of the list.
fn asked(arguments: &VerifyArguments, known: &[Heading]) -> Result<Vec<Heading>, Failure> {
    let only = &arguments.only;
    let names: Vec<&str> = known.iter().map(|c| c.id).collect();
    if let Some(unknown) = only.iter().find(|id| !names.contains(&id.as_str())) {
        return Err(no_such_claim(unknown, arguments.suite, &names));
    }
    let asked = |c: &&Heading| only.is_empty() || only.iter().any(|id| id == c.id);
    Ok(known.iter().filter(asked).copied().collect())
}

fn no_such_claim(unknown: &str, suite: ClaimSuite, names: &[&str]) -> Failure {
    let failure = Failure::input(format!("there is no claim {}", quoted(unknown)));
    let other = suite.other();
    if headings(other).iter().any(|c| c.id == unknown) {
        return failure.hint(format!("it is one of --suite {}", other.name()));
    }
    let failure = match nearest(unknown, names) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure,
    };
    let option = suite.option();
    failure.hint(format!("rankfall verify{option} --list shows all of them"))
}

fn out_folder(arguments: &VerifyArguments) -> PathBuf {
    let name = match arguments.suite {
        ClaimSuite::Exact => "verify",
        ClaimSuite::Networks => "verify-networks",
    };
    let default = || Path::new("runs").join(name);
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
    frame: Frame,
    level: Level,
    /// Of what is printed, in characters.
    width: usize,
    started: Instant,
}

impl Session<'_> {
    fn run(&self, tasks: &[Task]) -> Result<(), Failure> {
        let costs: Vec<f64> = tasks.iter().map(|task| task.cost).collect();
        let bar = Bar::new(&costs, self.arguments.quiet);
        let mut findings = Vec::new();
        self.row(&bar, &claims_heading(self.width))?;
        for (place, task) in tasks.iter().enumerate() {
            bar.start(place, task.id);
            match (task.find)() {
                Ok(finding) => {
                    let lines = claim_lines(&record::claim_record(&finding), self.width);
                    self.row(&bar, &lines)?;
                    findings.push(finding);
                    self.write_record(&findings)?;
                }
                Err(Stop::Interrupted | Stop::Unmeasured(_)) => {
                    bar.finish();
                    self.write(&findings)?;
                    let shown = shown_path(self.out);
                    let done = findings.len();
                    return Err(Failure::interrupted(format!(
                        "interrupted after {done} of {} claims; what was found is in {shown}",
                        tasks.len()
                    )));
                }
            }
        }
        bar.finish();
        self.write(&findings)?;
        self.finish(&findings)
    }

    fn row(&self, bar: &Bar, text: &str) -> Result<(), Failure> {
        if self.arguments.json {
            return Ok(());
        }
        bar.suspend(|| crate::print(text))
    }

    /// Prints what remains to be said, and fails if a claim did.
    fn finish(&self, findings: &[Finding]) -> Result<(), Failure> {
        let record = self.record(findings);
        if self.arguments.json {
            crate::print_json(&json(&record)?)?;
        } else {
            crate::print(&claims_closing(&record, self.width))?;
            let shown = shown_path(self.out);
            crate::print(&format!("the page is {shown}/{REPORT}\n"))?;
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
            seed: self.frame.seed,
            level: self.level.words().to_owned(),
            setting: self.frame.setting.clone(),
            command: self.command(),
            family_wise_rate: FAMILY_WISE_RATE,
            comparisons: self.frame.comparisons as u64,
            seconds: self.started.elapsed().as_secs_f64(),
            claims: findings.iter().map(record::claim_record).collect(),
        }
    }

    /// What repeats it.
    fn command(&self) -> String {
        let option = self.arguments.suite.option();
        let mut words = vec![format!("rankfall verify{option}")];
        words.extend(self.arguments.experiment.as_deref().map(shown_path));
        words.push(format!(
            "--level {} --seed {}",
            self.level.words(),
            self.frame.seed
        ));
        words.extend(self.arguments.only.iter().map(|id| format!("--only {id}")));
        words.join(" ")
    }

    fn write_record(&self, findings: &[Finding]) -> Result<(), Failure> {
        let text = json(&self.record(findings))?;
        self.write_file(CLAIMS, text.as_bytes())
    }

    fn write(&self, findings: &[Finding]) -> Result<(), Failure> {
        self.write_record(findings)?;
        let page = claims_page(&self.record(findings));
        self.write_file(REPORT, page.as_bytes())
    }

    fn write_file(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        atomic::write_atomically(&self.out.join(name), |file| file.write_all(bytes)).map(|_| ())
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
