//! Sweeps: one table of all points, the same bytes however the work was divided, and errors that
//! name the point.

mod support;

use std::time::Duration;
use support::stopping::{killed, until_caught};
use support::{Place, expect_same_files};

/// Two dynamics over a plane in which the largest step diverges from the start.
const OVER: &[&str] = &[
    "--over",
    "dynamics.1.label_noise=0.5,2",
    "--over",
    "dynamics.1.step_size=log(1e-2,10,4)",
];

const SGD: &[&str] = &[
    "--set",
    "dynamics=[{ kind = \"stochastic-gradient-flow\", label_noise = 1.0 }, { kind = \"sgd\", \
     step_size = 0.02 }]",
];

fn swept<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["sweep", "good.toml", "-q"], SGD, OVER, more].concat()
}

fn expect_same_bytes(place: &Place, one: &str, other: &str) {
    expect_same_files(place, one, other, &["sweep.parquet"]);
    let without_timing = |folder: &str| {
        let mut summary = place.summary(folder);
        summary.as_object_mut().unwrap().remove("seconds").unwrap();
        summary
    };
    assert_eq!(without_timing(one), without_timing(other));
}

/// A row of the table as text: point, dynamics, metric, index and the three numbers.
#[derive(Clone, Debug)]
struct Row {
    point: i64,
    coordinates: Vec<f64>,
    dynamics: String,
    metric: String,
    index: i32,
    value: Option<f64>,
    std_error: Option<f64>,
    prediction: Option<f64>,
}

fn rows(place: &Place, folder: &str, axes: usize) -> Vec<Row> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    let file = std::fs::File::open(place.path(&format!("{folder}/sweep.parquet"))).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let number = |field: &Field| match field {
        Field::Double(x) => Some(*x),
        _ => None,
    };
    let text = |field: &Field| match field {
        Field::Str(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    };
    let row = |row: parquet::record::Row| {
        let fields: Vec<Field> = row.get_column_iter().map(|(_, f)| f.clone()).collect();
        assert_eq!(fields.len(), axes + 7);
        let (Field::Long(point), Field::Int(index)) = (&fields[0], &fields[axes + 3]) else {
            panic!("{fields:?}")
        };
        Row {
            point: *point,
            coordinates: fields[1..=axes].iter().filter_map(number).collect(),
            dynamics: text(&fields[axes + 1]),
            metric: text(&fields[axes + 2]),
            index: *index,
            value: number(&fields[axes + 4]),
            std_error: number(&fields[axes + 5]),
            prediction: number(&fields[axes + 6]),
        }
    };
    reader
        .get_row_iter(None)
        .unwrap()
        .map(|r| row(r.unwrap()))
        .collect()
}

fn find<'a>(rows: &'a [Row], point: i64, dynamics: &str, metric: &str, index: i32) -> &'a Row {
    rows.iter()
        .find(|r| {
            r.point == point && r.dynamics == dynamics && r.metric == metric && r.index == index
        })
        .unwrap_or_else(|| panic!("no {metric} {index} of {dynamics} at {point}"))
}

#[test]
fn a_point_has_the_numbers_of_a_run_with_its_values() {
    let place = Place::new();
    place.succeeds(&swept(&["--out", "s"]));
    let rows = rows(&place, "s", 2);
    let values: Vec<(f64, f64)> = (0..8)
        .map(|point| {
            let at = &find(&rows, point, "SGD", "loss", 0).coordinates;
            (at[0], at[1])
        })
        .collect();
    assert_eq!(values[0], (0.5, 0.01));
    assert_eq!(values[3], (0.5, 10.0));
    assert_eq!(values[4], (2.0, 0.01));
    let run = [&["run", "good.toml", "-q", "--out", "r"], SGD].concat();
    place.succeeds(
        &[
            &run[..],
            &[
                "--set",
                "dynamics.1.label_noise=2",
                "--set",
                "dynamics.1.step_size=0.01",
            ],
        ]
        .concat(),
    );
    let summary = place.summary("r");
    for (index, dynamics) in ["stochastic gradient flow", "SGD"].into_iter().enumerate() {
        let of_run = &summary["dynamics"][index];
        for (metric, value) in [
            ("loss", &of_run["loss"]["final_mean"]),
            ("excess_loss", &of_run["excess_loss"]["final_mean"]),
            (
                "effective_rank_theta",
                &of_run["effective_rank"]["final_mean"],
            ),
            (
                "effective_rank_w1",
                &of_run["effective_rank"]["w1"]["final_mean"],
            ),
            (
                "numerical_rank_w2",
                &of_run["numerical_rank"]["w2"]["final_mean"],
            ),
            (
                "surviving_singular_values",
                &of_run["numerical_rank"]["final_mean"],
            ),
        ] {
            let row = find(&rows, 4, dynamics, metric, 0);
            let (a, b) = (row.value.unwrap(), value.as_f64().unwrap());
            assert!(
                (a - b).abs() <= 1e-15 * b.abs(),
                "{dynamics} {metric}: {a} {b}"
            );
            assert!(row.std_error.is_some());
        }
    }
}

#[test]
fn slopes_meet_their_law_and_a_point_that_diverges_is_a_result() {
    let place = Place::new();
    let text = place.succeeds(&swept(&["--set", "run.time=40", "--out", "s"]));
    assert!(text.contains("8 points over"), "{text}");
    assert!(text.contains("s/sweep.parquet"), "{text}");
    let rows = rows(&place, "s", 2);
    for point in 0..8 {
        let slope = find(&rows, point, "stochastic gradient flow", "log_det_slope", 0);
        let (value, law) = (slope.value.unwrap(), slope.prediction.unwrap());
        assert!(law < 0.0 && (value / law - 1.0).abs() < 1e-10, "{slope:?}");
        let rates: Vec<f64> = (1..=5)
            .map(|i| {
                find(
                    &rows,
                    point,
                    "stochastic gradient flow",
                    "decay_rate_theta",
                    i,
                )
            })
            .map(|row| row.value.unwrap())
            .collect();
        // log det M is twice the sum of the log σᵢ.
        assert!((2.0 * rates.iter().sum::<f64>() / law - 1.0).abs() < 1e-10);
    }
    for point in [3, 7] {
        assert_eq!(
            find(&rows, point, "SGD", "fraction_diverged", 0).value,
            Some(1.0)
        );
        assert!(
            find(&rows, point, "SGD", "first_divergence_time", 0)
                .value
                .unwrap()
                > 0.0
        );
        assert_eq!(find(&rows, point, "SGD", "loss", 0).value, None);
        let slope = find(&rows, point, "SGD", "log_det_slope", 0);
        assert!(slope.value.is_none() && slope.prediction.is_some());
    }
    let calm = find(&rows, 0, "SGD", "fraction_diverged", 0);
    assert_eq!((calm.value, calm.std_error), (Some(0.0), Some(0.0)));
    let summary = place.summary("s");
    assert_eq!(summary["kind"], "sweep");
    assert_eq!(summary["points"], 8);
    assert_eq!(summary["axes"][1]["values"].as_array().unwrap().len(), 4);
    assert_eq!(summary["dynamics"][0]["points_with_divergence"], 0);
    assert!(
        summary["dynamics"][1]["points_without_survivors"]
            .as_u64()
            .unwrap()
            >= 2
    );
    assert!(place.path("s/report.html").exists());
    assert!(place.path("s/figures/heat_maps_1.svg").exists());
}

#[test]
fn threads_and_shards_and_the_table_of_the_file_change_no_byte() {
    let place = Place::new();
    place.succeeds(&swept(&["--out", "one", "--threads", "1"]));
    place.succeeds(&swept(&["--out", "many", "--threads", "7"]));
    expect_same_bytes(&place, "one", "many");
    for count in [3_usize, 11] {
        let mut folders = Vec::new();
        for index in 1..=count {
            let folder = format!("m{count}-{index}");
            let shard = format!("{index}/{count}");
            place.succeeds(&swept(&["--shard", &shard, "--out", &folder]));
            assert!(!place.path(&folder).join("summary.json").exists());
            folders.insert(index / 2, folder);
        }
        let out = format!("m{count}");
        let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
        place.ends(
            &[&["merge", "--out", &out], &folders[1..]].concat(),
            2,
            &["shards are missing"],
        );
        place.succeeds(&[&["merge", "--out", &out], &folders[..]].concat());
        expect_same_bytes(&place, "one", &out);
    }
    // The resolved copy is the sweep itself.
    place.succeeds(&["sweep", "one/experiment.toml", "-q", "--out", "again"]);
    expect_same_bytes(&place, "one", "again");
    // Figures are drawn again from the folder alone.
    let before = place.everything("one");
    std::fs::remove_dir_all(place.path("one/figures")).unwrap();
    place.succeeds(&["plot", "one"]);
    assert_eq!(place.everything("one"), before);
}

/// A sweep of that many times a good part of a second, with checkpoints.
fn long<'a>(time: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let settings = [
        "--set",
        time,
        "--set",
        "run.trajectories=64",
        "--checkpoint-seconds",
        "0.02",
    ];
    swept(&[&settings[..], more].concat())
}

fn time(times: u64) -> String {
    format!("run.time={}", 300 * times)
}

#[test]
fn a_killed_sweep_is_resumed_to_the_same_bytes() {
    until_caught(|times| {
        let (place, time) = (Place::new(), time(times));
        let arguments = long(&time, &["--out", "r", "--resume"]);
        let mut kills = 0;
        for _ in 0..3 {
            kills += u32::from(killed(&place, &arguments, "r/checkpoint", Duration::ZERO));
        }
        if !place.path("r/summary.json").exists() {
            let other = [&arguments[..], &["--set", "run.seed=9"]].concat();
            place.ends(
                &other,
                2,
                &["of another experiment", "run.seed = 1", "run.seed = 9"],
            );
            place.ends(&["plot", "r"], 2, &["not finished"]);
        }
        place.succeeds(&arguments);
        place.succeeds(&long(&time, &["--out", "whole"]));
        expect_same_bytes(&place, "whole", "r");
        assert!(!place.path("r/checkpoint").exists() && !place.path("r/running").exists());
        let text = place.succeeds(&arguments);
        assert!(text.contains("nothing was changed"), "{text}");
        (kills > 0).then_some(())
    });
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_says_so() {
    until_caught(|times| {
        let (place, time) = (Place::new(), time(times));
        let arguments = long(&time, &["--out", "r"]);
        let output = support::stopping::interrupted(&place, &arguments, "r/checkpoint", "-INT")?;
        support::expect_end(
            &output,
            &arguments,
            130,
            &["interrupted", "is in r", "--resume"],
        );
        assert!(place.path("r/checkpoint").exists());
        place.ends(&arguments, 2, &["not finished", "--resume"]);
        Some(())
    });
}

#[test]
fn random_designs_have_their_points_and_no_grid() {
    let place = Place::new();
    let over = [
        "--over",
        "network.width=log(5,50)",
        "--over",
        "dynamics.1.label_noise=0.5,2",
    ];
    let arguments = [
        &[
            "sweep",
            "good.toml",
            "-q",
            "--out",
            "s",
            "--design",
            "random",
            "--points",
            "9",
        ],
        &over[..],
    ]
    .concat();
    place.succeeds(&arguments);
    let summary = place.summary("s");
    assert_eq!(
        (summary["points"].as_u64(), &summary["design"]),
        (Some(9), &"random".into())
    );
    let rows = rows(&place, "s", 2);
    let widths: Vec<f64> = (0..9)
        .map(|p| find(&rows, p, "stochastic gradient flow", "loss", 0).coordinates[0])
        .collect();
    assert!(
        widths
            .iter()
            .all(|w| w.fract() == 0.0 && (5.0..=50.0).contains(w))
    );
    assert!(widths.iter().any(|w| *w != widths[0]));
    assert!(
        place
            .text("s/report.html")
            .contains("drawn at random and no grid")
    );
    place.succeeds(&["plot", "s"]);
}

/// Held against means and standard errors by hand, from the rows of `sweep.parquet`.
#[test]
fn seeds_are_averaged_in_ranges_and_on_the_page_and_kept_in_the_table() {
    let place = Place::new();
    let sweep = [
        "sweep",
        "good.toml",
        "-q",
        "--over",
        "run.seed=1,2,3",
        "--out",
    ];
    let text = place.succeeds(&[&sweep[..], &["s", "--over", "network.width=5,8"]].concat());
    assert!(
        text.contains("means over the 3 values of run.seed"),
        "{text}"
    );
    let rows = rows(&place, "s", 2);
    let label = "stochastic gradient flow";
    let at = |point: i64| {
        let row = find(&rows, point, label, "effective_rank_theta", 0);
        row.value.unwrap()
    };
    // Points are (seed, width): 0, 2 and 4 have width 5.
    let means = [0, 1].map(|w| (at(w) + at(w + 2) + at(w + 4)) / 3.0);
    let summary = place.summary("s");
    assert_eq!(
        (&summary["seeds"], &summary["points"]),
        (&3.into(), &6.into())
    );
    let range = &summary["dynamics"][1]["effective_rank_theta"];
    let ends = [means[0].min(means[1]), means[0].max(means[1])];
    for (end, mean) in ends.into_iter().enumerate() {
        assert!((range[end].as_f64().unwrap() - mean).abs() < 1e-14);
    }
    let deviations = [0, 2, 4].map(|point| (at(point) - means[0]) * (at(point) - means[0]));
    let error = (deviations.iter().sum::<f64>() / 2.0 / 3.0).sqrt();
    let page = place.text("s/report.html");
    assert!(page.contains("2 settings, each the mean over 3 seeds"));
    assert!(page.contains("standard error over seeds"));
    assert!(page.contains("mean over 3 seeds") && !page.contains("· seed 1"));
    let figure = place.text("s/figures/line_families_0.svg");
    assert!(figure.contains("bars: ± their standard error"));
    use rankfall_report::number::compact;
    for shown in [compact(means[0], 5), compact(error, 2)] {
        assert!(
            page.contains(&format!(">{shown}<")),
            "{shown} is not on the page"
        );
    }
    assert!(place.path("s/figures/line_families_0.svg").exists());
    assert!(!place.path("s/figures/heat_maps_0.svg").exists());
    // The seed alone leaves one setting and no figure, which is said.
    let text = place.succeeds(&[&sweep[..], &["one"]].concat());
    assert!(text.contains("line_families is not drawn"), "{text}");
    assert!(place.text("one/report.html").contains("1 settings, each"));
}

#[test]
fn wrong_sweeps_are_refused_before_anything_is_written() {
    let place = Place::new();
    let refuses = |arguments: &[&str], words: &[&str]| {
        place.refuses(&[&["sweep", "good.toml"], arguments].concat(), words);
    };
    refuses(&[], &["nothing varies", "--over", "KEY=SPEC"]);
    refuses(
        &["--over", "dynamics.1.stepsize=1,2"],
        &["did you mean `step_size`"],
    );
    refuses(
        &["--over", "dynamics.1.step_size=log(0,1,3)"],
        &["--over", "greater than 0"],
    );
    refuses(
        &["--over", "dynamics.1.step_size=geom(0,1,3)"],
        &["\"geom\" is not known", "log(a,b,n)"],
    );
    refuses(&["--over", "dynamics.1.step_size"], &["no `=`"]);
    refuses(
        &["--over", "network.width=5,6,5"],
        &["`network.width` has 5 twice"],
    );
    refuses(
        &["--over", "network.width=5,0"],
        &["point 2 of 2 (network.width = 0)", "`network.width` is 0"],
    );
    refuses(
        &[
            "--over",
            "data.inputs=2,3",
            "--over",
            "data.teacher_rank=1,2,3",
        ],
        &["point 3 of 6 (data.inputs = 2, data.teacher_rank = 3)"],
    );
    refuses(
        &[
            "--set",
            "network.init.smallest_singular_value=1e-3",
            "--over",
            "network.width=5,6,4",
        ],
        &[
            "point 3 of 3 (network.width = 4)",
            "at least inputs + outputs = 5",
        ],
    );
    refuses(
        &[
            "--over",
            "run.seed=linear(1,1000,1000)",
            "--over",
            "network.width=linear(5,1004,1000)",
        ],
        &["at most 100000"],
    );
    refuses(
        &["--over", "run.seed=1,2", "--set", "run.seed=4"],
        &["`run.seed` varies, so --set cannot set it"],
    );
    refuses(&["--over", "run.seed=1,2", "--vary-seed"], &["vary_seed"]);
    for (one, other) in [
        ("dynamics.*.label_noise=1,2", "dynamics.1.label_noise=3,4"),
        (
            "network.init.scale=1,2",
            "network.init={scale=1.0},{scale=2.0}",
        ),
        ("network.width=5,6", "network.width=7"),
    ] {
        let keys = [one, other].map(|over| format!("`{}`", over.split_once('=').unwrap().0));
        let words = ["--over", &keys[0], &keys[1], "both set", "keep one of them"];
        refuses(&["--over", one, "--over", other], &words);
    }
    refuses(
        &[
            "--over",
            "dynamics.*.step_size=1,2",
            "--set",
            "dynamics.1.step_size=3",
        ],
        &["`dynamics.*.step_size` varies, so --set cannot set `dynamics.1.step_size`"],
    );
    refuses(
        &["--over", "run.save.points=5,9"],
        &[
            "`run.save.points` varies, but nothing",
            "leave this axis out",
        ],
    );
    refuses(
        &["--over", "run.time=1..5"],
        &["a range is written linear(1,5,16)"],
    );
    refuses(
        &["--over", "run.seed=1,2", "--points", "3"],
        &["random design"],
    );
    refuses(
        &["--over", "run.seed=1,2", "--design", "random"],
        &["number of points"],
    );
    refuses(&["--over", "run.time=1e300"], &["point 1 of 1", "2^53"]);
    refuses(
        &["--over", "run.trajectories=1,1e9", "--set", "run.time=1e7"],
        &["point 2 of 2", "years"],
    );
    let with_table = format!("{}[sweep.over]\nrun.seed = [1, 2]\n", support::GOOD);
    place.write("table.toml", &with_table);
    place.refuses(
        &["run", "table.toml"],
        &["has a [sweep] table", "rankfall sweep table.toml"],
    );
    place.write(
        "table.toml",
        with_table.replace("[sweep.over]", "[sweep]\ndesgin = 1\n[sweep.over]"),
    );
    place.refuses(
        &["sweep", "table.toml"],
        &["table.toml:", "did you mean `design`"],
    );
}

/// Networks of any depth, over their layers: every point has metrics by layer, and the same bytes
/// in shards.
#[test]
fn layers_and_noise_of_a_deep_network_are_swept() {
    let place = Place::new();
    place.write(
        "deep.toml",
        "name = \"deep\"\n[data]\nkind = \"gaussian\"\nsamples = 20\ninputs = 3\noutputs = 2\n\
         [network]\nlayers = [3, 4, 4, 2]\n[[dynamics]]\nkind = \"label-noise-gradient-descent\"\n\
         step_size = 0.02\n[run]\nsteps = 40\ntrajectories = 3\n\
         [sweep]\nover = { \"network.layers\" = [[3, 4, 4, 2], [3, 6, 2], [3, 5, 5, 5, 2]], \
         \"dynamics.0.label_noise\" = [0.5, 2.0] }\n",
    );
    let sweep = |more: &[&str]| place.succeeds(&[&["sweep", "deep.toml", "-q"], more].concat());
    let printed = sweep(&["--out", "whole"]);
    assert!(
        printed.contains("6 points over network.layers × dynamics.0.label_noise")
            || printed.contains("6 points over dynamics.0.label_noise × network.layers"),
        "{printed}"
    );
    assert!(printed.contains("effective rank layer 1"), "{printed}");
    assert!(place.path("whole/figures/heat_maps.png").exists());
    for index in ["1", "2"] {
        sweep(&[
            "--shard",
            &format!("{index}/2"),
            "--out",
            &format!("s{index}"),
        ]);
    }
    place.succeeds(&["merge", "s2", "s1", "--out", "merged"]);
    expect_same_bytes(&place, "whole", "merged");
}
