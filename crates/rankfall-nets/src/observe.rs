//! Measures one trajectory at its save times. Looking never changes a path.

use std::sync::Arc;

use faer::MatRef;

use crate::alignment::TeacherSubspaces;
use crate::data::{Dataset, Targets};
use crate::features;
use crate::gradient::Workspace;
use crate::layout::{MeasureSpec, MeasurementLayout, NetworkQuantities};
use crate::loss::{Loss, accuracy};
use crate::neurons::Neurons;
use crate::scalar::Real;
use crate::sharpness;
use crate::spectra::{self, SingularSpectrum};
use crate::training::{TrainerState, TrainingPlan};

/// Rows that pass through the network at once when a loss is measured.
const CHUNK: usize = 256;

/// Measures trajectories that share data.
pub struct TrainingObserver<T: Real> {
    plan: Arc<TrainingPlan>,
    measure: MeasureSpec,
    measured: NetworkQuantities,
    layout: MeasurementLayout,
    train: Arc<Dataset<T>>,
    held_out: Option<Arc<Dataset<T>>>,
    probe: Dataset<T>,
    /// Rows that the Hessian is of; none where it is not measured.
    curved: Dataset<T>,
    /// Of linear data, where alignment is measured.
    teacher: Option<TeacherSubspaces>,
    workspace: Workspace<T>,
    chunk: Dataset<T>,
}

impl<T: Real> TrainingObserver<T> {
    /// For data from [`TrainingPlan::fit`] and a specification that passed [`MeasureSpec::check`].
    pub fn new(
        plan: Arc<TrainingPlan>,
        measure: &MeasureSpec,
        train: Arc<Dataset<T>>,
        held_out: Option<Arc<Dataset<T>>>,
    ) -> Self {
        let measured = NetworkQuantities::new(&plan.network, measure);
        let layout = measured.layout(&plan, train.has_classes(), held_out.is_some());
        let mut probe = train.empty_like();
        if measure.probe_rows > 0 {
            let rows = features::probe_rows(&train, measure.probe_rows, plan.spec.seed);
            train.gather(&rows, &mut probe);
        }
        let mut curved = train.empty_like();
        if measure.sharpness {
            curved = sharpness::spread_rows(&train, train.rows().min(sharpness::MOST_ROWS));
        }
        let map = train.linear_teacher().filter(|_| measure.alignment);
        Self {
            curved,
            teacher: map.and_then(|map| TeacherSubspaces::of(map, train.inputs())),
            workspace: Workspace::new(&plan.network),
            chunk: train.empty_like(),
            measure: measure.clone(),
            plan,
            measured,
            layout,
            train,
            held_out,
            probe,
        }
    }

    /// What is measured.
    pub fn layout(&self) -> &MeasurementLayout {
        &self.layout
    }

    /// Appends the measurements of save number `save` to `out`, in the order of the layout.
    /// `initial` are the log determinants of the stacks at the start, filled at save 0. False if
    /// a weight or the training loss is not finite: the trajectory has diverged.
    pub fn record(
        &mut self,
        state: &TrainerState<T>,
        save: usize,
        initial: &mut Vec<f64>,
        out: &mut Vec<f64>,
    ) -> bool {
        let start = out.len();
        let mut sound = state.parameters.iter().all(|w| w.to_f64().is_finite());
        if self.measure.takes_losses(save) {
            sound &= self.losses(&state.parameters, out);
        }
        let losses = NetworkQuantities::losses(self.train.has_classes(), self.held_out.is_some());
        out.resize(start + losses, f64::NAN);
        if self.measure.takes_spectra(save) {
            self.weights(state, initial, out);
            self.probe(&state.parameters, out);
            self.beyond_spectra(&state.parameters, out);
        }
        out.resize(start + self.layout.observables.len(), f64::NAN);
        sound
    }

    fn losses(&mut self, parameters: &[T], out: &mut Vec<f64>) -> bool {
        let train = self.train.clone();
        let (loss, hits) = self.evaluate(parameters, &train);
        out.push(loss);
        out.extend(hits);
        if let Some(held_out) = self.held_out.clone() {
            let (loss, hits) = self.evaluate(parameters, &held_out);
            out.push(loss);
            out.extend(hits);
        }
        loss.is_finite()
    }

    /// Mean loss, and accuracy where there are classes, a chunk of rows at a time.
    fn evaluate(&mut self, parameters: &[T], data: &Dataset<T>) -> (f64, Option<f64>) {
        let (network, loss) = (&self.plan.network, self.plan.spec.loss);
        let k = network.outputs();
        let (mut sum, mut hits) = (0.0, 0.0);
        let rows: Vec<u32> = (0..data.rows() as u32).collect();
        for chunk in rows.chunks(CHUNK) {
            data.gather(chunk, &mut self.chunk);
            let targets: &Targets<T> = self.chunk.targets();
            self.workspace.forward(network, parameters, self.chunk.x());
            let outputs = self.workspace.outputs();
            let value = match data.target_scales() {
                [] => loss.value(outputs, k, targets),
                scales => Loss::squared_in_units(outputs, scales, targets),
            };
            sum += chunk.len() as f64 * value;
            if data.has_classes() {
                hits += chunk.len() as f64 * accuracy(loss, outputs, k, targets);
            }
        }
        let count = rows.len() as f64;
        (sum / count, data.has_classes().then_some(hits / count))
    }

    fn weights(&self, state: &TrainerState<T>, initial: &mut Vec<f64>, out: &mut Vec<f64>) {
        let (network, parameters) = (&self.plan.network, &state.parameters[..]);
        let tolerance = self.measure.rank_tolerance;
        for layer in network.layers() {
            let spectrum = spectra::of_layer(layer, parameters, self.measure.spectra);
            out.extend(&spectrum.logs);
            out.extend(spectrum.ranks(tolerance));
            if layer.inputs == layer.outputs {
                out.push(spectrum.log_abs_det());
            }
        }
        if self.measured.product > 0 {
            let spectrum = spectra::of_product(network, parameters, self.measured.product);
            out.extend(&spectrum.logs);
            out.extend(spectrum.ranks(tolerance));
        }
        let stack = |j| 2.0 * spectra::of_stack(network, parameters, j).log_abs_det();
        let stacks: Vec<f64> = (1..=self.measured.stacks).map(stack).collect();
        out.extend(&stacks);
        if state.step == 0 {
            initial.clone_from(&stacks);
        }
        for (change, &j) in state.law.iter().zip(self.plan.stack_law.stacks()) {
            out.push(
                initial
                    .get(j - 1)
                    .map_or(f64::NAN, |before| before + change),
            );
        }
        let balance = |j| spectra::balance_distance(network, parameters, j);
        out.extend((1..=self.measured.balance).map(balance));
    }

    /// Neurons, alignment with the teacher, and the Hessian.
    fn beyond_spectra(&self, parameters: &[T], out: &mut Vec<f64>) {
        let (plan, network) = (&self.plan, &self.plan.network);
        for j in 1..=self.measured.neurons {
            let neurons = Neurons::of_layer(network, parameters, j);
            let distinct = neurons.distinct();
            out.extend(&neurons.log_sizes);
            out.extend([neurons.vanished, neurons.duplicates, distinct].map(|n| n as f64));
        }
        if let Some(teacher) = &self.teacher {
            out.extend(teacher.of_product(network, parameters));
            let shares = teacher.shares(network, parameters);
            out.extend(&shares[..network.layers().len().min(2)]);
        }
        if self.measured.sharpness {
            let hessian = sharpness::hessian(plan, &self.curved, parameters);
            let probes = self.measure.trace_probes;
            out.push(hessian.largest_eigenvalue());
            out.push(hessian.trace(probes, plan.spec.seed));
        }
    }

    fn probe(&mut self, parameters: &[T], out: &mut Vec<f64>) {
        let network = &self.plan.network;
        if self.measured.features > 0 {
            self.workspace.forward(network, parameters, self.probe.x());
        }
        for j in 1..=self.measured.features {
            let width = network.layers()[j - 1].outputs;
            let hidden = self.workspace.hidden(j);
            let rows = hidden.len() / width;
            let spectrum = SingularSpectrum::of(MatRef::from_row_major_slice(hidden, rows, width));
            out.extend(spectrum.ranks(self.measure.rank_tolerance));
            let sparsity = features::sparsity(hidden, width);
            out.extend([sparsity.active, sparsity.distinct_active]);
        }
        if self.measured.jacobian {
            let jacobian = features::jacobian(network, parameters, self.probe.x());
            out.extend(
                SingularSpectrum::of(jacobian.as_ref()).ranks(self.measure.jacobian_tolerance),
            );
        }
    }
}
