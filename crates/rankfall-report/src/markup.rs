//! Text made safe for XML and HTML.

/// `text` with the characters that markup gives a meaning replaced, fit for elements and for
/// attributes in double quotes. Characters that XML 1.0 does not allow are left out, and those that
/// change the order of reading, or cannot be seen, are written as `\u{…}`: a label that came with
/// somebody's data must not make the text around it read as something else.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            _ if c.is_control() => {}
            _ if acts_unseen(c) => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

/// Whether a character turns the direction of text, or takes no room: bidirectional controls,
/// zero-width spaces, byte order marks, tags. Joiners are letters' business and stay.
fn acts_unseen(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_turns_the_direction_of_text_is_shown() {
        assert_eq!(escape("abc\u{202e}fed"), "abc\\u{202e}fed");
        assert_eq!(
            escape("\u{2066}a\u{2069}\u{feff}"),
            "\\u{2066}a\\u{2069}\\u{feff}"
        );
        assert_eq!(escape("می\u{200c}خواهم ☃"), "می\u{200c}خواهم ☃");
    }

    #[test]
    fn markup_becomes_text() {
        assert_eq!(escape("<script>\"&'"), "&lt;script&gt;&quot;&amp;&#39;");
    }

    #[test]
    fn characters_outside_xml_are_dropped() {
        assert_eq!(escape("a\u{0}\u{1b}b\nc\u{ffff}"), "ab\nc");
    }
}
