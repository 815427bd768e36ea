//! What kind of file this is, by its first bytes rather than its name.

use std::path::Path;

use crate::encoding::Encoding;
use crate::error::{DataError, DataErrorKind, empty, wrong};
use crate::open;
use crate::spec::{FileSpec, TableFormat};

/// Bytes looked at.
const HEAD: usize = 512;

/// First bytes of files that are not tables, and what they are called.
const OTHERS: [(&[u8], &str); 19] = [
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"\x89HDF", "an HDF5 file"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive (unpack it first)"),
    (b"BZh", "a bzip2 archive (unpack it first)"),
    (b"\xfd7zXZ", "an xz archive (unpack it first)"),
    (b"7z\xbc\xaf", "a 7z archive (unpack it first)"),
    (b"ARROW1", "an Arrow file (write it as Parquet)"),
    (b"FEA1", "a Feather file (write it as Parquet)"),
    (b"ORC", "an ORC file (write it as Parquet)"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
    (b"\x7fELF", "a program"),
];

/// How text that is no table starts, in lower case and after blanks, and what it is called.
const TEXTS: [(&[u8], &str); 12] = [
    (b"<!doctype html", WEB_PAGE),
    (b"<html", WEB_PAGE),
    (b"<head", WEB_PAGE),
    (b"<body", WEB_PAGE),
    (b"<script", WEB_PAGE),
    (b"<!--", WEB_PAGE),
    (b"<?xml", "an XML file"),
    (
        b"version https://git-lfs.github.com",
        "a Git LFS pointer (git lfs pull brings the file it stands for)",
    ),
    (
        b"/annex/objects/",
        "a git-annex pointer (git annex get brings the file it stands for)",
    ),
    (b"@relation", "an ARFF file (write it as CSV)"),
    (b"{\\rtf", "a document in rich text"),
    (b"{\"", "a JSON file (write it as CSV)"),
];
const WEB_PAGE: &str =
    "an HTML page (a web page, perhaps of a login or an error: download the file itself)";

/// What a file is that holds no table, by its first bytes: an image, a web page, a Git LFS pointer,
/// …
pub(crate) fn other_kind(head: &[u8]) -> Option<&'static str> {
    if let Some((_, name)) = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(name);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = text.trim_ascii_start();
    let text = text[..text.len().min(64)].to_ascii_lowercase();
    let found = TEXTS.iter().find(|(start, _)| text.starts_with(start));
    found.map(|(_, name)| *name)
}

/// A format, and whether gzip is wrapped around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sniffed {
    pub format: TableFormat,
    pub gzip: bool,
}

/// Finds the format of the file and holds it against the spec and the file's name.
///
/// # Errors
/// An empty file, bytes of another kind, and the system's.
pub(crate) fn sniff(spec: &FileSpec) -> Result<Sniffed, DataError> {
    let path = spec.path.as_path();
    let gzip = open::is_gzip(path)?;
    let head = open::head(path, gzip, HEAD)?;
    if head.is_empty() {
        return Err(empty().at(path));
    }
    let expected = spec.format.or_else(|| named_format(path));
    let format = match (kind(&head), expected) {
        (Ok(found), Some(expected)) if found != expected => {
            return Err(mismatch(found, expected, spec).at(path));
        }
        (Ok(found), _) => found,
        (Err(found), expected) => {
            let expected = expected.unwrap_or(TableFormat::Csv);
            return Err(wrong_kind(found, expected, "").at(path));
        }
    };
    if gzip && matches!(format, TableFormat::Npz | TableFormat::Parquet) {
        let cure = format!("a {format} file inside gzip cannot be read; gunzip it first");
        return Err(wrong(cure).at(path));
    }
    Ok(Sniffed { format, gzip })
}

/// The format that the first bytes are of, or what else they are.
fn kind(head: &[u8]) -> Result<TableFormat, &'static str> {
    if head.starts_with(b"\x93NUMPY") {
        return Ok(TableFormat::Npy);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(TableFormat::Npz);
    }
    if head.starts_with(b"PAR1") || head.starts_with(b"PARE") {
        return Ok(TableFormat::Parquet);
    }
    if let Some(name) = other_kind(head) {
        return Err(name);
    }
    // UTF-16 is full of zero bytes too.
    if head.contains(&0) && Encoding::of(head).0 == Encoding::Utf8 {
        return Err("binary data of an unknown kind");
    }
    Ok(TableFormat::Csv)
}

/// The format that the file's name promises, if any.
fn named_format(path: &Path) -> Option<TableFormat> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "csv" | "tsv" | "tab" | "txt" | "dat" => Some(TableFormat::Csv),
        "npy" => Some(TableFormat::Npy),
        "npz" => Some(TableFormat::Npz),
        "parquet" | "pq" => Some(TableFormat::Parquet),
        _ => None,
    }
}

fn mismatch(found: TableFormat, expected: TableFormat, spec: &FileSpec) -> DataErrorKind {
    let found_name = match found {
        TableFormat::Csv => "text",
        TableFormat::Npy => "an NPY array",
        TableFormat::Npz => "a ZIP archive",
        TableFormat::Parquet => "a Parquet file",
    };
    let cure = match spec.format {
        Some(_) => format!(" as the format asked for; leave the format out, or ask for {found}"),
        None => format!(" as its name says; rename it so that its name says {found}"),
    };
    wrong_kind(found_name, expected, &cure)
}

/// Format found against format asked for.
fn wrong_kind(found: &str, expected: TableFormat, cure: &str) -> DataErrorKind {
    let expected = match expected {
        TableFormat::Csv => "of a CSV or other text",
        TableFormat::Npy => "of an NPY array",
        TableFormat::Npz => "of an NPZ archive",
        TableFormat::Parquet => "of a Parquet file",
    };
    wrong(format!(
        "the first bytes are those of {found}, not {expected}{cure}"
    ))
}
