//! Data whose targets a teacher network says.

use crate::experiment::document::InputProblem;
use crate::experiment::keys::MOST_ROWS;
use crate::experiment::layers;
use crate::experiment::section::{Field, Section};
use rankfall_nets::network::{Architecture, Network, NetworkSpec};
use rankfall_nets::teacher::TeacherSpec;

/// Data from a teacher network.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkTeacher {
    /// The recipe.
    pub spec: TeacherSpec,
    /// A teacher and inputs of its own for each trajectory.
    pub each_trajectory: bool,
}

pub(super) fn read(section: &Section) -> Result<NetworkTeacher, InputProblem> {
    let samples = section.required("samples")?;
    let table = section.required("teacher")?.section()?;
    let spec = NetworkSpec {
        layers: layers::widths(&table.required("layers")?)?,
        activation: layers::activation(&table)?,
        bias: table.flag("bias")?,
        kind: Architecture::Dense,
    };
    let built = Network::new(&spec).map_err(|error| table.problem(error.to_string()))?;
    let init = table.required("init")?;
    let most = built.inputs() as u64;
    let relevant = table.optional("relevant_inputs", |f| f.integer(1..=most))?;
    Ok(NetworkTeacher {
        spec: TeacherSpec {
            samples: samples.integer(1..=MOST_ROWS)? as usize,
            held_out: section.whole("held_out")? as usize,
            inputs: section.pick("input_law")?,
            weights: layers::drawn(&init, "pytorch-default", Some(&built))?,
            teacher: spec,
            unit_norm: table.flag("unit_norm")?,
            relevant_inputs: relevant.map(|n| n as usize),
            residual_noise: section.number("residual_noise")?,
            observed: section.optional("observed", Field::number)?,
        },
        each_trajectory: section.flag("each_trajectory")?,
    })
}
