//! `rankfall verify`: claims measured one by one, a table on the way, a record and a page at the
//! end.

mod progress;

use crate::arguments::verify::VerifyArguments;
use crate::interruption;
use progress::ClaimBar;
use rankfall::experiment::Experiment;
use rankfall::failure::{Failure, quoted, shell_word, shown_path};
use rankfall::run_folder::lock::FolderLock;
use rankfall::run_folder::{self, REPORT, atomic};
use rankfall::verification::{self, nearest_claim};
use rankfall_evidence::bench::seed_of;
use rankfall_evidence::{Claim, Subject, Suite, claims};
use rankfall_report::claims::{ClaimsRecord, FAILS};
use rankfall_report::{claim_lines, claims_closing, claims_heading, claims_page};
use std::fs;
use std::io::ErrorKind;
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
    let suite = arguments.suite.map(Suite::from);
    if arguments.list && arguments.experiment.is_none() {
        let asked = asked(&arguments.only, suite.or(Some(Suite::Exact)))?;
        return crate::print(&listed(&asked));
    }
    let out = out_folder(arguments.out.as_deref(), suite);
    if !arguments.list {
        check_folder(&out)?;
    }
    let read = |path: &PathBuf| Experiment::load(path, &[]);
    let experiment = arguments.experiment.as_ref().map(read).transpose()?;
    let subject = verification::subject(experiment.as_ref(), arguments.seed)?;
    let asked = asked_of(arguments, suite, &subject)?;
    if arguments.list {
        return crate::print(&listed(&asked));
    }
    interruption::listen()?;
    interruption::let_finish();
    fs::create_dir_all(&out).map_err(|error| {
        let message = format!("cannot make the folder {}: {error}", shown_path(&out));
        Failure::input(message).hint("name another one with --out")
    })?;
    let _held = FolderLock::take(&out)?;
    let session = Session {
        arguments,
        suite,
        out: &out,
        subject: &subject,
        width: progress::columns_of_stdout(),
        started: Instant::now(),
    };
    session.run(&asked)
}

/// All claims in words and symbols.
fn listed(chosen: &[&Claim]) -> String {
    let entry = |c: &&Claim| {
        format!(
            "{} ({}, {})\n  {}\n  {}\n  against: {}\n",
            c.id,
            c.strength.words(),
            c.provenance.words(),
            c.title,
            c.statement,
            c.alternative
        )
    };
    let entries: Vec<String> = chosen.iter().map(entry).collect();
    entries.join("\n")
}

/// The option that asks for a suite, after a blank; nothing for the one that is there without it.
fn option(suite: Option<Suite>) -> &'static str {
    match suite {
        Some(Suite::Networks) => " --suite networks",
        _ => "",
    }
}

/// The claims of a suite that were asked for, or of both, in the order of the list.
fn asked(only: &[String], of: Option<Suite>) -> Result<Vec<&'static Claim>, Failure> {
    let of_suite = |c: &&Claim| of.is_none_or(|of| c.suite == of);
    let is_named = |c: &&Claim| only.iter().any(|id| id == c.id);
    let elsewhere = |c: &&Claim| !of_suite(c) && is_named(c);
    if let Some(claim) = claims::ALL.iter().find(elsewhere) {
        let failure = Failure::input(format!("there is no claim {}", quoted(claim.id)));
        let other = claim.suite.name();
        return Err(failure.hint(format!("it is one of --suite {other}")));
    }
    let asked = |c: &&Claim| only.is_empty() || is_named(c);
    Ok(claims::ALL.iter().filter(of_suite).filter(asked).collect())
}

/// The same for what they are tested on: about a network given by its layers all are listed, those
/// that apply first.
fn asked_of(
    arguments: &VerifyArguments,
    suite: Option<Suite>,
    subject: &Subject,
) -> Result<Vec<&'static Claim>, Failure> {
    let is_network = matches!(subject, Subject::Network(_));
    let of = suite.or((!is_network).then_some(Suite::Exact));
    let mut asked = asked(&arguments.only, of)?;
    let of_file = arguments.experiment.as_ref().zip(of);
    if let Some((path, of)) = of_file
        && (of == Suite::Networks) != is_network
    {
        let tested = match of {
            Suite::Networks => {
                "claims about networks are tested on the bundled experiments and on networks given by layers"
            }
            Suite::Exact => "claims of --suite exact are tested on two linear layers",
        };
        let (shown, name) = (shown_path(path), of.name());
        let hint = format!("leave the file out, or leave out --suite {name} for claims about it");
        return Err(Failure::input(format!("{tested}, not on {shown}")).hint(hint));
    }
    if of_file.is_none_or(|(_, of)| of == Suite::Networks) {
        asked.sort_by_key(|claim| subject.comparisons(claim).is_err());
    }
    Ok(asked)
}

/// Adds how to see the claims there are: of the suite that was meant, as far as one can tell.
fn say_list(failure: Failure, only: &[String]) -> Failure {
    let unknown = only.iter().find(|id| claims::named(id).is_none());
    let near = unknown.and_then(|id| nearest_claim(id));
    let option = option(near.map(|claim| claim.suite));
    failure.hint(format!("rankfall verify{option} --list shows all of them"))
}

fn out_folder(given: Option<&Path>, suite: Option<Suite>) -> PathBuf {
    let name = match suite {
        Some(Suite::Networks) => "verify-networks",
        _ => "verify",
    };
    given.map_or_else(|| Path::new("runs").join(name), Path::to_owned)
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

/// One run of `verify`.
struct Session<'a> {
    arguments: &'a VerifyArguments,
    suite: Option<Suite>,
    out: &'a Path,
    subject: &'a Subject,
    /// Of what is printed, in characters.
    width: usize,
    started: Instant,
}

impl Session<'_> {
    fn run(&self, asked: &[&'static Claim]) -> Result<(), Failure> {
        let costs: Vec<f64> = asked.iter().map(|c| cost(c, self.subject)).collect();
        let bar = ClaimBar::new(&costs, self.arguments.quiet);
        self.row(&bar, &claims_heading(self.width))?;
        let (level, threads) = (
            self.arguments.level.into(),
            crate::threads(self.arguments.threads),
        );
        let found = |record: ClaimsRecord| {
            let last = record.claims.last();
            let lines = last.map_or_else(String::new, |claim| claim_lines(claim, self.width));
            self.row(&bar, &lines)?;
            self.write_record(&self.completed(record))
        };
        let (record, stopped) =
            verification::verify_telling(self.subject, asked, level, threads, &bar, found)?;
        let record = self.completed(record);
        self.write_record(&record)?;
        run_folder::write_into(self.out, REPORT, claims_page(&record).as_bytes())?;
        if stopped {
            let (shown, done) = (shown_path(self.out), record.claims.len());
            return Err(Failure::interrupted(format!(
                "interrupted after {done} of {} claims; what was found is in {shown}",
                asked.len()
            )));
        }
        self.finish(&record)
    }

    fn row(&self, bar: &ClaimBar, text: &str) -> Result<(), Failure> {
        if self.arguments.json {
            return Ok(());
        }
        bar.suspend(|| crate::print(text))
    }

    /// Prints what remains to be said, and fails if a claim did.
    fn finish(&self, record: &ClaimsRecord) -> Result<(), Failure> {
        if self.arguments.json {
            crate::print_json(&run_folder::json("the claims", record)?)?;
        } else {
            crate::print(&claims_closing(record, self.width))?;
            let shown = shown_path(self.out);
            crate::print(&format!("the page is {shown}/{REPORT}\n"))?;
        }
        let failed = record.claims.iter().filter(|claim| claim.verdict == FAILS);
        let failed: Vec<&str> = failed.map(|claim| claim.id.as_str()).collect();
        match failed.len() {
            0 => Ok(()),
            1 => Err(Failure::run(format!("the claim {} fails", failed[0]))),
            count => Err(Failure::run(format!(
                "{count} claims fail: {}",
                failed.join(", ")
            ))),
        }
    }

    /// With what the command line knows of it.
    fn completed(&self, record: ClaimsRecord) -> ClaimsRecord {
        ClaimsRecord {
            setting: self.setting_words(),
            command: self.command(&record),
            seconds: self.started.elapsed().as_secs_f64(),
            ..record
        }
    }

    /// What claims are tested on, in words.
    fn setting_words(&self) -> String {
        match (self.suite, &self.arguments.experiment) {
            (Some(Suite::Networks), None) => format!(
                "the bundled experiments on networks and small regressions of their own, with data, start and noise of the \
                 seeds {}, {}, …; the numbers in the gallery are from seed 1",
                seed_of(self.subject.seed(), 0),
                seed_of(self.subject.seed(), 1)
            ),
            _ => self.subject.words().to_owned(),
        }
    }

    /// What repeats it.
    fn command(&self, record: &ClaimsRecord) -> String {
        let mut words = vec![format!("rankfall verify{}", option(self.suite))];
        words.extend(self.arguments.experiment.as_deref().map(shell_word));
        let (level, seed) = (&record.level, record.seed);
        words.push(format!("--level {level} --seed {seed}"));
        words.extend(self.arguments.only.iter().map(|id| format!("--only {id}")));
        words.join(" ")
    }

    fn write_record(&self, record: &ClaimsRecord) -> Result<(), Failure> {
        let text = run_folder::json("the claims", record)?;
        run_folder::write_into(self.out, CLAIMS, text.as_bytes())
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
