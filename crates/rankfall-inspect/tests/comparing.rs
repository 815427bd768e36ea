//! Two checkpoints against each other: what moved, by how much, and which way it points.

use rankfall_checkpoints::Checkpoint;
use rankfall_inspect::compare::{CheckpointComparison, compare, text};
use rankfall_inspect::inspect::Unwatched;
use rankfall_inspect::plan::{Choice, Plan};
use std::fs;
use std::path::Path;

fn plan(folder: &Path, name: &str, numbers: &[f32], shape: &[usize]) -> Plan {
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let header = format!(
        r#"{{"w":{{"dtype":"F32","shape":{shape:?},"data_offsets":[0,{}]}}}}"#,
        bytes.len()
    );
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&bytes);
    let path = folder.join(name);
    fs::write(&path, file).unwrap();
    let mut plan = Plan::default();
    plan.add(&Checkpoint::open(&path).unwrap(), &Choice::default());
    plan
}

fn compared(a: &[f32], b: &[f32], shape: [usize; 2]) -> CheckpointComparison {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (
        plan(folder.path(), "a.safetensors", a, &shape),
        plan(folder.path(), "b.safetensors", b, &shape),
    );
    compare(a, b, 1, &Unwatched)
}

#[test]
fn a_known_rotation_is_the_angle_that_is_found() {
    // One strong direction e₁e₁ᵀ and weak others; in B the left one is turned by 0.3 within the
    // first plane.
    let (n, m) = (8, 40);
    let weak = |i: usize, j: usize| ((i * 31 + j * 17) % 13) as f32 * 1e-7;
    let a: Vec<f32> = (0..m * n)
        .map(|at| if at == 0 { 10.0 } else { weak(at / n, at % n) })
        .collect();
    let mut b = a.clone();
    (b[0], b[n]) = (10.0 * 0.3f32.cos(), 10.0 * 0.3f32.sin());
    let layer = &compared(&a, &b, [m, n]).layers[0];
    let (left, right) = (
        layer.left_angles.as_ref().unwrap(),
        layer.right_angles.as_ref().unwrap(),
    );
    assert_eq!(layer.directions, Some(1));
    assert!((left[0] - 0.3f64.to_degrees()).abs() < 1e-3, "{left:?}");
    assert!(right[0] < 1e-3, "{right:?}");
    assert!((layer.relative_change.unwrap() - 2.0 * (0.15f64).sin()).abs() < 1e-5);
    // The rotation keeps the singular values, but for what the weak ones take part in.
    assert!(layer.moved.unwrap() < n, "{layer:?}");
}

#[test]
fn what_rounding_explains_has_not_moved() {
    let a: Vec<f32> = (0..30 * 20)
        .map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0)
        .collect();
    let rounded: Vec<f32> = a.iter().map(|x| x * (1.0 + f32::EPSILON / 4.0)).collect();
    let doubled: Vec<f32> = a.iter().map(|x| 2.0 * x).collect();
    assert_eq!(compared(&a, &rounded, [30, 20]).layers[0].moved, Some(0));
    let layer = &compared(&a, &doubled, [30, 20]).layers[0];
    assert_eq!(layer.moved, Some(20));
    assert!((layer.relative_change.unwrap() - 1.0).abs() < 1e-12);
    assert!(
        layer
            .left_angles
            .as_ref()
            .unwrap()
            .iter()
            .all(|a| *a < 1e-5)
    );
}

#[test]
fn a_tensor_of_another_shape_is_not_said_to_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |name: &str, shape: &[usize]| {
        let numbers = vec![0.5; shape.iter().product()];
        plan(folder.path(), name, &numbers, shape)
    };
    let a = plan("a.safetensors", &[4, 3, 2, 2]);
    let b = plan("b.safetensors", &[8, 3, 2, 2]);
    let layers = compare(a, b, 1, &Unwatched).layers;
    assert_eq!(layers.len(), 2);
    for layer in layers {
        assert!(layer.reason.unwrap().contains("its shape is another one"));
    }
}

#[test]
fn a_short_name_does_not_shift_its_line() {
    let text = text(&compared(
        &[1.0, 2.0, 3.0, 5.0],
        &[1.0, 2.0, 3.0, 4.0],
        [2, 2],
    ));
    let width = |line: usize| text.lines().nth(line).unwrap().chars().count();
    assert_eq!(width(2), width(3), "{text}");
}
