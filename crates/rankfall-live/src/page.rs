//! The page: one file, with what it is told when it is loaded written into it.

use crate::protocol::PageState;
use rankfall::Failure;

/// Built from `page/src` by `npm run build` in `page`.
const PAGE: &str = include_str!("../page/dist/page.html");

/// Where the page is told how to begin.
const PLACE: &str = "\"START\"";

/// The page, told this. Inside a script element only `<` could end it, so that is written as JSON
/// can.
///
/// # Errors
/// Exit code 1 where it cannot be written as JSON.
pub fn page(start: &PageState) -> Result<String, Failure> {
    let told = serde_json::to_string(start)
        .map_err(|error| Failure::run(format!("cannot write the page: {error}")))?;
    let told = told
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    let (before, after) = PAGE
        .split_once(PLACE)
        .ok_or_else(|| Failure::run("the page has no place to begin"))?;
    Ok([before, &told, after].concat())
}

/// The page under a policy that lets it load nothing and talk to nobody but its server; `nonce`
/// marks its scripts.
pub fn with_nonce(page: &str, nonce: &str) -> String {
    page.replace("<script", &format!("<script nonce=\"{nonce}\""))
}

/// That policy.
pub fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data: blob:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}
