//! Points in a plane or a cloud: spirals and blobs.

use std::f64::consts::TAU;

use fanin::Seed;

use super::made::{Made, classes, standardize};
use crate::Form;
use crate::random::Draw;

/// Interleaved spiral arms of one and a quarter turns, their plane laid into the input's space.
pub(super) fn spirals(form: &Form, count: usize, seed: Seed) -> Made {
    let arms = classes(form, 5);
    let width = form.input_len();
    let mut draw = Draw::new(seed, "spirals");
    let mut labels = Vec::with_capacity(count);
    let mut points = Vec::with_capacity(count);
    for _ in 0..count {
        let arm = draw.below(arms);
        // Even along the arm's length rather than crowded at the centre.
        let radius = draw.unit().sqrt();
        let angle = TAU * (arm as f64 / arms as f64 + 1.25 * radius);
        labels.push(arm);
        points.push((
            radius * libm::cos(angle) + 0.03 * draw.normal(),
            radius * libm::sin(angle) + 0.03 * draw.normal(),
        ));
    }
    let axes = plane(width, &mut draw);
    let mut inputs: Vec<f32> = points
        .iter()
        .flat_map(|&(x, y)| axes.iter().map(move |&(a, b)| (a * x + b * y) as f32))
        .collect();
    standardize(&mut inputs);
    Made::classes(form, inputs, labels)
}

/// Per coordinate of the space, its share in each axis of a random plane; the plane itself in two.
fn plane(width: usize, draw: &mut Draw) -> Vec<(f64, f64)> {
    match width {
        2 => vec![(1.0, 0.0), (0.0, 1.0)],
        _ => (0..width).map(|_| (draw.normal(), draw.normal())).collect(),
    }
}

/// Normal clouds around normal centres. Over all coordinates together two centres lie 5 deviations
/// of a cloud apart, however wide the input.
pub(super) fn blobs(form: &Form, count: usize, seed: Seed) -> Made {
    let clouds = classes(form, 10);
    let width = form.input_len();
    let mut draw = Draw::new(seed, "blobs");
    // The distance of two centres has the mean square 2 width: 5 deviations.
    let deviation = (2.0 * width as f64).sqrt() / 5.0;
    let centres: Vec<Vec<f64>> = (0..clouds).map(|_| draw.normals(width, 1.0)).collect();
    let mut labels = Vec::with_capacity(count);
    let mut inputs = Vec::with_capacity(count * width);
    for _ in 0..count {
        let cloud = draw.below(clouds);
        labels.push(cloud);
        let point = centres[cloud].iter();
        inputs.extend(point.map(|c| (c + deviation * draw.normal()) as f32));
    }
    standardize(&mut inputs);
    Made::classes(form, inputs, labels)
}
