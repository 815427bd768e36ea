//! Names and places of everything that is measured of a network.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::data::Dataset;
use crate::network::Network;
use crate::scalar::Real;
use crate::spectra::SpectrumMethod;
use crate::training::TrainingPlan;

/// Most parameters of a network whose Hessian is looked at: 60 directions of Lanczos' iteration are
/// held in memory.
pub const LARGEST_HESSIAN: usize = 1 << 18;

/// Most numbers a Jacobian may have.
pub const LARGEST_JACOBIAN: usize = 1 << 24;

/// When and what to measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeasureSpec {
    /// Steps at which something is measured: 0 first, rising, up to the last step.
    pub save_steps: Vec<u64>,
    /// Losses and accuracies are measured at every so many saves, and at the first and the last;
    /// they are NaN in between. All rows pass through the network for them.
    pub losses_every: u64,
    /// The same for everything else.
    pub spectra_every: u64,
    /// How singular values of layers are taken.
    pub spectra: SpectrumMethod,
    /// A singular value counts for the numerical rank above this share of the largest.
    pub rank_tolerance: f64,
    /// Rows on which features and Jacobian are taken, drawn from the training data; all of them
    /// where there are no more. 0 for neither.
    pub probe_rows: u64,
    /// Whether to take the Jacobian of the outputs by the parameters on the probe rows.
    pub jacobian: bool,
    /// A singular value of the Jacobian counts above this share of the largest.
    pub jacobian_tolerance: f64,
    /// Whether to take the sizes of hidden neurons, and count those that vanished and duplicates.
    pub neurons: bool,
    /// Whether to take the alignment of a linear network with its linear teacher.
    pub alignment: bool,
    /// Whether to take the largest eigenvalue and the trace of the Hessian of the training loss, on
    /// up to 512 of the training rows.
    pub sharpness: bool,
    /// Vectors of signs that the trace is estimated by; it is exact for a network of no more
    /// parameters.
    pub trace_probes: u64,
}

impl Default for MeasureSpec {
    fn default() -> Self {
        Self {
            save_steps: Vec::new(),
            losses_every: 1,
            spectra_every: 1,
            spectra: SpectrumMethod::Fast,
            rank_tolerance: 1e-3,
            probe_rows: 0,
            jacobian: false,
            jacobian_tolerance: 1e-4,
            neurons: false,
            alignment: false,
            sharpness: false,
            trace_probes: 16,
        }
    }
}

impl MeasureSpec {
    /// Losses and spectra at these steps, with the usual tolerances.
    pub fn at(save_steps: Vec<u64>) -> Self {
        Self {
            save_steps,
            ..Self::default()
        }
    }

    /// Whether losses are measured at save number `save`.
    pub fn takes_losses(&self, save: usize) -> bool {
        self.takes(save, self.losses_every)
    }

    /// Whether spectra and everything else but losses are measured at save number `save`.
    pub fn takes_spectra(&self, save: usize) -> bool {
        self.takes(save, self.spectra_every)
    }

    fn takes(&self, save: usize, every: u64) -> bool {
        save + 1 == self.save_steps.len() || (save as u64).is_multiple_of(every)
    }

    /// Whether a run of `plan` on `data` can be measured like this.
    pub fn check<T: Real>(
        &self,
        plan: &TrainingPlan,
        data: &Dataset<T>,
    ) -> Result<(), MeasureError> {
        let (saves, steps) = (&self.save_steps, plan.spec.steps);
        let rising = saves.is_sorted_by(|a, b| a < b);
        if !rising || saves.first() != Some(&0) || saves.last() != Some(&steps) {
            return Err(MeasureError::SaveSteps(steps));
        }
        if self.spectra_every == 0 || self.losses_every == 0 {
            return Err(MeasureError::Every);
        }
        for tolerance in [self.rank_tolerance, self.jacobian_tolerance] {
            if !(tolerance > 0.0 && tolerance < 1.0) {
                return Err(MeasureError::Tolerance(tolerance));
            }
        }
        if self.neurons && plan.network.layers().len() == 1 {
            return Err(MeasureError::NoNeurons);
        }
        if self.alignment {
            let known = data
                .linear_teacher()
                .is_some_and(|map| map.iter().any(|v| *v != 0.0));
            if !known || !plan.network.is_product() {
                return Err(MeasureError::NoTeacher);
            }
        }
        if self.sharpness && plan.network.parameters() > LARGEST_HESSIAN {
            return Err(MeasureError::Hessian(plan.network.parameters()));
        }
        if self.jacobian {
            let rows = self.probe_rows.min(data.rows() as u64) as usize;
            let size = rows * plan.network.outputs();
            if size == 0 {
                return Err(MeasureError::NoProbe);
            }
            if size.saturating_mul(plan.network.parameters()) > LARGEST_JACOBIAN {
                let outputs = plan.network.outputs() * plan.network.parameters();
                return Err(MeasureError::Jacobian {
                    rows,
                    outputs: plan.network.outputs(),
                    parameters: plan.network.parameters(),
                    most: LARGEST_JACOBIAN / outputs,
                });
            }
        }
        Ok(())
    }
}

/// Measurements that cannot be made.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum MeasureError {
    /// Steps that do not span the run.
    #[error("save_steps must rise from 0 to the last step, {0}")]
    SaveSteps(u64),
    /// Never.
    #[error("losses_every and spectra_every must be 1 or more")]
    Every,
    /// A tolerance out of range.
    #[error("a rank tolerance must lie between 0 and 1; {0} does not")]
    Tolerance(f64),
    /// Neurons of a network without hidden layers.
    #[error("neurons = true needs a hidden layer")]
    NoNeurons,
    /// A teacher that is not there.
    #[error(
        "alignment = true needs linear layers without biases, and data drawn with a linear teacher that is not zero"
    )]
    NoTeacher,
    /// A network too large.
    #[error(
        "sharpness = true holds 60 directions in memory; {0} parameters are more than {LARGEST_HESSIAN}"
    )]
    Hessian(usize),
    /// A Jacobian of no rows.
    #[error("jacobian = true needs probe_rows of 1 or more")]
    NoProbe,
    /// A Jacobian beyond memory.
    #[error(
        "a Jacobian of {rows} rows × {outputs} outputs by {parameters} parameters is too large; \
         set probe_rows to {most} or less, or jacobian = false"
    )]
    Jacobian {
        /// Probe rows.
        rows: usize,
        /// Outputs.
        outputs: usize,
        /// Parameters.
        parameters: usize,
        /// Rows that would do.
        most: usize,
    },
}

/// One number measured at every save.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerObservable {
    /// Its name; those starting with `log_` are logarithms.
    pub name: String,
    /// The layer, stack or place in a spectrum, from 1; 0 for scalars.
    pub index: u32,
}

/// Names and order of everything measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasurementLayout {
    /// In the order in which they are measured.
    pub observables: Vec<LayerObservable>,
}

impl MeasurementLayout {
    /// Where an observable is, if it is measured.
    pub fn position(&self, name: &str, index: u32) -> Option<usize> {
        let here = |o: &LayerObservable| o.index == index && o.name == name;
        self.observables.iter().position(here)
    }

    fn add(&mut self, name: &str, index: u32) {
        let name = name.to_owned();
        self.observables.push(LayerObservable { name, index });
    }

    fn spectrum(&mut self, name: &str, size: usize) {
        (1..=size as u32).for_each(|i| self.add(name, i));
    }

    fn ranks(&mut self, of: &str, index: u32) {
        for rank in RANKS {
            self.add(&format!("{rank}_{of}"), index);
        }
    }
}

/// The four notions of rank of one spectrum, and the rank at rounding.
pub const RANKS: [&str; 5] = [
    "numerical_rank",
    "machine_rank",
    "effective_rank",
    "stable_rank",
    "nuclear_norm",
];

/// What there is to measure of a network, beside its losses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkQuantities {
    /// Singular values per layer.
    pub layers: Vec<usize>,
    /// Singular values of the map W₁…W_N, or row norms of a diagonal network's; 0 without either.
    pub product: usize,
    /// Stacks j = 1…N − 1 of a linear network.
    pub stacks: usize,
    /// Hidden layers whose balance is measured.
    pub balance: usize,
    /// Hidden layers whose features are measured.
    pub features: usize,
    /// Whether the Jacobian is.
    pub jacobian: bool,
    /// Hidden layers whose neurons are measured.
    pub neurons: usize,
    /// Whether alignment with the teacher is.
    pub alignment: bool,
    /// Whether the Hessian is.
    pub sharpness: bool,
}

impl NetworkQuantities {
    /// Of a network, with what the specification asks for.
    pub fn new(network: &Network, measure: &MeasureSpec) -> Self {
        let layers = network.layers();
        let size = |l: &crate::network::Layer| l.inputs.min(l.outputs);
        let hidden = layers.len() - 1;
        let diagonal = layers[0].diagonal;
        let narrowest = layers.iter().map(size).min().unwrap_or(0);
        let homogeneous = layers.iter().all(|l| l.activation.is_homogeneous());
        let if_true = |yes: bool, count: usize| if yes { count } else { 0 };
        Self {
            layers: layers.iter().map(size).collect(),
            product: if diagonal {
                network.inputs()
            } else {
                if_true(network.is_product(), narrowest)
            },
            stacks: if_true(network.is_product(), hidden),
            balance: if_true(homogeneous, hidden),
            features: if_true(measure.probe_rows > 0, hidden),
            jacobian: measure.jacobian,
            neurons: if_true(measure.neurons, hidden),
            alignment: measure.alignment,
            sharpness: measure.sharpness,
        }
    }

    /// How many losses and accuracies there are.
    pub fn losses(has_classes: bool, held_out: bool) -> usize {
        let each = 1 + usize::from(has_classes);
        each * (1 + usize::from(held_out))
    }

    /// The layout: losses first, then everything of [`Self`] in the order of its fields.
    pub fn layout(
        &self,
        plan: &TrainingPlan,
        has_classes: bool,
        held_out: bool,
    ) -> MeasurementLayout {
        let mut layout = MeasurementLayout::default();
        for (name, there) in [
            ("loss", true),
            ("accuracy", has_classes),
            ("held_out_loss", held_out),
            ("held_out_accuracy", held_out && has_classes),
        ] {
            if there {
                layout.add(name, 0);
            }
        }
        for (index, (layer, &size)) in plan.network.layers().iter().zip(&self.layers).enumerate() {
            let j = index as u32 + 1;
            layout.spectrum(&format!("log_singular_value_layer_{j}"), size);
            layout.ranks("layer", j);
            if layer.inputs == layer.outputs {
                layout.add("log_abs_det_layer", j);
            }
        }
        if self.product > 0 {
            let name = match plan.network.layers()[0].diagonal {
                true => "log_row_norm_product",
                false => "log_singular_value_product",
            };
            layout.spectrum(name, self.product);
            layout.ranks("product", 0);
        }
        (1..=self.stacks as u32).for_each(|j| layout.add("log_det_stack", j));
        for &j in plan.stack_law.stacks() {
            layout.add("log_det_stack_law", j as u32);
        }
        (1..=self.balance as u32).for_each(|j| layout.add("balance_distance", j));
        for j in 1..=self.features as u32 {
            layout.ranks("features", j);
            layout.add("active_share_features", j);
            layout.add("distinct_active_share_features", j);
        }
        if self.jacobian {
            layout.ranks("jacobian", 0);
        }
        let layers = plan.network.layers();
        for j in 1..=self.neurons {
            layout.spectrum(&format!("log_neuron_size_layer_{j}"), layers[j - 1].outputs);
            for name in ["vanished_neurons", "duplicate_neurons", "distinct_neurons"] {
                layout.add(&format!("{name}_layer"), j as u32);
            }
        }
        if self.alignment {
            layout.add("teacher_alignment_inputs", 0);
            layout.add("teacher_alignment_outputs", 0);
            layout.add("teacher_share_layer", 1);
            if layers.len() > 1 {
                layout.add("teacher_share_layer", layers.len() as u32);
            }
        }
        if self.sharpness {
            layout.add("sharpness", 0);
            layout.add("hessian_trace", 0);
        }
        layout
    }
}
