//! The page of `verify`: every claim with its verdict, its evidence and its picture.

use std::collections::HashSet;

use crate::claim_cells::CellNumbers;
use crate::claim_figure;
use crate::claims::{
    CANNOT_TELL, ClaimRecord, ClaimsRecord, ComparisonRecord, DOES_NOT_APPLY, FAILS, HOLDS,
};
use crate::html;
use crate::markup::escape;
use crate::number::{compact, count, significant};

/// The whole page. Everything that comes from the record is escaped; the page loads nothing.
#[must_use]
pub fn claims_page(record: &ClaimsRecord) -> String {
    let anchors = anchors(&record.claims);
    let mut page = html::open(&title(record));
    page.push_str(&opening(record));
    page.push_str(&verdicts(record, &anchors));
    for (claim, anchor) in record.claims.iter().zip(&anchors) {
        page.push_str(&section(record, claim, anchor));
    }
    page.push_str(&settings(record));
    page.push_str(&repeat(record));
    page.push_str(html::CLOSE);
    page
}

/// How many claims have each verdict, the known ones first; those that do not occur are left out.
pub fn tally(claims: &[ClaimRecord]) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = [HOLDS, FAILS, CANNOT_TELL, DOES_NOT_APPLY]
        .map(|verdict| (verdict.to_owned(), 0))
        .to_vec();
    for claim in claims {
        match counts.iter_mut().find(|(v, _)| *v == claim.verdict) {
            Some((_, n)) => *n += 1,
            None => counts.push((claim.verdict.clone(), 1)),
        }
    }
    counts.retain(|(_, n)| *n > 0);
    counts
}

/// A count of claims with its verdict in the right number: 3 hold, 1 fails.
pub fn tallied(verdict: &str, n: usize) -> String {
    match (verdict, n) {
        (HOLDS, 2..) => format!("{n} hold"),
        (FAILS, 2..) => format!("{n} fail"),
        (CANNOT_TELL, _) => format!("{n} cannot be told"),
        (DOES_NOT_APPLY, 2..) => format!("{n} do not apply"),
        _ => format!("{n} {verdict}"),
    }
}

fn title(record: &ClaimsRecord) -> String {
    format!("{} claims, tested", record.claims.len())
}

fn opening(record: &ClaimsRecord) -> String {
    let tally: String = tally(&record.claims)
        .iter()
        .map(|(verdict, n)| badge(verdict, &tallied(verdict, *n)) + " ")
        .collect();
    format!(
        "<h1>{}</h1>\n<p class=\"origin\">{}<br>rankfall {} · level {} · seed {} · {} s</p>\n\
         <p class=\"tally\">{tally}</p>\n\
         <p class=\"note\"><strong>Holds</strong>: the interval of the measurement lies inside the margin and the named \
         alternative is rejected. <strong>Fails</strong>: the interval lies outside the margin. Otherwise it \
         <strong>cannot</strong> be told from these data. Which claims are tested, how, and what would \
         have counted against them was fixed before. The chance that any true claim is called false is at most {} over all {} \
         comparisons.</p>\n\
         <nav><a href=\"#settings\">Settings</a> <a href=\"#repeat\">Repeat this</a></nav>\n",
        escape(&title(record)),
        escape(&record.setting),
        escape(&record.version),
        escape(&record.level),
        record.seed,
        significant(record.seconds, 2),
        percent(record.family_wise_rate),
        count(record.comparisons),
    )
}

fn percent(rate: f64) -> String {
    format!("{} %", compact(100.0 * rate, 3))
}

fn verdicts(record: &ClaimsRecord, anchors: &[String]) -> String {
    const NAMES: [&str; 7] = [
        "claim", "verdict", "claimed", "measured", "interval", "p", "kind",
    ];
    let row = |(claim, anchor): (&ClaimRecord, &String)| {
        let (title, id) = (escape(&claim.title), escape(&claim.id));
        let [claimed, measured, interval, p] = cells(&CellNumbers::from(claim));
        vec![
            format!("<a href=\"#{anchor}\">{title}</a><br><code>{id}</code>"),
            badge(&claim.verdict, &claim.verdict),
            claimed,
            measured,
            interval,
            p,
            escape(&claim.kind),
        ]
    };
    let rows: Vec<Vec<String>> = record.claims.iter().zip(anchors).map(row).collect();
    format!(
        "<h2 id=\"verdicts\">Verdicts</h2>\n{}{}",
        html::markup_table(&NAMES, &rows),
        columns(record)
    )
}

/// The numbers of a table, as markup.
fn cells(numbers: &CellNumbers) -> [String; 4] {
    let (claimed, measured) = (numbers.claimed(), numbers.measured());
    [claimed, measured, numbers.interval(), numbers.p_value()].map(|cell| escape(&cell))
}

/// What the columns are.
fn columns(record: &ClaimsRecord) -> String {
    let level = record.family_wise_rate / (2 * record.comparisons.max(1)) as f64;
    format!(
        "<dl class=\"facts\"><dt>Claimed</dt><dd>A prediction ± its margin, or a bound: where the truth must lie if the claim is \
         true. The margin is derived beforehand: rounding, or what an expansion leaves out.</dd>\
         <dt>Measured</dt><dd>The estimate. A claim may make several comparisons; the numbers are those of the decisive one, \
         which for a claim that holds is the one nearest to not holding.</dd>\
         <dt>Interval</dt><dd>Holds the truth in all comparisons at once but for a chance of {}. None (—) where nothing is left \
         to chance: an identity that holds to rounding, or a largest value over all paths.</dd>\
         <dt>p</dt><dd>The probability of an estimate as far outside what is claimed, or farther, if the claim is true; 1 where \
         the estimate lies inside. Small values speak against the claim. A claim has the smallest of its comparisons times their \
         number, and a comparison fails where its own is below {}. None where there is no interval.</dd></dl>\n",
        percent(record.family_wise_rate),
        significant(level, 2),
    )
}

/// A word on a coloured ground; the word alone says it all.
fn badge(verdict: &str, text: &str) -> String {
    let class = match verdict {
        HOLDS => "holds",
        FAILS => "fails",
        CANNOT_TELL => "unsure",
        _ => "other",
    };
    format!("<span class=\"badge {class}\">{}</span>", escape(text))
}

/// Names of the sections, unique and made of letters, digits and dashes.
fn anchors(claims: &[ClaimRecord]) -> Vec<String> {
    let mut taken = HashSet::new();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    claims
        .iter()
        .enumerate()
        .map(|(i, claim)| {
            let name: String = claim.id.chars().take(80).map(plain).collect();
            let mut anchor = format!("claim-{name}");
            if !taken.insert(anchor.clone()) {
                // Two dashes: no identifier that is given once ends like this by chance.
                anchor = format!("{anchor}--{}", i + 1);
                taken.insert(anchor.clone());
            }
            anchor
        })
        .collect()
}

fn section(record: &ClaimsRecord, claim: &ClaimRecord, anchor: &str) -> String {
    format!(
        "<section class=\"claim\" id=\"{anchor}\">\n<h2>{} {}</h2>\n<p class=\"statement\">{}</p>\n<p>{}</p>\n{}{}{}</section>\n",
        escape(&claim.title),
        badge(&claim.verdict, &claim.verdict),
        escape(&claim.statement),
        escape(&claim.reason),
        facts(claim),
        comparisons(&claim.comparisons),
        picture(record, claim, anchor),
    )
}

fn facts(claim: &ClaimRecord) -> String {
    let numbers = CellNumbers::from(claim);
    let mut facts = vec![
        ("Kind", claim.kind.clone()),
        ("Source", claim.source.clone()),
        ("Rejects", claim.alternative.clone()),
    ];
    if !numbers.is_empty() {
        facts.push(("Decided by", decisive(&numbers)));
    }
    facts.push(("Identifier", claim.id.clone()));
    facts.push(("Time", format!("{} s", significant(claim.seconds, 2))));
    facts.retain(|(_, text)| !text.is_empty());
    html::facts(&facts)
}

fn decisive(numbers: &CellNumbers) -> String {
    let parts = [
        ("claimed", numbers.claimed()),
        ("measured", numbers.measured()),
        ("interval", numbers.interval()),
        ("p =", numbers.p_value()),
    ];
    let given = parts.iter().filter(|(_, text)| text != "—");
    let words: Vec<String> = given.map(|(name, text)| format!("{name} {text}")).collect();
    words.join(", ").replace("p = <", "p <")
}

fn comparisons(all: &[ComparisonRecord]) -> String {
    const NAMES: [&str; 6] = [
        "comparison",
        "claimed",
        "measured",
        "interval",
        "p",
        "verdict",
    ];
    if all.is_empty() {
        return String::new();
    }
    let row = |one: &ComparisonRecord| {
        let [claimed, measured, interval, p] = cells(&CellNumbers::from(one));
        let verdict = badge(&one.verdict, &one.verdict);
        vec![escape(&one.what), claimed, measured, interval, p, verdict]
    };
    html::markup_table(&NAMES, &all.iter().map(row).collect::<Vec<_>>())
}

fn picture(record: &ClaimsRecord, claim: &ClaimRecord, anchor: &str) -> String {
    let Some(figure) = &claim.figure else {
        return String::new();
    };
    let origin = format!(
        "{} · level {} · seed {} · rankfall {}",
        claim.id, record.level, record.seed, record.version
    );
    match claim_figure::scene(figure, &origin) {
        Ok(scene) => html::figure(&format!("{anchor}-figure"), &scene, &figure.caption, ""),
        Err(skipped) => html::not_drawn(&figure.title, &skipped),
    }
}

fn settings(record: &ClaimsRecord) -> String {
    let rows = [
        ("Setting", record.setting.clone()),
        ("Level", record.level.clone()),
        ("Seed", record.seed.to_string()),
        ("Version", record.version.clone()),
        ("Layout of claims.json", record.schema.to_string()),
        (
            "Family-wise rate of false fails",
            format!("at most {}", percent(record.family_wise_rate)),
        ),
        ("Comparisons", count(record.comparisons)),
        ("Wall time", format!("{} s", significant(record.seconds, 3))),
    ];
    format!("<h2 id=\"settings\">Settings</h2>\n{}", html::facts(&rows))
}

fn repeat(record: &ClaimsRecord) -> String {
    format!(
        "<h2 id=\"repeat\">Repeat this</h2>\n<pre>{}</pre>\n<p class=\"note\">The same version and seed give the same \
         numbers on any machine and any number of threads.</p>\n",
        escape(&record.command),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(id: &str, verdict: &str) -> ClaimRecord {
        ClaimRecord {
            id: id.into(),
            title: String::new(),
            statement: String::new(),
            source: String::new(),
            kind: String::new(),
            alternative: String::new(),
            prediction: None,
            measured: None,
            interval: None,
            relation: None,
            margin: None,
            p_value: None,
            verdict: verdict.into(),
            reason: String::new(),
            seconds: 0.0,
            comparisons: vec![],
            figure: None,
        }
    }

    #[test]
    fn verdicts_are_counted_in_a_fixed_order() {
        let claims = ["cannot tell", "holds", "odd", "holds"].map(|v| claim("a", v));
        let words: Vec<String> = tally(&claims).iter().map(|(v, n)| tallied(v, *n)).collect();
        assert_eq!(words, ["2 hold", "1 cannot be told", "1 odd"]);
    }

    #[test]
    fn anchors_are_unique_and_plain() {
        let ids = ["rank", "rank", "\"><b>", "σ", "rank"];
        let names = anchors(&ids.map(|id| claim(id, HOLDS)));
        let unique: HashSet<_> = names.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{names:?}");
        assert_eq!(names[0], "claim-rank");
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        assert!(names.iter().all(|n| n.chars().all(plain)), "{names:?}");
    }
}
