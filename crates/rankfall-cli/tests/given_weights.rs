//! Initial weights from files that others wrote, through the program: what is taken for which
//! layer, that it is said, and what is refused. A step of 10⁻³⁰⁰ leaves weights where they were, so
//! that the file of final weights shows what was read.

mod support;

use safetensors::{Dtype, SafeTensors, serialize, tensor::TensorView};
use support::{Place, npy, npz};

/// A network 3–5–2 with biases whose weights do not move.
const NET: &str = r#"name = "net"
[data]
kind = "rows"
x = [[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]]
y = [[1.0, 0.0], [0.0, 1.0]]
[network]
layers = [3, 5, 2]
activation = "tanh"
bias = true
init = { kind = "file", path = "w" }
[[dynamics]]
kind = "gradient-descent"
step_size = 1e-300
[run]
steps = 1
save = { points = 1 }
"#;

/// Two linear layers, p = 3, l = 5, k = 2, whose weights do not move.
const TWO: &str = r#"name = "two"
[data]
kind = "gaussian"
samples = 9
inputs = 3
outputs = 2
[network]
width = 5
init = { kind = "file", path = "w" }
[[dynamics]]
kind = "gradient-descent"
step_size = 1e-300
[run]
time = 1e-300
save = { points = 1 }
"#;

/// Numbers that are exact in half precision, differ in every place and are not zero.
fn counted(from: usize, count: usize) -> Vec<f64> {
    (from..from + count)
        .map(|i| (i as f64 - 20.5) / 16.0)
        .collect()
}

type Tensor<'a> = (&'a str, Vec<usize>, Vec<u8>, Dtype);

fn doubles<'a>(name: &'a str, shape: &[usize], values: &[f64]) -> Tensor<'a> {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    (name, shape.to_vec(), bytes, Dtype::F64)
}

fn file(tensors: &[Tensor]) -> Vec<u8> {
    let view = |(name, shape, bytes, dtype): &'_ Tensor<'_>| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).unwrap();
        (
            name.to_string(),
            view.shape().to_vec(),
            bytes.clone(),
            *dtype,
        )
    };
    let owned: Vec<_> = tensors.iter().map(view).collect();
    let views = owned.iter().map(|(name, shape, bytes, dtype)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    serialize(views, None).unwrap()
}

/// Weights and biases of 3–5–2 under four names.
fn layers<'a>(names: [&'a str; 4]) -> Vec<Tensor<'a>> {
    vec![
        doubles(names[0], &[5, 3], &counted(0, 15)),
        doubles(names[1], &[5], &counted(15, 5)),
        doubles(names[2], &[2, 5], &counted(20, 10)),
        doubles(names[3], &[2], &counted(30, 2)),
    ]
}

fn values(place: &Place, name: &str) -> Vec<f64> {
    let bytes = place.bytes("out/final.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let data = tensors.tensor(name).unwrap().data().to_vec();
    let (chunks, _) = data.as_chunks::<8>();
    chunks.iter().map(|&c| f64::from_le_bytes(c)).collect()
}

/// Runs on the weights of a file; what was printed.
fn run(experiment: &str, weights: &[u8]) -> (Place, String) {
    let place = Place::new();
    place.write("e.toml", experiment);
    place.write("w", weights);
    let printed = place.succeeds(&["run", "e.toml", "-q", "--out", "out"]);
    (place, printed)
}

/// Two linear layers take their weights into another basis and back.
fn near(place: &Place, name: &str, expected: &[f64]) {
    let read = values(place, name);
    assert_eq!(read.len(), expected.len());
    let mut pairs = read.iter().zip(expected);
    assert!(
        pairs.all(|(a, b)| (a - b).abs() < 1e-12),
        "{name}: {read:?}"
    );
}

fn refused(experiment: &str, weights: &[u8], words: &[&str]) {
    let place = Place::new();
    place.write("e.toml", experiment);
    place.write("w", weights);
    place.refuses(&["run", "e.toml", "-q"], words);
}

/// The file above was taken layer by layer; whether it was said that names were others.
fn taken(weights: &[u8]) -> bool {
    let (place, printed) = run(NET, weights);
    for (name, from, count) in [
        ("layers.0.weight", 0, 15),
        ("layers.0.bias", 15, 5),
        ("layers.1.weight", 20, 10),
        ("layers.1.bias", 30, 2),
    ] {
        assert_eq!(values(&place, name), counted(from, count), "{name}");
    }
    let warnings = place.summary("out")["warnings"].to_string();
    let said = |text: &str| text.contains("initial weights of w: layer 1 from");
    assert_eq!(said(&warnings), said(&printed));
    said(&printed)
}

#[test]
fn names_of_pytorch_modules_are_read_by_shape_and_order() {
    let usual = [
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
    ];
    assert!(!taken(&file(&layers(usual))));
    for names in [
        ["0.weight", "0.bias", "2.weight", "2.bias"],
        [
            "model.0.weight",
            "model.0.bias",
            "model.2.weight",
            "model.2.bias",
        ],
        ["net.9.weight", "net.9.bias", "net.10.weight", "net.10.bias"],
        [
            "_orig_mod.fc1.weight",
            "_orig_mod.fc1.bias",
            "_orig_mod.fc2.weight",
            "_orig_mod.fc2.bias",
        ],
        [
            "module.layers.0.weight",
            "module.layers.0.bias",
            "module.layers.1.weight",
            "module.layers.1.bias",
        ],
        // Their alphabet goes against their order; their shapes tell.
        [
            "hidden.weight",
            "hidden.bias",
            "classifier.weight",
            "classifier.bias",
        ],
    ] {
        assert!(taken(&file(&layers(names))), "{names:?}");
    }
}

#[test]
fn arrays_of_numpy_are_read_like_tensors() {
    let array = |t: &Tensor| {
        let (chunks, _) = t.2.as_chunks::<8>();
        let numbers: Vec<f64> = chunks.iter().map(|&c| f64::from_le_bytes(c)).collect();
        npy(&t.1, &numbers)
    };
    let all = layers([
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
    ]);
    let arrays: Vec<_> = all.iter().map(|t| (t.0, array(t))).collect();
    assert!(!taken(&npz(&arrays)));
    let (w1, w2) = (counted(0, 15), counted(15, 10));
    let (place, printed) = run(
        TWO,
        &npz(&[("w2", npy(&[5, 2], &w2)), ("w1", npy(&[3, 5], &w1))]),
    );
    near(&place, "w1", &w1);
    near(&place, "w2", &w2);
    assert!(!printed.contains("initial weights of"), "{printed}");
}

/// −20.5/16 and its like are exact in 11 and in 8 bits.
#[test]
fn halves_and_singles_are_read() {
    let narrow = |name, shape: &[usize], from, dtype| {
        let bytes = counted(from, shape.iter().product()).into_iter();
        let bits = |v: f64| (v as f32).to_bits();
        let half = |v: f64| {
            // A normal number: sign, exponent moved from 127 to 15, first ten bits.
            let bits = bits(v);
            let sign = (bits >> 16) as u16 & 0x8000;
            sign | ((((bits >> 23) & 0xff) - 112) << 10) as u16 | ((bits >> 13) & 0x3ff) as u16
        };
        let bytes: Vec<u8> = match dtype {
            Dtype::F32 => bytes.flat_map(|v| (v as f32).to_le_bytes()).collect(),
            Dtype::BF16 => bytes
                .flat_map(|v| ((bits(v) >> 16) as u16).to_le_bytes())
                .collect(),
            _ => bytes.flat_map(|v| half(v).to_le_bytes()).collect(),
        };
        (name, shape.to_vec(), bytes, dtype)
    };
    for dtype in [Dtype::F32, Dtype::BF16, Dtype::F16] {
        let all = [
            narrow("layers.0.weight", &[5, 3], 0, dtype),
            narrow("layers.0.bias", &[5], 15, dtype),
            narrow("layers.1.weight", &[2, 5], 20, dtype),
            narrow("layers.1.bias", &[2], 30, dtype),
        ];
        assert!(!taken(&file(&all)), "{dtype:?}");
    }
    let whole = ("w1", vec![3, 5], vec![0; 15 * 8], Dtype::I64);
    let w2 = doubles("w2", &[5, 2], &counted(0, 10));
    refused(
        TWO,
        &file(&[whole, w2]),
        &["\"w1\" is of type I64", "F32 or F64"],
    );
}

#[test]
fn two_linear_layers_are_read_either_way_up_and_it_is_said() {
    let transposed = |values: &[f64], rows: usize, columns: usize| -> Vec<f64> {
        let at = |i: usize| values[i % rows * columns + i / rows];
        (0..rows * columns).map(at).collect()
    };
    let (w1, w2) = (counted(0, 15), counted(15, 10));
    let (turned1, turned2) = (transposed(&w1, 3, 5), transposed(&w2, 5, 2));
    let both = |names: [&str; 2], turned: bool| match turned {
        false => file(&[
            doubles(names[0], &[3, 5], &w1),
            doubles(names[1], &[5, 2], &w2),
        ]),
        true => file(&[
            doubles(names[0], &[5, 3], &turned1),
            doubles(names[1], &[2, 5], &turned2),
        ]),
    };
    for (names, turned, note) in [
        (["w1", "w2"], false, None),
        (
            ["w1", "w2"],
            true,
            Some("W₁ from \"w1\" [5, 3], transposed"),
        ),
        (
            ["0.weight", "1.weight"],
            true,
            Some("W₁ from \"0.weight\" [5, 3], transposed"),
        ),
        (
            ["layers.0.weight", "layers.1.weight"],
            true,
            Some("transposed"),
        ),
        (
            ["first", "second"],
            false,
            Some("W₁ from \"first\" [3, 5], W₂ from \"second\" [5, 2]"),
        ),
    ] {
        let (place, printed) = run(TWO, &both(names, turned));
        near(&place, "w1", &w1);
        near(&place, "w2", &w2);
        match note {
            None => assert!(!printed.contains("initial weights of"), "{printed}"),
            Some(note) => assert!(printed.contains(note), "{printed}"),
        }
    }
    let more = file(&[
        doubles("w1", &[3, 5], &w1),
        doubles("w2", &[5, 2], &w2),
        doubles("w3", &[1], &[0.0]),
    ]);
    assert!(run(TWO, &more).1.contains("not used: \"w3\" [1]"));
}

/// p = l = k: only the names of PyTorch say which way up.
#[test]
fn square_matrices_of_pytorch_are_outputs_times_inputs() {
    let square = TWO
        .replace("inputs = 3", "inputs = 2")
        .replace("width = 5", "width = 2");
    let [a, b] = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]];
    let of = |names: [&str; 2]| {
        file(&[
            doubles(names[0], &[2, 2], &a),
            doubles(names[1], &[2, 2], &b),
        ])
    };
    let (place, _) = run(&square, &of(["w1", "w2"]));
    near(&place, "w1", &a);
    let (place, printed) = run(&square, &of(["0.weight", "1.weight"]));
    near(&place, "w1", &[1.0, 3.0, 2.0, 4.0]);
    near(&place, "w2", &[5.0, 7.0, 6.0, 8.0]);
    assert!(printed.contains("transposed"), "{printed}");
    refused(
        &square,
        &of(["a1", "a2"]),
        &[
            "do not tell which tensor is which",
            "rename its tensors to w1 and w2",
        ],
    );
}

#[test]
fn what_is_of_no_layer_for_certain_is_refused_with_its_shapes_and_the_way_out() {
    let wide = NET
        .replace("[3, 5, 2]", "[3, 5, 5, 2]")
        .replace("bias = true", "bias = false");
    let three = |names: [&'static str; 3]| {
        file(&[
            doubles(names[0], &[5, 3], &counted(0, 15)),
            doubles(names[1], &[5, 5], &counted(0, 25)),
            doubles(names[2], &[2, 5], &counted(0, 10)),
        ])
    };
    run(&wide, &three(["a.weight", "b.weight", "c.weight"]));
    let deep = wide.replace("[3, 5, 5, 2]", "[3, 5, 5, 5]").replace(
        "[[1.0, 0.0], [0.0, 1.0]]",
        "[[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0]]",
    );
    let four = file(&[
        doubles("in.weight", &[5, 3], &counted(0, 15)),
        doubles("alpha.weight", &[5, 5], &counted(0, 25)),
        doubles("beta.weight", &[5, 5], &counted(0, 25)),
    ]);
    let words = [
        "w as initial weights",
        "do not tell",
        "[5, 3], [5, 5], [5, 5]",
        "\"alpha.weight\" [5, 5]",
        "rename its tensors to layers.0.weight",
    ];
    refused(&deep, &four, &words);
    // Inputs × outputs of a network whose shapes would fit the other way round.
    let mirror = NET
        .replace("[3, 5, 2]", "[3, 5, 3]")
        .replace("bias = true", "bias = false")
        .replace(
            "y = [[1.0, 0.0], [0.0, 1.0]]",
            "y = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]",
        );
    let upright = |names: [&'static str; 2]| {
        file(&[
            doubles(names[0], &[3, 5], &counted(0, 15)),
            doubles(names[1], &[5, 3], &counted(0, 15)),
        ])
    };
    refused(
        &mirror,
        &upright(["0.weight", "2.weight"]),
        &["do not fit", "outputs × inputs", "\"0.weight\" [3, 5]"],
    );
    refused(
        &mirror,
        &upright(["w_in", "w_out"]),
        &["do not tell which tensor is which"],
    );
    // One too many, and one of another type of file.
    let mut more = layers(["0.weight", "0.bias", "2.weight", "2.bias"]);
    more.push(doubles("4.weight", &[2, 2], &[0.0; 4]));
    refused(
        NET,
        &file(&more),
        &["do not fit", "\"4.weight\" [2, 2]", "leave out others"],
    );
    let no_biases = file(&layers(["0.weight", "0.bias", "2.weight", "2.bias"]));
    refused(
        &NET.replace("bias = true", "bias = false"),
        &no_biases,
        &["no biases"],
    );
    refused(
        NET,
        &npz(&[]),
        &[
            "w as initial weights",
            "from PyTorch: safetensors.torch.save_file",
        ],
    );
}
