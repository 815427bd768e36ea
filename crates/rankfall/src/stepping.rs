//! Trajectories of two linear layers, step by step, for those who want the loop.

use crate::engine::{Engine, Recorder};
use crate::exact::engine::ExactEngine;
use crate::experiment::Experiment;
use crate::failure::{Failure, quoted};
use crate::preparation::of_setup;
use rankfall_core::ensemble::EnsembleSpec;
use rankfall_core::ensemble::single::{SingleSpec, SingleTrajectory};
use rankfall_core::measure::layout::Layout;
use rankfall_core::model::class_problem::ClassProblem;
use rankfall_core::model::network::Weights;
use rankfall_core::model::setup::{InitialCondition, Setup};
use std::path::Path;
use std::sync::Arc;

/// Some trajectories of one dynamics as far as somebody took them: the same bits as in a run that
/// saves where this stops.
pub struct Stepper {
    setup: Setup,
    spec: EnsembleSpec,
    shared: Option<InitialCondition>,
    classes: Option<Arc<ClassProblem>>,
    layout: Layout,
    trajectories: Vec<SingleTrajectory>,
}

impl Experiment {
    /// The trajectories of the dynamics of this label at their start.
    ///
    /// # Errors
    /// As for [`Experiment::run`]; a label that there is not; a network for the dense engine.
    pub fn stepper(&self, label: &str) -> Result<Stepper, Failure> {
        let exact = self
            .exact()
            .map_err(|problem| problem.in_file("stepping"))?;
        let options = self.runner().options();
        let engine = ExactEngine::prepare(exact, Path::new("."), &options)?;
        let labels = engine.recorder().labels();
        let Some(dynamics) = labels.iter().position(|one| *one == label) else {
            let message = format!("there is no dynamics {}", quoted(label));
            let there: Vec<String> = labels.iter().map(|one| quoted(one)).collect();
            return Err(Failure::input(message).hint(format!("there are {}", there.join(", "))));
        };
        let mut spec = engine.recorder().ensemble(dynamics);
        let setup = engine.setup().clone();
        spec.trajectories = spec.effective_trajectories(&setup);
        spec.save_steps = vec![0];
        let initial = setup.initial_condition(0).map_err(of_setup)?;
        let problem = &initial.problem;
        let layout = spec.layout(
            problem.inputs,
            problem.outputs,
            initial.start.reduced_width(),
            problem.truth.is_some(),
        );
        let classes = spec.class_problem(&setup, problem).map_err(of_setup)?;
        let mut stepper = Stepper {
            shared: setup.is_shared().then_some(initial),
            trajectories: Vec::new(),
            setup,
            spec,
            classes,
            layout,
        };
        stepper.trajectories = (0..stepper.spec.trajectories)
            .map(|number| SingleTrajectory::moved(&stepper.single(), number, None))
            .collect::<Result<_, _>>()
            .map_err(of_setup)?;
        Ok(stepper)
    }
}

impl Stepper {
    fn single(&self) -> SingleSpec<'_> {
        SingleSpec {
            ensemble: &self.spec,
            setup: &self.setup,
            shared: self.shared.as_ref(),
            classes: self.classes.clone(),
        }
    }

    /// Takes so many steps of each trajectory.
    ///
    /// # Errors
    /// More steps than can be counted.
    pub fn advance(&mut self, steps: u64) -> Result<(), Failure> {
        const MOST: u64 = 1 << 53;
        let target = self.step().checked_add(steps).filter(|step| *step <= MOST);
        let Some(target) = target else {
            return Err(Failure::input("so many steps cannot be counted"));
        };
        if steps == 0 {
            return Ok(());
        }
        self.spec.save_steps = vec![0, target];
        let moved = (0..)
            .zip(&self.trajectories)
            .map(|(number, one)| SingleTrajectory::moved(&self.single(), number, Some(one)))
            .collect::<Result<_, _>>();
        self.trajectories = moved.map_err(of_setup)?;
        Ok(())
    }

    /// Steps taken.
    pub fn step(&self) -> u64 {
        self.trajectories.first().map_or(0, SingleTrajectory::step)
    }

    /// t.
    pub fn time(&self) -> f64 {
        self.step() as f64 * self.spec.time_unit
    }

    /// Which trajectories have not diverged.
    pub fn alive(&self) -> Vec<bool> {
        let all = self.trajectories.iter();
        all.map(SingleTrajectory::is_alive).collect()
    }

    /// The weights of every trajectory now.
    ///
    /// # Errors
    /// None that a run would not have had.
    pub fn weights(&self) -> Result<Vec<Weights>, Failure> {
        let spec = self.single();
        let all = self.trajectories.iter();
        all.map(|one| one.weights(&spec).map_err(of_setup))
            .collect()
    }

    /// Names and indices of what is measured, in the order of [`Stepper::values`].
    pub fn names(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.layout
            .observables
            .iter()
            .map(|one| (one.name, one.index))
    }

    /// What is measured of each trajectory now; NaN where undefined.
    pub fn values(&self) -> impl Iterator<Item = &[f64]> {
        self.trajectories.iter().map(SingleTrajectory::values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::DynamicsBuilder;

    #[test]
    fn steps_by_hand_have_the_bits_of_a_run() {
        let experiment = Experiment::builder("by-hand")
            .gaussian(40, 3, 2)
            .width(6)
            .dynamics(DynamicsBuilder::gradient_flow("GF"))
            .dynamics(DynamicsBuilder::stochastic_gradient_flow("SGF").label_noise(1.0))
            .dynamics(DynamicsBuilder::sgd("SGD").label_noise(1.0))
            .time(1.0)
            .trajectories(5)
            .save_points(2)
            .set("run.keep_trajectories", true)
            .build()
            .unwrap();
        let run = experiment.run().unwrap();
        for (dynamics, label) in ["GF", "SGF", "SGD"].into_iter().enumerate() {
            let mut stepper = experiment.stepper(label).unwrap();
            let kept = &run.kept(dynamics).unwrap().values;
            assert_eq!(kept.len(), stepper.alive().len());
            let cells = stepper.names().count();
            // Gradient flow is integrated from save to save, and SGD is measured where it stops.
            let portions: &[u64] = if label != "SGF" {
                &[0, 50, 50]
            } else {
                &[0, 50, 7, 43]
            };
            for (save, portion) in portions.iter().enumerate() {
                stepper.advance(*portion).unwrap();
                if save > 1 && portions.len() > 3 && save != 3 {
                    continue;
                }
                let place = save.min(2) * cells;
                for (values, (_, run)) in stepper.values().zip(kept) {
                    let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits();
                    assert!(
                        values.iter().zip(&run[place..place + cells]).all(same),
                        "{label} {save}"
                    );
                }
            }
            assert_eq!((stepper.step(), stepper.time()), (100, 1.0));
            let weights = stepper.weights().unwrap().swap_remove(0);
            let (tensor, entry) = (run.weights().nth(2 * dynamics).unwrap(), weights.w1[(1, 2)]);
            assert_eq!(tensor.values[6 + 2].to_bits(), entry.to_bits());
        }
    }
}
