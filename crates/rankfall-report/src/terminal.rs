//! Tables and paragraphs for a terminal: aligned, cut and wrapped by characters.

/// Columns of text under their headings, the first line of `lines`, and a rule, in pieces no wider
/// than `width`, each with the first column, the names, in front, cut to `longest`. Whatever is in
/// the cells, a terminal has nothing to obey.
#[must_use]
pub fn pieces(lines: &[Vec<String>], longest: usize, width: usize) -> Vec<String> {
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |line: &Vec<String>, c: usize| {
        let most = if c == 0 { longest } else { width - longest - 2 };
        cut(&plain(line.get(c).map_or("", String::as_str)), most)
    };
    let size = |c: usize| {
        let sizes = lines.iter().map(|line| length(&cell(line, c)));
        sizes.max().unwrap_or(0)
    };
    let mut pieces: Vec<Vec<usize>> = vec![vec![0]];
    let mut used = size(0);
    for c in 1..count {
        if used + 2 + size(c) > width {
            pieces.push(vec![0]);
            used = size(0);
        }
        used += 2 + size(c);
        pieces.last_mut().expect("there is a first").push(c);
    }
    let piece = |places: &Vec<usize>| {
        let widths: Vec<usize> = places.iter().map(|&c| size(c)).collect();
        let cells = |line| places.iter().map(|&c| cell(line, c)).collect();
        let mut shown: Vec<Vec<String>> = lines.iter().map(cells).collect();
        let rule = widths.iter().map(|w| "─".repeat(*w)).collect();
        shown.insert(shown.len().min(1), rule);
        let lines = shown.iter().map(|line| aligned(line, &widths, 1));
        lines.collect()
    };
    pieces.iter().map(piece).collect()
}

/// A line of cells: the first `names` of them set to the left, the others, numbers, to the right.
/// It does not end in blanks.
#[must_use]
pub fn aligned<S: AsRef<str>>(cells: &[S], widths: &[usize], names: usize) -> String {
    let mut line = String::new();
    for (c, (cell, width)) in cells.iter().map(AsRef::as_ref).zip(widths).enumerate() {
        let blanks = " ".repeat(width.saturating_sub(length(cell)));
        line.push_str(if c == 0 { "" } else { "  " });
        if c < names {
            line.push_str(cell);
            line.push_str(&blanks);
        } else {
            line.push_str(&blanks);
            line.push_str(cell);
        }
    }
    format!("{}\n", line.trim_end())
}

/// Characters of a text.
#[must_use]
pub fn length(text: &str) -> usize {
    text.chars().count()
}

/// `text` cut to `most` characters, with an ellipsis as the last of them where something is
/// missing.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if length(text) <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A label of a run could hold anything; a terminal must not obey it. Thin spaces become plain.
#[must_use]
pub fn plain(text: &str) -> String {
    text.replace('\u{202f}', " ")
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

/// `text` in lines of at most `width` characters, all but the first indented; a word longer than a
/// line gets a line of its own.
#[must_use]
pub fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let needed = length(word);
        if used > indent && used + 1 + needed > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += needed;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_left_and_numbers_right() {
        let lines = [["claim", "value"], ["a", "10"], ["longer", "−1"]];
        let lines: Vec<Vec<String>> = lines
            .iter()
            .map(|l| l.map(str::to_owned).to_vec())
            .collect();
        assert_eq!(
            pieces(&lines, 20, 80),
            ["claim   value\n──────  ─────\na          10\nlonger     −1\n"]
        );
        assert_eq!(pieces(&[], 20, 80), ["\n"]);
    }

    #[test]
    fn lines_wrap_at_their_width() {
        assert_eq!(
            wrapped("one two three four", 9, 2),
            "one two\n  three\n  four\n"
        );
        assert_eq!(wrapped("", 9, 2), "\n");
        assert_eq!(wrapped("unbreakable word", 4, 0), "unbreakable\nword\n");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(plain("a\u{1b}[31m\nb\u{202f}c"), "a[31mb c");
        assert_eq!(cut("12345", 4), "123…");
        assert_eq!(cut("12345", 5), "12345");
        assert_eq!(cut("12345", 0), "…");
    }
}
