//! The `[sweep]` table and `--over`: which values vary, and how points are chosen.

mod axis;
mod range;

pub use axis::SweepAxisSpec;
pub use range::AxisRange;

use super::document::{InputProblem, Origin, TomlNode, Value};
use super::keys;
use super::section::{Field, Section};
use axis::EXAMPLE;

/// What varies, and how points are chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepSpec {
    /// One axis per value that varies, in order.
    pub axes: Vec<SweepAxisSpec>,
    /// How points are chosen.
    pub design: Design,
    /// Whether every point has a seed of its own; all share the experiment's otherwise.
    pub vary_seed: bool,
}

/// How the points of a sweep are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// Every combination of the values of the axes; the last axis varies fastest.
    Grid,
    /// So many points, each axis drawn independently.
    Random {
        /// How many.
        points: u64,
    },
}

/// What the command line says of a sweep.
#[derive(Clone, Debug, Default)]
pub struct SweepOptions {
    /// `--over`, as given.
    pub over: Vec<String>,
    /// `--design`.
    pub random: Option<bool>,
    /// `--points`.
    pub points: Option<u64>,
    /// `--vary-seed`.
    pub vary_seed: bool,
}

/// Reads the `[sweep]` table of a file, if it has one, and what the command line says on top of it:
/// `--over` replaces the axis of that key, or adds one.
pub fn read(root: &TomlNode, given: &SweepOptions) -> Result<SweepSpec, InputProblem> {
    let table = root.get("sweep");
    let section = table.map(|table| Section::open(table, "sweep", &keys::SWEEP));
    let section = section.transpose()?;
    let field = |name| section.as_ref()?.field(name);
    let mut axes = Vec::new();
    if let Some(over) = field("over") {
        read_over(&over, over.node, "", &mut axes)?;
    }
    let design = field("design").map(|f| f.chosen()).transpose()?;
    let points = field("points").map(|f| f.whole()).transpose()?;
    let vary_seed = field("vary_seed").map(|f| f.flag()).transpose()?;
    replace_axes(&mut axes, &given.over)?;
    let origin = table.map_or(Origin::Whole, |table| table.origin.clone());
    if axes.is_empty() {
        let message = "nothing varies: there is neither --over nor a [sweep] table with `over`";
        return Err(InputProblem::new(&origin, message).hint(EXAMPLE));
    }
    let random = given.random.unwrap_or(design == Some("random"));
    Ok(SweepSpec {
        axes,
        design: chosen_design(random, given.points.or(points), &origin)?,
        vary_seed: vary_seed.unwrap_or(false) || given.vary_seed,
    })
}

/// Puts the axes of `--over` in the place of those with the same key, or behind all others.
fn replace_axes(axes: &mut Vec<SweepAxisSpec>, over: &[String]) -> Result<(), InputProblem> {
    let over = over.iter().map(|one| SweepAxisSpec::from_argument(one));
    let over = over.collect::<Result<Vec<_>, _>>()?;
    refuse_overlaps(axes)?;
    refuse_overlaps(&over)?;
    for axis in over {
        match axes.iter_mut().find(|a| a.key == axis.key) {
            Some(old) => *old = axis,
            None => axes.push(axis),
        }
    }
    refuse_overlaps(axes)
}

fn chosen_design(
    random: bool,
    points: Option<u64>,
    origin: &Origin,
) -> Result<Design, InputProblem> {
    let (message, hint) = match (random, points) {
        (true, Some(points)) => return Ok(Design::Random { points }),
        (false, None) => return Ok(Design::Grid),
        (true, None) => (
            "a random design needs its number of points",
            "add points = 100, or --points 100",
        ),
        (false, Some(_)) => (
            "`points` is for a random design; a grid has all combinations",
            "leave it out, or choose design = \"random\" (--design random)",
        ),
    };
    Err(InputProblem::new(origin, message).hint(hint))
}

/// Refuses axes of which one sets what another sets.
fn refuse_overlaps(axes: &[SweepAxisSpec]) -> Result<(), InputProblem> {
    for (position, axis) in axes.iter().enumerate() {
        let clash = axes[..position]
            .iter()
            .find(|other| other.sets(&axis.key) || axis.sets(&other.key));
        if let Some(other) = clash {
            return Err(other.overlap(axis));
        }
    }
    Ok(())
}

/// Reads `over`: keys in quotes, or tables within tables.
fn read_over(
    over: &Field,
    node: &TomlNode,
    path: &str,
    axes: &mut Vec<SweepAxisSpec>,
) -> Result<(), InputProblem> {
    let Value::Table(entries) = &node.value else {
        return Err(over
            .wrong_type("a table")
            .hint("write over = { \"dynamics.0.step_size\" = \"log(1e-4,1e-1,16)\" }"));
    };
    for entry in entries {
        let key = if path.is_empty() {
            entry.key.clone()
        } else {
            format!("{path}.{}", entry.key)
        };
        let origin = entry.origin.clone();
        let axis = match &entry.node.value {
            Value::Table(_) => {
                read_over(over, &entry.node, &key, axes)?;
                continue;
            }
            Value::Text(text) => SweepAxisSpec::new(&key, text.trim(), origin)?,
            Value::List(items) if items.is_empty() => {
                return Err(InputProblem::new(&origin, format!("`{key}` has no values")));
            }
            Value::List(items) => {
                SweepAxisSpec::with_range(&key, AxisRange::List(items.clone()), origin)?
            }
            _ => {
                let range = AxisRange::List(vec![entry.node.clone()]);
                SweepAxisSpec::with_range(&key, range, origin)?
            }
        };
        axes.push(axis);
    }
    Ok(())
}

/// The `[sweep]` table of the resolved copy.
pub fn resolved(spec: &SweepSpec) -> String {
    let text = |text: &str| toml::Value::from(text).to_string();
    let mut lines = "\n[sweep]\n".to_owned();
    match spec.design {
        Design::Grid => lines += "design = \"grid\"\n",
        Design::Random { points } => {
            lines += &format!("design = \"random\"\npoints = {points}\n");
        }
    }
    lines += &format!("vary_seed = {}\n\n[sweep.over]\n", spec.vary_seed);
    for axis in &spec.axes {
        lines += &format!("{} = {}\n", text(&axis.key), axis.range.as_toml());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::document::{parse, shown};
    use super::*;

    fn read_text(text: &str, over: &[&str]) -> Result<SweepSpec, InputProblem> {
        let given = SweepOptions {
            over: over.iter().map(|s| (*s).to_owned()).collect(),
            ..SweepOptions::default()
        };
        read(&parse(text).unwrap(), &given)
    }

    #[test]
    fn tables_and_arguments_say_the_same() {
        let keys_and_values = |spec: &SweepSpec| -> Vec<(String, Vec<String>)> {
            let values = |a: &SweepAxisSpec| a.values().unwrap().iter().map(shown).collect();
            spec.axes
                .iter()
                .map(|a| (a.key.clone(), values(a)))
                .collect()
        };
        let arguments = read_text("", &["d.0.x=log(1,4,3)", "n.w=1,2"]).unwrap();
        for text in [
            "[sweep]\nover = { \"d.0.x\" = \"log(1,4,3)\", \"n.w\" = [1, 2] }",
            "[sweep.over]\n\"d.0.x\" = [1, 2, 4]\nn.w = \"1,2\"",
            "[sweep.over]\nd.0.x = \"1,2,4\"\nn.w = \"linear(1,2,2)\"",
        ] {
            let table = read_text(text, &[]).unwrap();
            assert_eq!(
                keys_and_values(&table),
                keys_and_values(&arguments),
                "{text}"
            );
            let again = read_text(&resolved(&table), &[]).unwrap();
            assert_eq!(keys_and_values(&again), keys_and_values(&table));
        }
        let replaced = read_text("[sweep.over]\n\"n.w\" = [7]", &["n.w=1", "d.x=2"]).unwrap();
        assert_eq!(replaced.axes.len(), 2);
        assert_eq!(replaced.axes[0].written, "1");
    }

    #[test]
    fn axes_that_set_the_same_value_are_refused_and_both_named() {
        for (table, over, named) in [
            ("", &["d.*.k=1,2", "d.0.k=3,4"][..], ["`d.*.k`", "`d.0.k`"]),
            ("", &["d.0.k=1,2", "d.*.k=3,4"], ["`d.*.k`", "`d.0.k`"]),
            (
                "",
                &["n.init={a=1},{a=2}", "n.init.a=3"],
                ["`n.init`", "`n.init.a`"],
            ),
            ("", &["n.w=1,2", "n.w=3"], ["`n.w`", "same value"]),
            ("", &["d.00.k=1,2", "d.0.k=3"], ["`d.0.k`", "same value"]),
            ("", &["d.*.k=1,2", "d . 1 . k=3"], ["`d.*.k`", "`d.1.k`"]),
            (
                "[sweep.over]\n\"n.w\" = [1]\nn.w = [2]",
                &[],
                ["`n.w`", "same value"],
            ),
            (
                "[sweep.over]\n\"d.0.k\" = [1]",
                &["d.*.k=2"],
                ["`d.0.k`", "`d.*.k`"],
            ),
        ] {
            let message = read_text(table, over).unwrap_err().message;
            assert!(
                named.iter().all(|n| message.contains(n)),
                "{over:?}: {message}"
            );
        }
        for over in [
            ["d.0.k=1,2", "d.1.k=3"],
            ["d.*.k=1", "d.*.j=2"],
            ["n.w=1", "n.width=2"],
        ] {
            assert_eq!(read_text("", &over).unwrap().axes.len(), 2, "{over:?}");
        }
        // A key of the table in another spelling is that key, and --over replaces its values.
        let replaced = read_text("[sweep.over]\n\"d.0.k\" = [1]", &["d.00.k=2"]).unwrap();
        assert_eq!(
            (replaced.axes.len(), &replaced.axes[0].written[..]),
            (1, "2")
        );
    }

    #[test]
    fn designs_need_what_they_need() {
        let refused = |text: &str| read_text(text, &[]).unwrap_err().message;
        assert!(refused("").contains("nothing varies"));
        assert!(refused("[sweep]\nover = 3").contains("must be a table"));
        let axis = "over = { \"n.w\" = [1] }";
        assert!(refused(&format!("[sweep]\n{axis}\ndesign = \"random\"")).contains("number of"));
        assert!(refused(&format!("[sweep]\n{axis}\npoints = 3")).contains("random design"));
        assert!(refused(&format!("[sweep]\n{axis}\ndesgin = 3")).contains("`design`"));
        assert!(refused(&format!("[sweep]\n{axis}\ndesign = \"gird\"")).contains("grid"));
    }
}
