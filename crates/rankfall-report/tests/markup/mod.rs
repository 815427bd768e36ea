//! A strict reader of the markup this crate writes: every element closed in its order, every
//! attribute quoted and given once, every ampersand an entity, no character that XML forbids.

/// Elements that HTML does not close.
const VOID: [&str; 2] = ["meta", "br"];
const ENTITIES: [&str; 5] = ["amp", "lt", "gt", "quot", "#39"];

/// Panics, naming the place, where `text` is not well formed.
pub fn check(name: &str, text: &str) {
    let allowed = |c: char| !c.is_control() || c == '\n' || c == '\t';
    assert!(text.chars().all(allowed), "{name}: a forbidden character");
    let mut open: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        content(name, &rest[..at], &open);
        let tag = &rest[at + 1..];
        let end = tag
            .find('>')
            .unwrap_or_else(|| panic!("{name}: <{}", head(tag)));
        element(name, &tag[..end], &mut open);
        rest = &tag[end + 1..];
    }
    assert!(open.is_empty(), "{name}: {open:?} never closed");
    assert!(
        rest.trim().is_empty(),
        "{name}: text after the end: {}",
        head(rest)
    );
}

fn head(text: &str) -> String {
    text.chars().take(80).collect()
}

fn content(name: &str, text: &str, open: &[String]) {
    // A style sheet is no markup.
    if open.last().is_some_and(|e| e == "style") {
        return;
    }
    assert!(!text.contains('>'), "{name}: a bare > in {}", head(text));
    entities(name, text);
}

fn entities(name: &str, text: &str) {
    for after in text.split('&').skip(1) {
        let entity = after.split(';').next().unwrap_or("");
        assert!(ENTITIES.contains(&entity), "{name}: &{}", head(after));
    }
}

fn element(name: &str, tag: &str, open: &mut Vec<String>) {
    if tag.starts_with("!DOCTYPE") {
        return;
    }
    if let Some(closed) = tag.strip_prefix('/') {
        assert_eq!(open.pop().as_deref(), Some(closed), "{name}");
        return;
    }
    let closes_itself = tag.ends_with('/');
    let tag = tag.trim_end_matches('/');
    let (element, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
    let plain = |c: char| c.is_ascii_alphanumeric();
    assert!(
        !element.is_empty() && element.chars().all(plain),
        "{name}: <{}",
        head(tag)
    );
    check_attributes(name, attributes);
    if !closes_itself && !VOID.contains(&element) {
        open.push(element.to_owned());
    }
}

fn check_attributes(name: &str, text: &str) {
    let mut seen = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, after) = rest
            .split_once("=\"")
            .unwrap_or_else(|| panic!("{name}: {}", head(rest)));
        let (value, after) = after
            .split_once('"')
            .unwrap_or_else(|| panic!("{name}: {}", head(rest)));
        assert!(!seen.contains(&key), "{name}: {key} twice");
        assert!(!value.contains('<'), "{name}: < in {key}");
        entities(name, value);
        seen.push(key);
        rest = after.trim_start();
    }
}
