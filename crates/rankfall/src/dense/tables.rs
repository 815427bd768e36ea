//! From the `[data]` section to rows in the precision of the run: read, split, standardised.

use crate::experiment::{
    FileData, GaussianData, HeldOut, ImageData, ImageSource, InlineRows, RowData,
};
use crate::failure::{Failure, quoted, shown_path};
use crate::preparation::gaussian::{class_of_outputs, gaussian_words, recipe};
use crate::preparation::table::{data_notes, file_spec, of_data, scaled_targets_note};
use rankfall_core::model::dynamics::Sampling;
use rankfall_core::random::{Purpose, StreamKey};
use rankfall_core::step::batches::Batches;
use rankfall_data::{
    Bundled, DATA_FOLDER, DataError, Images, MnistFiles, Packaged, RowSource, read_cifar, read_idx,
    sha256_of, while_hashing,
};
use rankfall_nets::data::{Dataset, Targets};
use rankfall_nets::scalar::Real;
use std::path::{Path, PathBuf};

/// Rows that may be held in memory: 8 GiB of doubles.
const MOST_NUMBERS: u64 = 1 << 30;

/// Rows of inputs with their targets.
#[derive(Clone)]
struct Part<T> {
    inputs: usize,
    x: Vec<T>,
    targets: Targets<T>,
    /// What target values were divided by; empty where they were not.
    scales: Vec<f64>,
    /// The linear map that the targets were drawn from, inputs × targets by rows, where there is
    /// one.
    teacher: Option<Vec<f64>>,
}

impl<T> Part<T> {
    fn new(inputs: usize, x: Vec<T>, targets: Targets<T>) -> Self {
        Self {
            inputs,
            x,
            targets,
            scales: Vec::new(),
            teacher: None,
        }
    }
}

/// Data as they were found.
pub struct TrainingData<T> {
    /// To train on.
    pub train: Dataset<T>,
    /// Held out, if anything is.
    pub held_out: Option<Dataset<T>>,
    /// Where they came from, in words.
    pub words: String,
    /// What a reader must know of them.
    pub warnings: Vec<String>,
    /// Checksum of what was read.
    pub checksum: Option<String>,
}

/// What the readers of one kind leave.
struct Read<T> {
    train: Part<T>,
    held_out: Option<Part<T>>,
    words: String,
    /// Of each file that was read.
    sums: Vec<String>,
    /// What of the files was taken for something that it need not be.
    notes: Vec<String>,
    /// Names of targets that are values, for messages.
    targets: Vec<String>,
}

impl<T> Read<T> {
    fn new(train: Part<T>, held_out: Option<Part<T>>, words: String) -> Self {
        Self {
            train,
            held_out,
            words,
            sums: Vec::new(),
            notes: Vec::new(),
            targets: Vec::new(),
        }
    }
}

/// Reads or draws data that all trajectories share; `None` for a teacher network, which the engine
/// draws from itself.
///
/// # Errors
/// Exit code 2 for data that cannot be read or held.
pub fn find<T: Real>(data: &RowData, seed: u64) -> Result<Option<TrainingData<T>>, Failure> {
    let (read, inputs, targets) = match data {
        RowData::Teacher(_) => return Ok(None),
        RowData::Gaussian { data, held_out } => (gaussian(data, *held_out, seed)?, false, false),
        RowData::Rows(rows) => (written(rows), false, false),
        RowData::File { table, held_out } => {
            let read = file(table, held_out, seed)?;
            (read, table.standardize, table.standardize_targets)
        }
        RowData::Bundled(table) => {
            let read = bundled(table.name, table.held_out, seed)?;
            (read, table.standardize, table.standardize_targets)
        }
        RowData::Images(data) => (images(data)?, data.standardize, false),
    };
    finish(read, inputs, targets).map(Some)
}

/// Standardises inputs, and with them targets, where asked.
fn finish<T: Real>(
    mut read: Read<T>,
    inputs: bool,
    targets: bool,
) -> Result<TrainingData<T>, Failure> {
    let mut warnings = std::mem::take(&mut read.notes);
    if inputs {
        warnings.extend(scale(&mut read.train, read.held_out.as_mut(), targets));
        read.words.push_str(", standardised by the training rows");
        if targets {
            read.words.push_str(", targets too");
            warnings.push(scaled_targets_note(&read.targets, &read.train.scales));
        }
    }
    let checksum = match &read.sums[..] {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(sha256_of(many.join("\n").as_bytes())),
    };
    Ok(TrainingData {
        train: dataset(read.train)?,
        held_out: read.held_out.map(dataset).transpose()?,
        words: read.words,
        warnings,
        checksum,
    })
}

fn dataset<T: Real>(part: Part<T>) -> Result<Dataset<T>, Failure> {
    let data = Dataset::new(part.inputs, part.x, part.targets);
    let data = match part.scales.is_empty() {
        true => data,
        false => data.and_then(|data| data.with_target_scales(part.scales)),
    };
    let data = match part.teacher {
        None => data,
        Some(map) => data.map(|data| data.with_linear_teacher(map)),
    };
    data.map_err(|error| Failure::input(format!("`data`: {error}")))
}

/// Centres and scales every input by the training rows, and centres targets that are values,
/// scaling them too where asked. Names inputs that do not vary.
fn scale<T: Real>(
    train: &mut Part<T>,
    mut held_out: Option<&mut Part<T>>,
    targets: bool,
) -> Option<String> {
    let mut constant = 0;
    let p = train.inputs;
    for column in 0..p {
        let (mean, deviation) = moments(&train.x, p, column);
        // A deviation at the rounding of the mean is that of a constant.
        let varies = deviation > 8.0 * T::EPSILON * mean.abs();
        constant += usize::from(!varies);
        let factor = if varies { 1.0 / deviation } else { 0.0 };
        for part in std::iter::once(&mut *train).chain(held_out.as_deref_mut()) {
            for value in part.x.iter_mut().skip(column).step_by(p) {
                *value = T::of((value.to_f64() - mean) * factor);
            }
        }
    }
    if let Targets::Values { columns, values } = &train.targets {
        let (k, values) = (*columns, values.clone());
        for column in 0..k {
            let (mean, deviation) = moments(&values, k, column);
            let varies = deviation > 8.0 * T::EPSILON * mean.abs();
            let scale = if targets && varies { deviation } else { 1.0 };
            for part in std::iter::once(&mut *train).chain(held_out.as_deref_mut()) {
                if let Targets::Values { values, .. } = &mut part.targets {
                    for value in values.iter_mut().skip(column).step_by(k) {
                        *value = T::of((value.to_f64() - mean) / scale);
                    }
                    if targets {
                        part.scales.push(scale);
                    }
                }
            }
        }
    }
    (constant > 0).then(|| {
        format!(
            "{constant} of {p} inputs do not vary in the training rows; they are zero everywhere"
        )
    })
}

/// Mean and standard deviation (n) of a column.
fn moments<T: Real>(values: &[T], width: usize, column: usize) -> (f64, f64) {
    let of_column = || {
        values
            .iter()
            .skip(column)
            .step_by(width)
            .map(|v| v.to_f64())
    };
    let count = (values.len() / width).max(1) as f64;
    let mean = of_column().sum::<f64>() / count;
    let squares = of_column().fold(0.0, |sum, v| sum + (v - mean) * (v - mean));
    (mean, (squares / count).sqrt())
}

/// Refuses more numbers than may be held.
fn check_size(rows: u64, columns: usize) -> Result<(), Failure> {
    if rows.saturating_mul(columns as u64) <= MOST_NUMBERS {
        return Ok(());
    }
    Err(Failure::input(format!(
        "`data` has {rows} rows of {columns} numbers; at most 2^30 numbers are held in memory"
    ))
    .hint("fewer rows"))
}

fn convert<T: Real>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&v| T::of(v)).collect()
}

fn values<T: Real>(inputs: usize, x: &[f64], columns: usize, y: &[f64]) -> Part<T> {
    let values = convert(y);
    Part::new(inputs, convert(x), Targets::Values { columns, values })
}

fn gaussian<T: Real>(data: &GaussianData, held_out: u64, seed: u64) -> Result<Read<T>, Failure> {
    let (p, k) = (data.inputs, data.outputs);
    let all = data.samples + held_out;
    check_size(all, p + k)?;
    let mut synthetic = recipe(data);
    synthetic.samples = all;
    let drawn = synthetic.draw(seed, 0, true);
    let drawn = drawn.map_err(|error| Failure::input(error.to_string()))?;
    let rows = drawn
        .rows
        .ok_or_else(|| Failure::run("no rows were drawn"))?;
    let n = data.samples as usize;
    let (train_x, held_x) = rows.x.split_at(n * p);
    let (train_y, held_y) = rows.y.split_at(n * k);
    let teacher = &drawn.truth.teacher;
    let map = || {
        (0..p * k)
            .map(|place| teacher[(place / k, place % k)])
            .collect()
    };
    let part = |x: &[f64], y: &[f64]| match data.classes {
        false => values(p, x, k, y),
        true => Part {
            targets: Targets::Classes(
                y.chunks_exact(k)
                    .map(|row| class_of_outputs(row) as u32)
                    .collect(),
            ),
            ..values(p, x, k, y)
        },
    };
    let train = Part {
        teacher: (!data.classes).then(map),
        ..part(train_x, train_y)
    };
    let held_out = (held_out > 0).then(|| part(held_x, held_y));
    Ok(Read::new(train, held_out, gaussian_words(data)))
}

fn written<T: Real>(rows: &InlineRows) -> Read<T> {
    let width = |rows: &[Vec<f64>]| rows.first().map_or(0, Vec::len);
    let part = values(
        width(&rows.x),
        &rows.x.concat(),
        width(&rows.y),
        &rows.y.concat(),
    );
    let words = format!("{} rows written in the experiment file", rows.x.len());
    Read::new(part, None, words)
}

fn bundled<T: Real>(name: &str, held_out: u64, seed: u64) -> Result<Read<T>, Failure> {
    let found =
        Bundled::find(name).ok_or_else(|| Failure::run(format!("no data are called {name}")))?;
    let rows = found.rows().map_err(Failure::run)?;
    let part = match rows.classes {
        true => {
            let classes = rows.y.iter().map(|&c| c as u32).collect();
            Part::new(rows.inputs, convert(&rows.x), Targets::Classes(classes))
        }
        false => values(rows.inputs, &rows.x, rows.targets, &rows.y),
    };
    let (train, held_out) = split(part, held_out, seed)?;
    Ok(Read {
        sums: vec![rows.sha256],
        targets: (0..rows.targets).map(|b| format!("target {b}")).collect(),
        ..Read::new(train, held_out, format!("{name}: {}", found.about))
    })
}

/// Holds out rows chosen by the seed; both parts keep the order of the rows.
fn split<T: Real>(
    part: Part<T>,
    held: u64,
    seed: u64,
) -> Result<(Part<T>, Option<Part<T>>), Failure> {
    if held == 0 {
        return Ok((part, None));
    }
    let rows = (part.x.len() / part.inputs) as u64;
    if held >= rows {
        let message = format!("`data.held_out` is {held}, but there are only {rows} rows");
        return Err(Failure::input(message).hint("leave some rows to train on"));
    }
    let key = StreamKey::new(seed, Purpose::Inputs, 0);
    let mut chosen = Vec::new();
    Batches::new(Sampling::WithoutReplacement, rows, held, key, 0).choose(0, &mut chosen);
    let mut is_held = vec![false; rows as usize];
    chosen.iter().for_each(|&row| is_held[row as usize] = true);
    let of = |held: bool| pick_rows(&part, |row| is_held[row] == held);
    Ok((of(false), Some(of(true))))
}

fn pick_rows<T: Real>(part: &Part<T>, keep: impl Fn(usize) -> bool) -> Part<T> {
    let rows = part.x.len() / part.inputs;
    let kept: Vec<usize> = (0..rows).filter(|&row| keep(row)).collect();
    let gather = |values: &[T], width: usize| -> Vec<T> {
        let row = |&row: &usize| values[row * width..(row + 1) * width].iter().copied();
        kept.iter().flat_map(row).collect()
    };
    Part {
        inputs: part.inputs,
        x: gather(&part.x, part.inputs),
        targets: match &part.targets {
            Targets::Values { columns, values } => Targets::Values {
                columns: *columns,
                values: gather(values, *columns),
            },
            Targets::Classes(classes) => {
                Targets::Classes(kept.iter().map(|&row| classes[row]).collect())
            }
        },
        scales: part.scales.clone(),
        teacher: part.teacher.clone(),
    }
}

/// A table as read, with the source that its rows came from.
struct TableRead<T> {
    part: Part<T>,
    source: RowSource,
    /// Its checksum, once it is known.
    sum: String,
}

fn file<T: Real>(table: &FileData, held_out: &HeldOut, seed: u64) -> Result<Read<T>, Failure> {
    let first = read_table(table, &table.path, None)?;
    let words = format!("read from {}", shown_path(&table.path));
    let mut sums = vec![first.sum];
    let mut notes = data_notes(&table.path, &first.source.notes());
    let targets = first.source.targets().to_vec();
    let (train, held_out) = match held_out {
        HeldOut::Rows(rows) => split(first.part, *rows, seed)?,
        HeldOut::File(other) => {
            let mut test = read_table(table, other, Some(&first.source))?;
            notes.extend(data_notes(other, &test.source.notes()));
            sums.push(test.sum);
            rename_classes(&mut test.part, &test.source, &first.source, other)?;
            (first.part, Some(test.part))
        }
    };
    Ok(Read {
        sums,
        notes,
        targets,
        ..Read::new(train, held_out, words)
    })
}

/// Numbers the classes of held-out rows as the training rows number theirs.
fn rename_classes<T>(
    test: &mut Part<T>,
    source: &RowSource,
    first: &RowSource,
    path: &Path,
) -> Result<(), Failure> {
    let (Targets::Classes(classes), Some(labels), Some(known)) =
        (&mut test.targets, source.labels(), first.labels())
    else {
        return Ok(());
    };
    for class in classes {
        let label = &labels[*class as usize];
        let place = known
            .iter()
            .position(|other| other == label)
            .ok_or_else(|| {
                let message = format!("{} has the class {}", shown_path(path), quoted(label));
                Failure::input(format!("{message}, which no training row has"))
                    .hint("labels are compared as they are written: 1 and 1.0 are two classes")
            })?;
        *class = place as u32;
    }
    Ok(())
}

fn read_table<T: Real>(
    table: &FileData,
    path: &Path,
    first: Option<&RowSource>,
) -> Result<TableRead<T>, Failure> {
    let mut spec = file_spec(table);
    spec.path = path.to_owned();
    spec.standardize = false;
    let open = || match first {
        Some(first) => RowSource::open_like(&spec, first),
        None => RowSource::open(&spec),
    };
    let read = || open().and_then(|source| rows_of(source, table.one_hot));
    let (read, sum) = while_hashing(path, read).map_err(of_data)?;
    Ok(TableRead { sum, ..read? })
}

/// All rows of a source; the outer error is that of the file.
fn rows_of<T: Real>(
    mut source: RowSource,
    classes: bool,
) -> Result<Result<TableRead<T>, Failure>, DataError> {
    let (p, k) = (source.inputs().len(), source.targets().len());
    if classes && source.labels().is_none() {
        let message = "`data.one_hot` makes one column a class, and several are targets";
        return Ok(Err(Failure::input(message).hint(
            "name the column with the class; columns that are one-hot already have exactly one 1 in each row",
        )));
    }
    let (mut x, mut y, mut codes) = (Vec::new(), Vec::new(), Vec::new());
    let mut rows = 0;
    while let Some(chunk) = source.next_chunk()? {
        rows += chunk.rows as u64;
        if let Err(failure) = check_size(rows, p + if classes { 1 } else { k }) {
            return Ok(Err(failure));
        }
        x.extend(chunk.x.iter().map(|&v| T::of(v)));
        match classes {
            true => codes.extend(chunk.y.chunks_exact(k).map(class_of)),
            false => y.extend(chunk.y.iter().map(|&v| T::of(v))),
        }
    }
    let targets = match classes {
        true => Targets::Classes(codes),
        false => Targets::Values {
            columns: k,
            values: y,
        },
    };
    Ok(Ok(TableRead {
        part: Part::new(p, x, targets),
        source,
        sum: String::new(),
    }))
}

/// The place of the one among zeros.
fn class_of(row: &[f64]) -> u32 {
    row.iter().position(|&v| v > 0.5).unwrap_or(0) as u32
}

fn images<T: Real>(data: &ImageData) -> Result<Read<T>, Failure> {
    let (train, test, from) = match &data.from {
        ImageSource::Packaged(name) => {
            let (folder, files) = locate(name)?;
            let words = format!("{name} in {}", shown_path(&folder));
            mnist(&files, words)?
        }
        ImageSource::Folder(folder) => {
            let files = MnistFiles::in_folder(folder).ok_or_else(|| {
                Failure::input(format!(
                    "{} has not the four files of MNIST",
                    shown_path(folder)
                ))
                .hint("train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-…, gzipped or not")
            })?;
            mnist(&files, format!("IDX files in {}", shown_path(folder)))?
        }
        ImageSource::Idx { train, test } => {
            let read = |pair: &[PathBuf; 2]| read_idx(&pair[0], &pair[1]).map_err(of_data);
            let words = format!("IDX files, {}", shown_path(&train[0]));
            (read(train)?, test.as_ref().map(read).transpose()?, words)
        }
        ImageSource::Cifar {
            files,
            test_files,
            labels,
        } => {
            let words = format!("CIFAR records, {}", shown_path(&files[0]));
            let test = match test_files.is_empty() {
                true => None,
                false => Some(read_cifar(test_files, *labels).map_err(of_data)?),
            };
            (read_cifar(files, *labels).map_err(of_data)?, test, words)
        }
    };
    let mut sums = train.sha256.clone();
    sums.extend(test.iter().flat_map(|images| images.sha256.clone()));
    let shape: Vec<String> = train.shape.iter().map(ToString::to_string).collect();
    let words = format!("{from}: pixels from 0 to 1, {}", shape.join(" × "));
    let train = picture_rows(&train, data.train_rows)?;
    let held_out = test.map(|t| picture_rows(&t, data.test_rows)).transpose()?;
    Ok(Read {
        sums,
        ..Read::new(train, held_out, words)
    })
}

fn mnist(files: &MnistFiles, words: String) -> Result<(Images, Option<Images>, String), Failure> {
    let train = read_idx(&files.train_images, &files.train_labels).map_err(of_data)?;
    let test = read_idx(&files.test_images, &files.test_labels).map_err(of_data)?;
    Ok((train, Some(test), words))
}

fn locate(name: &str) -> Result<(PathBuf, MnistFiles), Failure> {
    let packaged = Packaged::find(name);
    packaged.and_then(Packaged::locate).ok_or_else(|| {
        let failure = Failure::input(format!("the data set {name} is not on this machine"));
        let failure = match packaged {
            Some(packaged) => failure.hint(packaged.install),
            None => failure,
        };
        failure.hint(format!(
            "or put its files into a folder {name} and name the folder above it in {DATA_FOLDER}"
        ))
    })
}

/// Pixels from 0 to 1, and classes.
fn picture_rows<T: Real>(images: &Images, most: Option<u64>) -> Result<Part<T>, Failure> {
    let rows = most.map_or(images.count(), |most| images.count().min(most as usize));
    let size = images.size();
    check_size(rows as u64, size)?;
    let pixel = |&byte: &u8| T::of(f64::from(byte) / 255.0);
    let x = images.pixels[..rows * size].iter().map(pixel).collect();
    let classes = images.labels[..rows].iter().map(|&l| u32::from(l));
    Ok(Part::new(size, x, Targets::Classes(classes.collect())))
}
