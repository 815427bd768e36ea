//! Every format is read as it was written: names, shapes, types, numbers, roles, ties.

mod support;

use rankfall_checkpoints::{Checkpoint, Format, Role, Tensor, find};
use std::fs;
use support::{Pickle, f32s, legacy, npy, safetensors, torch, zip};

fn open(bytes: &[u8], name: &str) -> Checkpoint {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    // On Unix an open file outlives its folder, and readers keep theirs open.
    Checkpoint::open(&path).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    let mut out = vec![0.0; tensor.len().unwrap()];
    tensor.values().unwrap().read(0, &mut out).unwrap();
    out
}

#[test]
fn safetensors_of_every_type() {
    let header = r#"{"__metadata__":{"step":"120"},
        "a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},
        "b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},
        "c":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[12,14]},
        "d":{"dtype":"I64","shape":[],"data_offsets":[14,22]},
        "e":{"dtype":"F16","shape":[0,3],"data_offsets":[22,22]}}"#;
    let mut bytes = f32s(&[1.5, -2.0]);
    bytes.extend_from_slice(&[0x80, 0x3f, 0x00, 0xc0, 0x38, 0xb8]);
    bytes.extend_from_slice(&7i64.to_le_bytes());
    let read = open(&safetensors(header, &bytes), "m.safetensors");
    assert_eq!(
        (read.format, read.step, read.tensors.len()),
        (Format::Safetensors, Some(120), 5)
    );
    assert_eq!(numbers(&read.tensors[0]), [1.5, -2.0]);
    assert_eq!(numbers(&read.tensors[1]), [1.0, -2.0]);
    assert_eq!(numbers(&read.tensors[2]), [1.0, -1.0]);
    let named = read
        .tensors
        .iter()
        .map(|t| t.dtype.name())
        .collect::<Vec<_>>();
    let mut sorted = named.clone();
    sorted.sort();
    assert_eq!(sorted, ["bf16", "f16", "f32", "f8_e4m3", "i64"]);
    assert!(read.tensors.iter().any(Tensor::is_empty));
}

#[test]
fn a_nested_checkpoint_of_pytorch() {
    // {"state_dict": {"w": …, "tied": the same, "t": transposed}, "optimizer": {"state": {0:
    // {"exp_avg": …}},
    //  "param_groups": []}, "global_step": 40, "hyper": an object}
    let w = |p: Pickle| p.tensor("FloatStorage", "0", 6, 0, &[2, 3], &[3, 1]);
    let pickle = Pickle::of_protocol(2)
        .raw(b"}(")
        .text("state_dict")
        .raw(b"}(");
    let pickle = w(w(pickle.text("w")).text("tied"));
    let pickle = pickle
        .text("t")
        .tensor("FloatStorage", "0", 6, 0, &[3, 2], &[1, 3]);
    let pickle = pickle
        .text("part")
        .tensor("FloatStorage", "0", 6, 4, &[2], &[1]);
    let pickle = pickle
        .raw(b"u")
        .text("opt")
        .raw(b"}(")
        .text("state")
        .raw(b"}(")
        .int(0)
        .raw(b"}(")
        .text("m");
    let pickle = pickle
        .tensor("FloatStorage", "1", 2, 0, &[2], &[1])
        .raw(b"uu")
        .text("param_groups")
        .raw(b"]u");
    let pickle = pickle
        .text("global_step")
        .int(40)
        .text("hyper")
        .global("argparse", "Namespace")
        .raw(b")\x81}b");
    let bytes = torch(
        &pickle.raw(b"u").stop(),
        &[
            ("0", &f32s(&[1., 2., 3., 4., 5., 6.])),
            ("1", &f32s(&[7., 8.])),
        ],
    );
    let read = open(&bytes, "epoch=3.ckpt");
    assert_eq!((read.format, read.step), (Format::TorchArchive, Some(40)));
    let names: Vec<&str> = read.tensors.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "state_dict.w",
            "state_dict.tied",
            "state_dict.t",
            "state_dict.part",
            "opt.state.0.m"
        ]
    );
    assert_eq!(read.tensors[1].tied_to.as_deref(), Some("state_dict.w"));
    assert_eq!(numbers(&read.tensors[2]), [1., 4., 2., 5., 3., 6.]);
    assert_eq!(numbers(&read.tensors[3]), [5., 6.]);
    assert_eq!(read.tensors[4].role, Role::Optimizer);
    assert_eq!(numbers(&read.tensors[4]), [7., 8.]);
    assert_eq!(read.inert.len(), 1);
    assert_eq!(
        (read.inert[0].path.as_str(), read.inert[0].class.as_str()),
        ("hyper", "argparse.Namespace")
    );
}

#[test]
fn a_packed_archive_and_parameters_and_a_module() {
    let tensor = Pickle::default()
        .tensor("DoubleStorage", "0", 2, 0, &[2], &[1])
        .0;
    // A module: an object whose state has _parameters and _modules.
    let pickle = Pickle::of_protocol(2)
        .global("net", "Net")
        .raw(b")\x81}(")
        .text("_modules")
        .raw(b"}(")
        .text("fc");
    let pickle = pickle
        .global("torch.nn", "Linear")
        .raw(b")\x81}(")
        .text("_parameters")
        .raw(b"}(")
        .text("weight");
    let pickle = pickle
        .global("torch._utils", "_rebuild_parameter")
        .raw(b"(")
        .raw(&tensor)
        .raw(b"\x88");
    let pickle = pickle
        .global("collections", "OrderedDict")
        .raw(b")RtR")
        .raw(b"uubuub")
        .stop();
    let numbers_of = [0.5f64, -1.0].map(f64::to_le_bytes).concat();
    let entries: [(&str, &[u8]); 2] = [("x/data.pkl", &pickle), ("x/data/0", &numbers_of)];
    let read = open(&zip(&entries, true), "m.pt");
    assert_eq!(read.tensors[0].name, "fc.weight");
    assert_eq!(numbers(&read.tensors[0]), [0.5, -1.0]);
}

#[test]
fn the_older_format_of_pytorch() {
    let pickle =
        Pickle::of_protocol(2)
            .raw(b"}(")
            .text("a")
            .tensor("HalfStorage", "k1", 2, 0, &[2], &[1]);
    let pickle = pickle
        .text("b")
        .tensor("FloatStorage", "k0", 3, 1, &[2], &[1])
        .raw(b"u")
        .stop();
    let halves = [0x3c00u16, 0xc000].map(u16::to_le_bytes).concat();
    let bytes = legacy(
        &pickle,
        &[("k0", 3, &f32s(&[1., 2., 3.])), ("k1", 2, &halves)],
    );
    let read = open(&bytes, "m.pth");
    assert_eq!(read.format, Format::TorchLegacy);
    assert_eq!(numbers(&read.tensors[0]), [1., -2.]);
    assert_eq!(numbers(&read.tensors[1]), [2., 3.]);
    // Cut off within the second storage: the first is there, the second says so.
    let read = open(&bytes[..bytes.len() - 1], "m.pth");
    assert!(
        read.tensors[0]
            .problem
            .as_deref()
            .unwrap()
            .contains("cut off")
    );
    assert_eq!(numbers(&read.tensors[1]), [2., 3.]);
}

#[test]
fn arrays_of_numpy_in_both_orders() {
    let bytes = f32s(&[1., 2., 3., 4., 5., 6.]);
    let read = open(&npy("<f4", true, "(2, 3)", &bytes), "w.npy");
    assert_eq!(
        (read.format, numbers(&read.tensors[0])),
        (Format::Npy, vec![1., 3., 5., 2., 4., 6.])
    );
    let big = [1.0f64, -2.0].map(f64::to_be_bytes).concat();
    let (first, second) = (
        npy("<f4", false, "(3, 2)", &bytes),
        npy(">f8", false, "(2,)", &big),
    );
    for deflated in [false, true] {
        let read = open(
            &zip(&[("a.npy", &first), ("b.npy", &second)], deflated),
            "w_7.npz",
        );
        assert_eq!((read.format, read.step), (Format::Npz, Some(7)));
        assert_eq!(numbers(&read.tensors[0]), [1., 2., 3., 4., 5., 6.]);
        assert_eq!(numbers(&read.tensors[1]), [1., -2.]);
    }
}

#[test]
fn shards_are_read_by_their_index() {
    let folder = tempfile::tempdir().unwrap();
    let shard = |name: &str, x: f32| {
        let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#);
        safetensors(&header, &f32s(&[x]))
    };
    fs::write(folder.path().join("m-1-of-2.safetensors"), shard("a", 1.0)).unwrap();
    fs::write(folder.path().join("m-2-of-2.safetensors"), shard("b", 2.0)).unwrap();
    let index = r#"{"weight_map":{"a":"m-1-of-2.safetensors","b":"m-2-of-2.safetensors","c":"m-2-of-2.safetensors",
        "d":"missing.safetensors"}}"#;
    fs::write(folder.path().join("m.safetensors.index.json"), index).unwrap();
    let found = find(folder.path()).unwrap();
    assert_eq!(found, [folder.path().join("m.safetensors.index.json")]);
    let read = Checkpoint::open(&found[0]).unwrap();
    let of = |name: &str| read.tensors.iter().find(|t| t.name == name).unwrap();
    assert_eq!((numbers(of("a")), numbers(of("b"))), (vec![1.0], vec![2.0]));
    assert!(
        of("c")
            .problem
            .as_deref()
            .unwrap()
            .contains("has no tensor")
    );
    assert!(
        of("d")
            .problem
            .as_deref()
            .unwrap()
            .contains("missing.safetensors")
    );
    let outside = r#"{"weight_map":{"a":"../m.safetensors"}}"#;
    fs::write(folder.path().join("m.safetensors.index.json"), outside).unwrap();
    assert!(Checkpoint::open(&found[0]).is_err());
}

#[test]
fn other_formats_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |bytes: &[u8], name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Checkpoint::open(&path).unwrap_err().detail
    };
    assert!(refused(b"GGUF\x03\0\0\0aaaaaaaaaaaaaaaaaaaaa", "m.gguf").contains("GGUF"));
    assert!(refused(b"\x89HDF\r\n\x1a\nxxxxxxxxxxxxxx", "m.h5").contains("HDF5"));
    assert!(refused(b"\x08\x07\x12\x07pytorchxxxxxxxxx", "m.onnx").contains("ONNX"));
    assert!(refused(b"", "m.pt").contains("empty"));
    assert!(refused(b"hello, world, this is text", "m.pt").contains("none of the formats"));
    assert!(refused(&zip(&[("readme.txt", b"x")], false), "m.zip").contains("neither"));
}
