//! Rows per second and peak memory of reducing a large CSV and a large Parquet file to a Gram.
//!
//! `cargo run --release -p rankfall-data --example gram_rate -- ROWS COLUMNS [FOLDER]` writes both
//! files (the last column is the target), reads each in a process of its own, and removes them.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use parquet::basic::Compression;
use parquet::data_type::DoubleType;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use rankfall_data::{FileSpec, RowSource, load};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["read", how, path, target] => read(how, path, target.parse()?),
        [rows, columns] => measure(rows.parse()?, columns.parse()?, &std::env::temp_dir()),
        [rows, columns, folder] => measure(rows.parse()?, columns.parse()?, Path::new(folder)),
        _ => Err("usage: gram_rate ROWS COLUMNS [FOLDER]".into()),
    }
}

fn measure(rows: usize, columns: usize, folder: &Path) -> Result<()> {
    if rows == 0 || columns < 2 {
        return Err("at least one row and two columns are needed".into());
    }
    let file = |name: &str| folder.join(format!("gram-rate-{}.{name}", std::process::id()));
    for path in [file("csv"), file("parquet")] {
        let written = if path.extension().is_some_and(|e| e == "csv") {
            write_csv(&path, rows, columns)
        } else {
            write_parquet(&path, rows, columns)
        };
        let measured = written.and_then(|()| read_all_ways(&path, rows, columns));
        std::fs::remove_file(&path)?;
        measured?;
    }
    Ok(())
}

/// Peak memory is that of a process, so each way of reading gets its own.
fn read_all_ways(path: &Path, rows: usize, columns: usize) -> Result<()> {
    let megabytes = std::fs::metadata(path)?.len() as f64 / 1e6;
    println!("{}: {rows} x {columns}, {megabytes:.0} MB", path.display());
    for how in ["bytes", "parse", "gram", "load"] {
        let target = (columns - 1).to_string();
        let status = Command::new(std::env::current_exe()?)
            .args(["read", how])
            .arg(path)
            .arg(target)
            .status()?;
        if !status.success() {
            return Err(format!("reading for {how} failed").into());
        }
    }
    Ok(())
}

fn read(how: &str, path: &str, target: usize) -> Result<()> {
    let mut spec = FileSpec::new(path);
    spec.targets = Some(vec![target.into()]);
    let start = Instant::now();
    let (rows, what) = match how {
        "bytes" => (read_bytes(path)?, "lines or bytes counted, no parsing"),
        "parse" => (parse(&spec)?, "rows parsed, no products"),
        "gram" => (reduce(&spec)?, "rows reduced to a Gram"),
        _ => (
            load(&spec)?.rows,
            "load(): reduced, and hashed by a second thread",
        ),
    };
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "  {:>6.2} s  {:>6.2} million/s  peak {:>6.1} MB  {what}",
        seconds,
        rows as f64 / seconds / 1e6,
        peak_megabytes()
    );
    Ok(())
}

fn read_bytes(path: &str) -> Result<u64> {
    use std::io::Read;
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 18];
    let (mut lines, mut bytes) = (0, 0);
    loop {
        let got = file.read(&mut buffer)?;
        if got == 0 {
            return Ok(if path.ends_with("csv") { lines } else { bytes });
        }
        lines += buffer[..got].iter().filter(|&&byte| byte == b'\n').count() as u64;
        bytes += got as u64;
    }
}

fn parse(spec: &FileSpec) -> Result<u64> {
    let mut source = RowSource::open(spec)?;
    let mut rows = 0;
    while let Some(chunk) = source.next_chunk()? {
        rows += std::hint::black_box(chunk).rows as u64;
    }
    Ok(rows)
}

fn reduce(spec: &FileSpec) -> Result<u64> {
    let mut source = RowSource::open(spec)?;
    let (p, k) = (source.inputs().len(), source.targets().len());
    let mut moments = rankfall_core::model::gram::GramAccumulator::new(p, k);
    while let Some(chunk) = source.next_chunk()? {
        moments.add_rows(chunk.x, chunk.y)?;
    }
    Ok(std::hint::black_box(moments.gram()).n)
}

/// Uniform numbers in [−1, 1) with all their digits, from a linear congruence.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

fn write_csv(path: &Path, rows: usize, columns: usize) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut numbers = Numbers(1);
    for _ in 0..rows {
        for column in 0..columns {
            let end = if column + 1 < columns { "," } else { "\n" };
            write!(file, "{}{end}", numbers.next())?;
        }
    }
    Ok(file.flush()?)
}

fn write_parquet(path: &PathBuf, rows: usize, columns: usize) -> Result<()> {
    let fields: String = (0..columns)
        .map(|column| format!("required double c{column}; "))
        .collect();
    let schema = Arc::new(parse_message_type(&format!("message rows {{ {fields} }}"))?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .build();
    let mut writer = SerializedFileWriter::new(File::create(path)?, schema, properties.into())?;
    let mut numbers = Numbers(1);
    let mut left = rows;
    while left > 0 {
        let take = left.min(1_000_000);
        let mut group = writer.next_row_group()?;
        while let Some(mut column) = group.next_column()? {
            let values: Vec<f64> = (0..take).map(|_| numbers.next()).collect();
            column
                .typed::<DoubleType>()
                .write_batch(&values, None, None)?;
            column.close()?;
        }
        group.close()?;
        left -= take;
    }
    writer.close()?;
    Ok(())
}

/// Peak resident memory of this process, where the system tells.
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes * 1024.0 / 1e6)
}
