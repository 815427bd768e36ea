//! How a tensor is made a matrix: which of its numbers are rows and columns.

/// One matrix inside a tensor: element (i, j) is number `start + i·row_stride + j·column_stride`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its first number, counted in the order of the tensor's indices.
    pub start: usize,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Numbers from a row to the next.
    pub row_stride: usize,
    /// Numbers from a column to the next.
    pub column_stride: usize,
}

impl Slice {
    /// The larger and the smaller side.
    pub fn sides(&self) -> (usize, usize) {
        (self.rows.max(self.columns), self.rows.min(self.columns))
    }
}

/// A tensor taken as more matrices than this is left out.
pub const MOST_SLICES: usize = 100_000;

/// A way to take a tensor: as one matrix, or as several of one shape whose singular values are
/// pooled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// In words, as `matrix` of a record.
    pub words: String,
    /// Follows the tensor's name where a part of it was asked for.
    pub part: Option<String>,
    /// The matrices; of more than [`MOST_SLICES`] the first so many and one.
    pub slices: Vec<Slice>,
}

impl View {
    fn whole(words: impl Into<String>, slices: Vec<Slice>) -> Self {
        Self {
            words: words.into(),
            part: None,
            slices,
        }
    }
}

/// Whether fused tensors are taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fused {
    /// Taken as they are stored.
    #[default]
    Whole,
    /// Query, key and value, or the gates of a recurrent layer, one by one.
    Split,
}

/// The ways to take a tensor of this name and shape, or why there is none.
///
/// Two sizes are a matrix. Of three and more, as convolutions have, the first is taken against all
/// others (output × rest), and the first two as a matrix for each place of the others (output ×
/// input, pooled), which is what WeightWatcher does. A stack of experts is pooled over its first
/// index.
///
/// # Errors
/// A sentence: a single number, a vector, a shape without numbers.
pub fn views(name: &str, shape: &[usize], fused: Fused) -> Result<Vec<View>, String> {
    if shape.contains(&0) {
        return Err("it has no numbers".into());
    }
    match *shape {
        [] => Err("a single number is no matrix".into()),
        [_] => Err("a vector is no matrix".into()),
        [rows, columns] => Ok(two(name, rows, columns, fused)),
        [experts, rows, columns] if is_stack(name) => {
            let slices = (0..experts.min(MOST_SLICES + 1))
                .map(|e| plain(e * rows * columns, rows, columns))
                .collect();
            let words = format!("{experts} matrices {rows} × {columns}, pooled");
            Ok(vec![View::whole(words, slices)])
        }
        [outputs, inputs, ref places @ ..] => Ok(convolution(outputs, inputs, places)),
    }
}

fn is_stack(name: &str) -> bool {
    let name = name.to_lowercase();
    name.contains("expert") || name.contains("moe")
}

fn plain(start: usize, rows: usize, columns: usize) -> Slice {
    Slice {
        start,
        rows,
        columns,
        row_stride: columns,
        column_stride: 1,
    }
}

fn convolution(outputs: usize, inputs: usize, places: &[usize]) -> Vec<View> {
    let kernel: usize = places.iter().product();
    let words = format!("output × (input · kernel): {outputs} × {}", inputs * kernel);
    let unfolded = View::whole(words, vec![plain(0, outputs, inputs * kernel)]);
    if kernel == 1 {
        return vec![unfolded];
    }
    let slice = |start| Slice {
        start,
        rows: outputs,
        columns: inputs,
        row_stride: inputs * kernel,
        column_stride: kernel,
    };
    let words = format!("{kernel} slices output × input: {outputs} × {inputs}, pooled");
    let pooled = View::whole(words, (0..kernel.min(MOST_SLICES + 1)).map(slice).collect());
    vec![unfolded, pooled]
}

fn two(name: &str, rows: usize, columns: usize, fused: Fused) -> Vec<View> {
    let whole = |words: &str| vec![View::whole(words, vec![plain(0, rows, columns)])];
    let Some(parts) = parts(name).filter(|_| fused == Fused::Split) else {
        return whole("as stored");
    };
    let count = parts.len();
    let cut = |(i, part): (usize, &&str)| {
        let by_rows =
            rows.is_multiple_of(count) && (rows / count == columns || !name.contains("c_attn"));
        let slice = match by_rows {
            true => plain(i * (rows / count) * columns, rows / count, columns),
            false => Slice {
                start: i * (columns / count),
                columns: columns / count,
                ..plain(0, rows, columns)
            },
        };
        let words = format!(
            "part {} of {count}: {} × {}",
            i + 1,
            slice.rows,
            slice.columns
        );
        View {
            words,
            part: Some((*part).to_owned()),
            slices: vec![slice],
        }
    };
    let equal = match name.contains("c_attn") {
        true => columns == count * rows || rows == count * columns,
        // Heads that share keys have parts of different sizes.
        false => rows == count * columns || (is_recurrent(name) && rows.is_multiple_of(count)),
    };
    if name.contains("query_key_value") {
        return whole("as stored; not split: it is interleaved by heads");
    }
    match equal {
        true => parts.iter().enumerate().map(cut).collect(),
        false => whole("as stored; not split: its parts are not equal"),
    }
}

fn is_recurrent(name: &str) -> bool {
    name.contains("weight_ih") || name.contains("weight_hh")
}

/// What is fused into a tensor of this name.
fn parts(name: &str) -> Option<&'static [&'static str]> {
    let lower = name.to_lowercase();
    let fused = ["in_proj_weight", "c_attn", "qkv", "query_key_value"];
    if fused.iter().any(|word| lower.contains(word)) {
        return Some(&["query", "key", "value"]);
    }
    if is_recurrent(&lower) {
        return Some(match lower.contains("gru") {
            true => &["reset", "update", "new"],
            false => &["input", "forget", "cell", "output"],
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convolution_is_taken_both_ways() {
        let views = views("conv.weight", &[4, 3, 2, 2], Fused::Whole).unwrap();
        assert_eq!(views[0].slices, [plain(0, 4, 12)]);
        assert_eq!(views[1].slices.len(), 4);
        assert_eq!(
            views[1].slices[3],
            Slice {
                start: 3,
                rows: 4,
                columns: 3,
                row_stride: 12,
                column_stride: 4
            }
        );
    }

    #[test]
    fn fused_projections_are_split_when_asked() {
        let of = |name: &str, shape: &[usize]| views(name, shape, Fused::Split).unwrap();
        let in_proj = of("attn.in_proj_weight", &[12, 4]);
        assert_eq!(in_proj[2].slices, [plain(32, 4, 4)]);
        let gpt2 = of("h.0.attn.c_attn.weight", &[4, 12]);
        assert_eq!(
            gpt2[1].slices,
            [Slice {
                start: 4,
                rows: 4,
                columns: 4,
                row_stride: 12,
                column_stride: 1
            }]
        );
        assert_eq!(of("lstm.weight_ih_l0", &[8, 3]).len(), 4);
        assert!(
            of("qkv_proj.weight", &[6, 4])[0]
                .words
                .contains("not split")
        );
        assert_eq!(
            views("attn.in_proj_weight", &[12, 4], Fused::Whole)
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn no_more_slices_are_listed_than_it_takes_to_refuse_them() {
        for (name, shape) in [("experts", [1 << 40, 1, 1]), ("conv", [1, 1, 1 << 40])] {
            let views = views(name, &shape, Fused::Whole).unwrap();
            assert_eq!(views.last().unwrap().slices.len(), MOST_SLICES + 1);
        }
    }

    #[test]
    fn what_is_no_matrix_says_so() {
        assert!(views("b", &[3], Fused::Whole).is_err() && views("t", &[], Fused::Whole).is_err());
        assert!(views("e", &[3, 0], Fused::Whole).is_err());
    }
}
