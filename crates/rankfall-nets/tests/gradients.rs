//! Gradients against central differences: every activation, loss and bias, depth 1 to 3, diagonal
//! networks, dropped units; and a seeded breakage that the same test rejects.

use rankfall_core::random::{Purpose, StreamKey, StreamReader};
use rankfall_nets::activation::Activation;
use rankfall_nets::data::{Dataset, Targets};
use rankfall_nets::gradient::Workspace;
use rankfall_nets::loss::Loss;
use rankfall_nets::network::{Architecture, Network, NetworkSpec};

const ROWS: usize = 7;

fn normals(seed: u64) -> StreamReader {
    StreamKey::new(seed, Purpose::Inputs, 0).reader(0, 0)
}

fn vector(reader: &mut StreamReader, count: usize, scale: f64) -> Vec<f64> {
    (0..count).map(|_| scale * reader.normal()).collect()
}

fn data(loss: Loss, inputs: usize, outputs: usize, seed: u64) -> Dataset<f64> {
    let mut reader = normals(seed);
    let x = vector(&mut reader, ROWS * inputs, 1.0);
    let targets = match loss {
        Loss::SoftmaxCrossEntropy => Targets::Classes(
            (0..ROWS)
                .map(|_| reader.below(outputs as u64) as u32)
                .collect(),
        ),
        Loss::Squared => Targets::Values {
            columns: outputs,
            values: vector(&mut reader, ROWS * outputs, 1.0),
        },
        Loss::Logistic => Targets::Values {
            columns: outputs,
            values: (0..ROWS * outputs)
                .map(|_| (reader.word() >> 63) as f64)
                .collect(),
        },
    };
    Dataset::new(inputs, x, targets)
        .expect("sound")
        .fit(loss, inputs, outputs)
        .expect("fits")
}

/// |g − d| / |g| over all parameters, d by five-point central differences of the loss.
fn relative_error(
    network: &Network,
    parameters: &[f64],
    data: &Dataset<f64>,
    loss: Loss,
    masks: &[Vec<f64>],
) -> f64 {
    let mut workspace = Workspace::new(network);
    workspace.masks_mut().clone_from_slice(masks);
    let mut value = |parameters: &[f64]| {
        workspace.forward(network, parameters, data.x());
        loss.value(workspace.outputs(), network.outputs(), data.targets())
    };
    let mut moved = parameters.to_vec();
    let h = 2e-4;
    let mut difference = |i: usize| {
        let mut at = |step: f64| {
            moved[i] = parameters[i] + step * h;
            let loss = value(&moved);
            moved[i] = parameters[i];
            loss
        };
        (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * h)
    };
    let differences: Vec<f64> = (0..parameters.len()).map(&mut difference).collect();
    let mut gradient = vec![0.0; parameters.len()];
    workspace.forward(network, parameters, data.x());
    workspace.backward(
        network,
        parameters,
        data.x(),
        loss,
        data.targets(),
        &mut gradient,
    );
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut gradient.iter().zip(&differences).map(|(g, d)| g - d))
        / norm(&mut gradient.iter().copied())
}

fn network(spec: &NetworkSpec) -> Network {
    Network::new(spec).expect("a network")
}

/// Parameters whose rectifiers are all well away from their kink.
fn parameters(network: &Network, data: &Dataset<f64>) -> Vec<f64> {
    let mut workspace = Workspace::new(network);
    for seed in 0..10_000 {
        let parameters = vector(&mut normals(seed), network.parameters(), 0.7);
        workspace.forward(network, &parameters, data.x());
        let clear = |j: usize| {
            let activation = network.layers()[j - 1].activation;
            activation == Activation::Linear
                || workspace.arguments(j).iter().all(|z| z.abs() > 0.01)
        };
        if (1..network.layers().len()).all(clear) {
            return parameters;
        }
    }
    panic!("no parameters away from every kink");
}

#[test]
fn gradients_agree_with_central_differences() {
    let mut worst: f64 = 0.0;
    for activation in Activation::ALL {
        for loss in Loss::ALL {
            for bias in [false, true] {
                for layers in [&[3, 2][..], &[3, 4, 2], &[3, 4, 2, 3]] {
                    let network = network(&NetworkSpec::dense(layers, activation, bias));
                    let data = data(loss, 3, network.outputs(), 5);
                    let parameters = parameters(&network, &data);
                    let masks = vec![Vec::new(); layers.len() - 2];
                    let error = relative_error(&network, &parameters, &data, loss, &masks);
                    assert!(
                        error < 1e-7,
                        "{activation:?} {loss:?} {bias} {layers:?}: {error:e}"
                    );
                    worst = worst.max(error);
                }
            }
        }
    }
    println!("worst relative error {worst:.1e}");
}

#[test]
fn diagonal_networks_and_dropped_units_have_the_right_gradient() {
    let diagonal = network(&NetworkSpec {
        layers: vec![4, 4, 4, 2],
        activation: Activation::Linear,
        bias: false,
        kind: Architecture::DiagonalLinear,
    });
    let regression = data(Loss::Squared, 4, 2, 6);
    let weights = parameters(&diagonal, &regression);
    let none = vec![Vec::new(); 2];
    let error = relative_error(&diagonal, &weights, &regression, Loss::Squared, &none);
    assert!(error < 1e-7, "{error:e}");
    let dense = network(&NetworkSpec::dense(&[3, 5, 4, 2], Activation::Tanh, true));
    let classes = data(Loss::SoftmaxCrossEntropy, 3, 2, 7);
    let weights = parameters(&dense, &classes);
    let mut reader = normals(9);
    let mut mask = |width: usize| -> Vec<f64> {
        (0..ROWS * width)
            .map(|_| if reader.below(3) == 0 { 0.0 } else { 1.5 })
            .collect()
    };
    let masks = [mask(5), mask(4)];
    let error = relative_error(
        &dense,
        &weights,
        &classes,
        Loss::SoftmaxCrossEntropy,
        &masks,
    );
    assert!(error < 1e-7, "{error:e}");
}

/// The test can fail: a bias gradient scaled by 1 + 10⁻⁶, or the derivative of the wrong loss.
#[test]
fn seeded_breakages_are_caught() {
    let network = network(&NetworkSpec::dense(&[3, 4, 2], Activation::Gelu, true));
    let data = data(Loss::Squared, 3, 2, 5);
    let weights = parameters(&network, &data);
    let none = [Vec::new()];
    // Values in [0, 1] or not, the logistic loss takes any target here.
    let mut workspace = Workspace::new(&network);
    let mut gradient = |loss: Loss| {
        let mut gradient = vec![0.0; weights.len()];
        workspace.forward(&network, &weights, data.x());
        workspace.backward(
            &network,
            &weights,
            data.x(),
            loss,
            data.targets(),
            &mut gradient,
        );
        gradient
    };
    let (right, wrong) = (gradient(Loss::Squared), gradient(Loss::Logistic));
    assert!(relative_error(&network, &weights, &data, Loss::Squared, &none) < 1e-7);
    let distance = |a: &[f64]| {
        let square: f64 = a.iter().zip(&right).map(|(x, y)| (x - y) * (x - y)).sum();
        (square / right.iter().map(|x| x * x).sum::<f64>()).sqrt()
    };
    assert!(distance(&wrong) > 1e-2);
    let mut slightly = right.clone();
    for bias in &mut slightly[network.layers()[0].biases.clone()] {
        *bias *= 1.0 + 1e-6;
    }
    assert!(distance(&slightly) > 1e-7);
}

/// Single precision is the same computation with a larger ε.
#[test]
fn single_precision_agrees_to_its_rounding() {
    let network = network(&NetworkSpec::dense(&[3, 4, 2], Activation::Sigmoid, true));
    for loss in Loss::ALL {
        let data = data(loss, 3, 2, 5);
        let weights = parameters(&network, &data);
        let mut gradient = vec![0.0; weights.len()];
        let mut workspace = Workspace::new(&network);
        workspace.forward(&network, &weights, data.x());
        workspace.backward(
            &network,
            &weights,
            data.x(),
            loss,
            data.targets(),
            &mut gradient,
        );
        let (single, rounded) = (data.converted::<f32>(), weights.iter().map(|&w| w as f32));
        let rounded: Vec<f32> = rounded.collect();
        let mut small = vec![0.0_f32; weights.len()];
        let mut workspace = Workspace::new(&network);
        workspace.forward(&network, &rounded, single.x());
        workspace.backward(
            &network,
            &rounded,
            single.x(),
            loss,
            single.targets(),
            &mut small,
        );
        let largest = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        for (a, b) in gradient.iter().zip(&small) {
            assert!((a - f64::from(*b)).abs() < 2e-6 * largest, "{loss:?}");
        }
    }
}
