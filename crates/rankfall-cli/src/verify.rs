//! `rankfall verify`: claims measured one by one, a table on the way, a record and a page at the
//! end.

mod progress;
mod table;

use crate::arguments::verify::{ClaimSuite, Effort, VerifyArguments};
use crate::interruption;
use progress::ClaimBar;
use rankfall::experiment::Experiment;
use rankfall::failure::{Failure, quoted, shown_path};
use rankfall::run_folder::lock::FolderLock;
use rankfall::run_folder::{REPORT, atomic};
use rankfall::verification::{self, Laboratory, claim_record, claims_record, nearest_claim};
use rankfall_evidence::bench::{Supervisor, seed_of};
use rankfall_evidence::{
    Claim, Finding, Level, Stop, Subject, Suite, Verdict, Verification, claims,
};
use rankfall_report::claims::ClaimsRecord;
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
/// Exit code 1 where a claim fails or something cannot be written, 2 for wrong input, 130 where it
/// was interrupted; what was found until then is kept.
pub fn verify(arguments: &VerifyArguments) -> Result<(), Failure> {
    verification::named(&arguments.only).map_err(|failure| say_list(failure, &arguments.only))?;
    if arguments.list && arguments.experiment.is_none() {
        let asked = asked(arguments, arguments.suite.or(Some(ClaimSuite::Exact)))?;
        return crate::print(&table::listed(&asked));
    }
    let out = out_folder(arguments);
    if !arguments.list {
        check_folder(&out)?;
    }
    let read = |path: &PathBuf| Experiment::load(path, &[]);
    let experiment = arguments.experiment.as_ref().map(read).transpose()?;
    let subject = verification::subject(experiment.as_ref(), arguments.seed)?;
    let asked = asked_of(arguments, &subject)?;
    if arguments.list {
        return crate::print(&table::listed(&asked));
    }
    interruption::listen()?;
    interruption::let_finish();
    let (level, threads) = (level(arguments.level), threads(arguments));
    let verification = Verification::new(
        &subject,
        level,
        threads,
        &Interruptible,
        &Laboratory(&Interruptible),
    );
    fs::create_dir_all(&out).map_err(|error| {
        let message = format!("cannot make the folder {}: {error}", shown_path(&out));
        Failure::input(message).hint("name another one with --out")
    })?;
    let _held = FolderLock::take(&out)?;
    let session = Session {
        arguments,
        out: &out,
        setting: setting_words(arguments, &subject),
        verification: &verification,
        asked: &asked,
        width: progress::columns_of_stdout(),
        started: Instant::now(),
    };
    session.run()
}

/// What claims are tested on, in words.
fn setting_words(arguments: &VerifyArguments, subject: &Subject) -> String {
    match (arguments.suite, &arguments.experiment) {
        (Some(ClaimSuite::Networks), None) => format!(
            "the bundled experiments on networks and small regressions of their own, with data, start and noise of the \
             seeds {}, {}, …; the numbers in the gallery are from seed 1",
            seed_of(subject.seed(), 0),
            seed_of(subject.seed(), 1)
        ),
        _ => subject.words().to_owned(),
    }
}

fn level(effort: Effort) -> Level {
    match effort {
        Effort::Quick => Level::Quick,
        Effort::Full => Level::Full,
    }
}

fn suite(of_arguments: ClaimSuite) -> Suite {
    match of_arguments {
        ClaimSuite::Exact => Suite::Exact,
        ClaimSuite::Networks => Suite::Networks,
    }
}

/// The claims of a suite that were asked for, or of both, in the order of the list.
fn asked(
    arguments: &VerifyArguments,
    of: Option<ClaimSuite>,
) -> Result<Vec<&'static Claim>, Failure> {
    let of_suite = |c: &&Claim| of.is_none_or(|of| c.suite == suite(of));
    let only = &arguments.only;
    if let Some(of) = of {
        let elsewhere = |c: &&Claim| !of_suite(c) && only.iter().any(|id| id == c.id);
        if let Some(claim) = claims::ALL.iter().find(elsewhere) {
            let failure = Failure::input(format!("there is no claim {}", quoted(claim.id)));
            let other = of.other().name();
            return Err(failure.hint(format!("it is one of --suite {other}")));
        }
    }
    let asked = |c: &&Claim| only.is_empty() || only.iter().any(|id| id == c.id);
    Ok(claims::ALL.iter().filter(of_suite).filter(asked).collect())
}

/// The same for what they are tested on: about a network given by its layers all are listed, those
/// that apply first.
fn asked_of(
    arguments: &VerifyArguments,
    subject: &Subject,
) -> Result<Vec<&'static Claim>, Failure> {
    let is_network = matches!(subject, Subject::Network(_));
    let of = match arguments.suite {
        None if !is_network => Some(ClaimSuite::Exact),
        given => given,
    };
    let mut asked = asked(arguments, of)?;
    let (Some(path), Some(of)) = (&arguments.experiment, of) else {
        asked.sort_by_key(|claim| subject.comparisons(claim).is_err());
        return Ok(asked);
    };
    match (of, is_network) {
        (ClaimSuite::Networks, false) => {
            let message = format!(
                "claims about networks are tested on the bundled experiments and on networks given by layers, not on {}",
                shown_path(path)
            );
            Err(Failure::input(message)
                .hint("leave the file out, or leave out --suite networks for claims about it"))
        }
        (ClaimSuite::Exact, true) => {
            let message = format!(
                "claims of --suite exact are tested on two linear layers, not on {}",
                shown_path(path)
            );
            Err(Failure::input(message)
                .hint("leave the file out, or leave out --suite exact for claims about it"))
        }
        (ClaimSuite::Networks, true) => {
            asked.sort_by_key(|claim| subject.comparisons(claim).is_err());
            Ok(asked)
        }
        (ClaimSuite::Exact, false) => Ok(asked),
    }
}

/// Adds how to see the claims there are: of the suite that was meant, as far as one can tell.
fn say_list(failure: Failure, only: &[String]) -> Failure {
    let unknown = only.iter().find(|id| claims::named(id).is_none());
    let near = unknown.and_then(|id| nearest_claim(id));
    let option = match near.map(|claim| claim.suite) {
        Some(Suite::Networks) => ClaimSuite::Networks.option(),
        _ => "",
    };
    failure.hint(format!("rankfall verify{option} --list shows all of them"))
}

fn out_folder(arguments: &VerifyArguments) -> PathBuf {
    let name = match arguments.suite {
        Some(ClaimSuite::Networks) => "verify-networks",
        _ => "verify",
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

impl Supervisor for Interruptible {
    fn interrupted(&self) -> bool {
        interruption::requested()
    }
}

/// One run of `verify`.
struct Session<'a> {
    arguments: &'a VerifyArguments,
    out: &'a Path,
    /// What the claims are tested on, in words.
    setting: String,
    verification: &'a Verification<'a>,
    asked: &'a [&'static Claim],
    /// Of what is printed, in characters.
    width: usize,
    started: Instant,
}

impl Session<'_> {
    fn run(&self) -> Result<(), Failure> {
        let subject = self.verification.subject;
        let costs: Vec<f64> = self.asked.iter().map(|c| cost(c, subject)).collect();
        let bar = ClaimBar::new(&costs, self.arguments.quiet);
        let mut findings = Vec::new();
        self.row(&bar, &claims_heading(self.width))?;
        for (place, claim) in self.asked.iter().enumerate() {
            bar.start(place, claim.id);
            match self.verification.find(claim) {
                Ok(finding) => {
                    let lines = claim_lines(&claim_record(&finding), self.width);
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
                        self.asked.len()
                    )));
                }
            }
        }
        bar.finish();
        self.write(&findings)?;
        self.finish(&findings)
    }

    fn row(&self, bar: &ClaimBar, text: &str) -> Result<(), Failure> {
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
            setting: self.setting.clone(),
            command: self.command(),
            seconds: self.started.elapsed().as_secs_f64(),
            ..claims_record(self.verification, self.asked, findings)
        }
    }

    /// What repeats it.
    fn command(&self) -> String {
        let option = self.arguments.suite.map_or("", ClaimSuite::option);
        let mut words = vec![format!("rankfall verify{option}")];
        words.extend(self.arguments.experiment.as_deref().map(shown_path));
        words.push(format!(
            "--level {} --seed {}",
            self.verification.level.words(),
            self.verification.subject.seed()
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

/// Seconds of processor time at the quick level, roughly; only the time left is worked out from it.
fn cost(claim: &Claim, subject: &Subject) -> f64 {
    match claim.id {
        _ if subject.comparisons(claim).is_err() => 0.0,
        "step-determinant-sgd" | "extra-survivor" => 8.0,
        "repulsion" | "larger-step-size" | "larger-label-noise" | "label-noise-limit" => 3.0,
        "plain-doubles" | "strong-order" | "rank-deficient-teacher" => 2.0,
        "network-drift" => 20.0,
        id if id.starts_with("eigenvalue-") || id.starts_with("decay-rates") => 1.0,
        _ if claim.suite == Suite::Networks => 6.0,
        _ => 0.2,
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
