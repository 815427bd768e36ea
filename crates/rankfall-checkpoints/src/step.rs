//! At which step of training a checkpoint was written, from what it is called.

use std::path::Path;

/// The number after the word `step` (or `iter`, `checkpoint`, `epoch`) in the name of a file or,
/// where that has none, of its folder; else a number that the file's name ends with. `None` without
/// one.
pub fn of_path(path: &Path) -> Option<u64> {
    let text = |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().to_lowercase());
    // `model-00001-of-00002` and the like count files, not steps.
    let name = text(path.file_stem()).filter(|name| !name.contains("-of-"));
    let folder = text(path.parent().and_then(Path::file_name));
    let named = |text: &Option<String>| text.as_deref().and_then(after_a_word);
    let numbered = |text: &Option<String>| text.as_deref().and_then(last_number);
    named(&name)
        .or_else(|| named(&folder))
        .or_else(|| numbered(&name))
}

fn after_a_word(text: &str) -> Option<u64> {
    ["step", "iter", "ckpt", "checkpoint", "epoch"]
        .iter()
        .find_map(|word| {
            let (at, _) = text.match_indices(word).last()?;
            let rest = text[at + word.len()..].trim_start_matches(|c: char| c.is_alphabetic());
            let rest = rest.trim_start_matches(['-', '_', '=', '.', ' ']);
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            rest[..end].parse().ok()
        })
}

/// The last part of a name, where that is a number and not as long as a date or a checksum.
fn last_number(text: &str) -> Option<u64> {
    let last = text.rsplit(['_', '-', '=', '.', ' ']).next()?;
    let digits = last.len() <= 12 && last.chars().all(|c| c.is_ascii_digit());
    digits.then(|| last.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_from_names() {
        let of = |path: &str| of_path(Path::new(path));
        assert_eq!(of("runs/epoch=3-step=400.ckpt"), Some(400));
        assert_eq!(of("checkpoint-500/model.safetensors"), Some(500));
        assert_eq!(
            of("checkpoint-500/model-00001-of-00002.safetensors"),
            Some(500)
        );
        assert_eq!(of("a/step_00120.pt"), Some(120));
        assert_eq!(of("a/model_7.npz"), Some(7));
        assert_eq!(of("a/model.pt"), None);
        assert_eq!(of("mobilenet_v2-b0353104.pth"), None);
    }
}
