//! Networks given by their layers, through the program: runs from end to end, bytes, refusals.

mod support;

use std::io::Write;
use std::time::Duration;
use support::Place;
use support::stopping::{killed, until_caught};

/// A small network on a teacher, over in a moment, with everything measured.
const NET: &str = r#"name = "net"
[data]
kind = "teacher"
samples = 12
held_out = 20
teacher = { layers = [3, 2, 2], activation = "relu", init = { kind = "gaussian" } }
residual_noise = 0.1
[network]
layers = [3, 5, 5, 2]
activation = "relu"
bias = true
init = { kind = "he", each_trajectory = true }
[[dynamics]]
kind = "gradient-descent"
[[dynamics]]
kind = "sgd"
batch_size = 4
label_noise = 0.1
momentum = 0.5
noise = [{ kind = "dropout", probability = 0.1 }]
[run]
steps = 200
trajectories = 5
save = { points = 10 }
measure = { probe_rows = 12, jacobian = true, spectra_every = 2 }
keep_trajectories = true
"#;

fn place() -> Place {
    let place = Place::new();
    place.write("net.toml", NET);
    place
}

#[test]
fn a_run_leaves_a_whole_folder() {
    let place = place();
    let printed = place.succeeds(&["run", "net.toml", "-q", "--out", "r"]);
    for words in [
        "held-out loss",
        "rank of W₃",
        "rank of the Jacobian",
        "dense engine: it has not two layers",
    ] {
        assert!(printed.contains(words), "no {words:?} in {printed}");
    }
    for file in [
        "experiment.toml",
        "series.parquet",
        "trajectories.parquet",
        "final.safetensors",
        "report.html",
        "figures/loss.png",
        "figures/singular_values.svg",
        "figures/ranks.png",
    ] {
        assert!(!place.bytes(&format!("r/{file}")).is_empty(), "{file}");
    }
    assert!(!place.path("r/checkpoint").exists() && !place.path("r/running").exists());
    let summary = place.summary("r");
    assert_eq!(summary["engine"], "dense");
    let sgd = &summary["dynamics"][1];
    assert_eq!(
        (&sgd["trajectories"], &sgd["steps"]),
        (&5.into(), &200.into())
    );
    // ν = ηδ/b.
    let nu = sgd["noise_intensity"].as_f64().unwrap();
    assert!((nu - 0.01 * 0.1 / 4.0).abs() < 1e-15);
    let matrices = sgd["matrices"].as_array().unwrap();
    let sizes = matrices.iter().filter_map(|matrix| {
        let spectrum = matrix["log_singular_values"]["initial"].as_array()?;
        Some((
            matrix["name"].as_str()?,
            matrix["layer"].as_u64()?,
            spectrum.len(),
        ))
    });
    assert_eq!(
        sizes.collect::<Vec<_>>(),
        [("w1", 1, 3), ("w2", 2, 5), ("w3", 3, 2)]
    );
    assert!(matrices[1]["log_abs_det"]["initial"].is_number());
    assert_eq!(matrices[0]["numerical_rank"]["tolerance"], 1e-3);
    let named = |name: &str| matrices.iter().filter(|m| m["name"] == name).count();
    assert_eq!((named("features"), named("jacobian")), (2, 1));
    assert!(sgd["held_out_loss"]["final_std"].is_number());
    // It is not linear.
    let prediction = &sgd["predictions"][0];
    let reason = prediction["reason"].as_str().unwrap();
    assert!(
        prediction["kind"].is_null() && reason.starts_with("does not apply: "),
        "{reason}"
    );
    // Drawn again from the folder alone, the pictures are the same.
    let before = place.bytes("r/figures/ranks.svg");
    place.succeeds(&["plot", "r"]);
    assert_eq!(before, place.bytes("r/figures/ranks.svg"));
    // The copy in the folder is an experiment file like any other, with the same results.
    place.succeeds(&["run", "r/experiment.toml", "-q", "--out", "again"]);
    assert_eq!(
        place.bytes("r/series.parquet"),
        place.bytes("again/series.parquet")
    );
}

#[test]
fn final_weights_are_named_as_in_pytorch_and_start_another_run() {
    let place = place();
    let one = [
        "--set",
        "dynamics=[{ kind = \"gradient-descent\" }]",
        "--set",
        "run.keep_trajectories=false",
    ];
    let run =
        |more: &[&str]| place.succeeds(&[&["run", "net.toml", "-q"], &one[..], more].concat());
    run(&["--out", "first"]);
    let bytes = place.bytes("first/final.safetensors");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names = tensors.names();
    names.sort();
    assert_eq!(names[..2], ["layers.0.bias", "layers.0.weight"]);
    assert_eq!(tensors.tensor("layers.0.weight").unwrap().shape(), [5, 3]);
    let from = "network.init={ kind = \"file\", path = \"first/final.safetensors\" }";
    run(&["--out", "second", "--set", from]);
    // Steps of next to no size leave the weights where they started.
    let second = place.bytes("second/final.safetensors");
    let zero = [
        "--out",
        "third",
        "--set",
        from,
        "--set",
        "dynamics.0.step_size=1e-300",
    ];
    run(&zero);
    assert_ne!(second, bytes);
    assert_eq!(place.bytes("third/final.safetensors"), bytes);
    let wrong = [
        &["run", "net.toml"],
        &one[..],
        &["--set", from, "--set", "network.layers=[3, 4, 5, 2]"],
    ]
    .concat();
    place.refuses(
        &wrong,
        &["layers.0.weight", "has shape [5, 3]", "needs [4, 3]"],
    );
}

/// Weights of chosen moments are the same bytes from shards and a resumed run, those at the end are
/// the final ones, and a run goes on from them.
#[test]
fn weights_on_the_way_are_written_and_start_another_run() {
    let place = place();
    let keep = "run.save_weights={ times = [0, 1, 2], trajectories = [0, 3] }";
    let run = |more: &[&str]| {
        let first = ["run", "net.toml", "-q", "--set", keep];
        place.succeeds(&[&first, more].concat())
    };
    run(&["--out", "whole"]);
    run(&["--out", "a", "--shard", "1/2"]);
    run(&["--out", "b", "--shard", "2/2"]);
    place.succeeds(&["merge", "a", "b", "--out", "merged"]);
    let name = |dynamics: u32, trajectory: u32, time: u32| {
        format!("weights/dynamics-{dynamics}-trajectory-{trajectory}-time-{time}.safetensors")
    };
    for (dynamics, trajectory, time) in [(0, 0, 1), (0, 3, 2), (1, 0, 0), (1, 3, 1)] {
        let file = name(dynamics, trajectory, time);
        let [whole, merged] = ["whole", "merged"].map(|f| place.bytes(&format!("{f}/{file}")));
        assert_eq!(whole, merged, "{file}");
    }
    let final_weights = place.bytes("whole/final.safetensors");
    let last = place.bytes(&format!("whole/{}", name(1, 0, 2)));
    let values = |bytes: &[u8], name: &str| {
        let tensors = safetensors::SafeTensors::deserialize(bytes).unwrap();
        tensors.tensor(name).unwrap().data().to_vec()
    };
    assert_eq!(
        values(&final_weights, "dynamics.1.layers.0.weight"),
        values(&last, "layers.0.weight")
    );
    let from = format!(
        "network.init={{ kind = \"file\", path = \"whole/{}\" }}",
        name(1, 0, 2)
    );
    let still = [
        "--set",
        &from,
        "--set",
        "dynamics.0.step_size=1e-300",
        "--out",
        "on",
    ];
    run(&still);
    let on = place.bytes("on/final.safetensors");
    assert_eq!(
        values(&on, "dynamics.0.layers.0.weight"),
        values(&last, "layers.0.weight")
    );
    let beyond = "run.save_weights={ times = [1], trajectories = [5] }";
    place.refuses(
        &["run", "net.toml", "--set", beyond],
        &["`run.save_weights.trajectories`", "trajectory 5"],
    );
}

fn expect_same(place: &Place, one: &str, other: &str) {
    for file in ["series.parquet", "final.safetensors"] {
        let [a, b] = [one, other].map(|folder| place.bytes(&format!("{folder}/{file}")));
        assert!(a == b, "{file} differs between {one} and {other}");
    }
}

#[test]
fn threads_do_not_change_a_byte() {
    let place = place();
    for precision in ["f64", "f32"] {
        let set = format!("network.precision={precision}");
        for (out, threads) in [("one", "1"), ("two", "2"), ("many", "7")] {
            let run = [
                "run",
                "net.toml",
                "-q",
                "--force",
                "--out",
                out,
                "--threads",
                threads,
                "--set",
                &set,
            ];
            place.succeeds(&run);
        }
        expect_same(&place, "one", "two");
        expect_same(&place, "one", "many");
    }
}

/// Killed up to three times, with other threads each time.
#[test]
fn a_killed_run_is_resumed_to_the_same_bytes() {
    until_caught(|times| {
        let place = place();
        let steps = format!("run.steps={}", 12_000 * times);
        let long = |more: &[&'static str]| {
            let run = [
                "run",
                "net.toml",
                "-q",
                "--checkpoint-seconds",
                "0.02",
                "--set",
                &steps,
                "--set",
                "run.keep_trajectories=false",
            ];
            [&run[..], more].concat()
        };
        let mut kills = 0;
        for threads in ["1", "2", "3"] {
            let arguments = long(&["--out", "r", "--resume", "--threads", threads]);
            kills += u32::from(killed(&place, &arguments, "r/checkpoint", Duration::ZERO));
        }
        place.succeeds(&long(&["--out", "r", "--resume"]));
        place.succeeds(&long(&["--out", "whole"]));
        expect_same(&place, "whole", "r");
        (kills > 0).then_some(())
    });
}

#[test]
fn two_linear_layers_give_what_the_exact_engine_gives() {
    let place = Place::new();
    let body =
        "[[dynamics]]\nkind = \"sgd\"\nlabel_noise = 0.5\n[run]\ntime = 1.0\ntrajectories = 3\n";
    let data = "name = \"x\"\n[data]\nkind = \"gaussian\"\nsamples = 20\ninputs = 3\noutputs = 2\n";
    place.write("width.toml", format!("{data}[network]\nwidth = 5\n{body}"));
    let init = "init = { kind = \"gaussian\", scale = 1.0 }";
    place.write(
        "layers.toml",
        format!("{data}[network]\nlayers = [3, 5, 2]\n{init}\n{body}"),
    );
    place.succeeds(&["run", "width.toml", "-q", "--out", "a"]);
    let printed = place.succeeds(&["run", "layers.toml", "-q", "--out", "b"]);
    assert!(printed.contains("the exact engine runs them"), "{printed}");
    expect_same(&place, "a", "b");
    let dense = [
        "run",
        "layers.toml",
        "-q",
        "--out",
        "c",
        "--set",
        "network.engine=dense",
    ];
    let printed = place.succeeds(&dense);
    assert!(printed.contains("dense engine: network.engine asks for it"));
}

#[test]
fn wrong_settings_are_refused_before_anything_is_written() {
    let place = place();
    place.write("c.csv", "a,b,class\n1,2,0\n3,4,1\n5,6,2\n");
    let table = "data={ kind = \"file\", path = \"c.csv\", targets = \"class\", one_hot = true }";
    let softmax = "network.loss=softmax-cross-entropy";
    let plain = "dynamics=[{ kind = \"gradient-descent\" }]";
    let cases: [(&[&str], &[&str]); 16] = [
        (
            &["network.layers=[4, 5, 2]"],
            &["`network.layers`", "3 inputs", "layers[0] = 3"],
        ),
        (
            &["network.layers=[3, 5, 3]"],
            &["`network.layers`", "2 targets"],
        ),
        (&[softmax], &["`network.loss`", "needs classes"]),
        (
            &[table, softmax, plain, "network.layers=[2, 2]"],
            &["row 2 is of class 2", "classes 0 to 1"],
        ),
        (
            &["dynamics.1.schedule={ kind = \"cosine\", steps = 100 }"],
            &["`dynamics.1.schedule`", "ends at step 100", "200 steps"],
        ),
        (
            &["dynamics.1.schedule={ kind = \"piecewise\", steps = [300], factors = [0.1] }"],
            &["reaches to step 300"],
        ),
        (&["network.activation=swish"], &["known values", "relu"]),
        (
            &["dynamics.1.batch_size=13", "dynamics.1.sampling=epochs"],
            &["`dynamics.1.noise`", "12 rows"],
        ),
        (
            &["dynamics.1.noise=[{ kind = \"label-flips\", probability = 0.1 }]"],
            &["need classes"],
        ),
        (
            &["network.init={ kind = \"balanced\" }"],
            &["linear networks"],
        ),
        (&["run.measure.probe_rows=0"], &["probe_rows"]),
        (
            &["data={ kind = \"bundled\", dataset = \"digit\" }"],
            &["did you mean \"digits\""],
        ),
        (
            &["data={ kind = \"bundled\", dataset = \"digits\", held_out = 1797 }"],
            &["only 1797 rows"],
        ),
        (
            &["data={ kind = \"idx\", folder = \"nowhere\" }"],
            &["four files of MNIST"],
        ),
        (
            &["data={ kind = \"rows\", x = [1, 2], y = [[1, 2]] }"],
            &["`data.y` has 1 rows"],
        ),
        (
            &["run.trajectories=1e9", "run.save.points=200"],
            &["of memory"],
        ),
    ];
    for (sets, words) in cases {
        let mut arguments = vec!["run", "net.toml"];
        sets.iter()
            .for_each(|set| arguments.extend(["--set", *set]));
        place.refuses(&arguments, words);
    }
}

/// The four files of MNIST with images that say what they are: class c has pixel c lit.
fn write_mnist(place: &Place, folder: &str) {
    std::fs::create_dir_all(place.path(folder)).unwrap();
    for (part, rows) in [("train", 40_u32), ("t10k", 10)] {
        let header = |sizes: &[u32]| {
            let mut bytes = vec![0, 0, 8, sizes.len() as u8];
            sizes.iter().for_each(|s| bytes.extend(s.to_be_bytes()));
            bytes
        };
        let (mut images, mut labels) = (header(&[rows, 2, 2]), header(&[rows]));
        for row in 0..rows {
            let class = (row % 4) as u8;
            labels.push(class);
            images.extend((0..4).map(|p| if p == class { 255 } else { 0 }));
        }
        place.write(&format!("{folder}/{part}-images-idx3-ubyte"), images);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&labels).unwrap();
        let packed = packed.finish().unwrap();
        place.write(&format!("{folder}/{part}-labels-idx1-ubyte.gz"), packed);
    }
}

#[test]
fn images_are_found_and_learnt() {
    let place = place();
    write_mnist(&place, "sets/mnist");
    let sets = [
        "data={ kind = \"idx\", dataset = \"mnist\" }",
        "network={ layers = [4, 4], loss = \"softmax-cross-entropy\", precision = \"f32\" }",
        "dynamics=[{ kind = \"sgd\", step_size = 1.0, batch_size = 4, sampling = \"epochs\" }]",
        "run={ epochs = 50, save = { points = 5 } }",
    ];
    let mut arguments = vec!["run", "net.toml", "-q", "--out", "r"];
    sets.iter()
        .for_each(|set| arguments.extend(["--set", *set]));
    let mut command = place.command(&arguments);
    let output = command
        .env("RANKFALL_DATA", place.path("sets"))
        .output()
        .unwrap();
    support::expect_end(&output, &arguments, 0, &[]);
    let summary = place.summary("r");
    assert_eq!(summary["problem"]["held_out"], 10);
    assert_eq!(
        summary["dynamics"][0]["held_out_accuracy"]["final_mean"],
        1.0
    );
    let output = place
        .command(&["data"])
        .env("RANKFALL_DATA", place.path("sets"))
        .output()
        .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(
        listed.contains("sets/mnist") && listed.contains("digits"),
        "{listed}"
    );
    // Other bytes under the same name are not what the copy was run on.
    place.write("sets/mnist/t10k-images-idx3-ubyte", b"damaged");
    let again = ["run", "r/experiment.toml", "--out", "s"];
    let output = place
        .command(&again)
        .env("RANKFALL_DATA", place.path("sets"))
        .output()
        .unwrap();
    support::expect_end(&output, &again, 2, &["IDX file"]);
}

#[test]
fn a_run_of_which_nothing_survives_keeps_its_record() {
    let place = place();
    let arguments = [
        "run",
        "net.toml",
        "-q",
        "--out",
        "r",
        "--set",
        "dynamics.0.step_size=1e6",
    ];
    place.ends(
        &arguments,
        1,
        &[
            "every trajectory of \"gradient descent\" diverged",
            "smaller step_size",
        ],
    );
    let summary = place.summary("r");
    assert_eq!(summary["dynamics"][0]["diverged"], 5);
    assert!(summary["dynamics"][0]["loss"]["final_mean"].is_null());
}
