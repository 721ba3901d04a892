//! Drawn digits.

use std::f64::consts::PI;

use fanin::Seed;
use rayon::prelude::*;

use super::made::{Made, classes, standardize};
use crate::random::Draw;
use crate::{Form, Input};

type Point = (f64, f64);

/// Side of the picture that is projected where the input is no picture itself.
const SIDE: usize = 16;
/// Standard deviation of the noise on ink between 0 and 1.
const NOISE: f64 = 0.15;

pub(super) fn make(form: &Form, count: usize, seed: Seed) -> Made {
    let labels = classes(form, 10);
    let mut draw = Draw::new(seed, "digits:labels");
    let labels: Vec<usize> = (0..count).map(|_| draw.below(labels)).collect();
    let picture = |height: usize, width: usize| -> Vec<Vec<f32>> {
        labels
            .par_iter()
            .enumerate()
            .map(|(k, &digit)| {
                render(
                    digit,
                    height,
                    width,
                    &mut Draw::new(seed, &format!("digits:{k}")),
                )
            })
            .collect()
    };
    let mut inputs = match form.input {
        Input::Image {
            channels,
            height,
            width,
            channels_last,
        } => {
            let pictures = picture(height, width);
            if channels_last {
                let spread = pictures.iter().flatten();
                spread
                    .flat_map(|&v| std::iter::repeat_n(v, channels))
                    .collect()
            } else {
                pictures
                    .into_iter()
                    .flat_map(|p| p.repeat(channels))
                    .collect()
            }
        }
        Input::Sequence { time, width } => picture(time, width).concat(),
        _ => match square(form.input_len()) {
            Some((channels, side)) => {
                let pictures = picture(side, side);
                pictures
                    .into_iter()
                    .flat_map(|p| p.repeat(channels))
                    .collect()
            }
            None => project(&mut picture(SIDE, SIDE).concat(), form.input_len(), seed),
        },
    };
    standardize(&mut inputs);
    Made::classes(form, inputs, labels)
}

/// Channels and side of a flattened square picture: 784 is 28 × 28, 3072 is 3 × 32 × 32.
fn square(width: usize) -> Option<(usize, usize)> {
    [1, 3].into_iter().find_map(|channels| {
        let side = ((width / channels) as f64).sqrt().round() as usize;
        (side >= 8 && channels * side * side == width).then_some((channels, side))
    })
}

/// A random linear map of the standardized pictures, the same for all.
fn project(pictures: &mut [f32], width: usize, seed: Seed) -> Vec<f32> {
    standardize(pictures);
    let map = Draw::new(seed, "digits:map").normals(SIDE * SIDE * width, 1.0);
    pictures
        .par_chunks(SIDE * SIDE)
        .flat_map_iter(|picture| {
            let mut out = vec![0.0f64; width];
            for (&v, row) in picture.iter().zip(map.chunks(width)) {
                for (o, m) in out.iter_mut().zip(row) {
                    *o += f64::from(v) * m;
                }
            }
            out.into_iter().map(|v| v as f32)
        })
        .collect()
}

/// Part of an ellipse around a centre, in degrees clockwise from the right.
fn arc(centre: Point, radii: Point, from: f64, to: f64) -> Vec<Point> {
    const PARTS: usize = 12;
    (0..=PARTS)
        .map(|k| {
            let angle = (from + (to - from) * k as f64 / PARTS as f64) * PI / 180.0;
            (
                centre.0 + radii.0 * libm::cos(angle),
                centre.1 + radii.1 * libm::sin(angle),
            )
        })
        .collect()
}

/// The strokes of a digit in a square from (0, 0) at the upper left to (1, 1).
fn strokes(digit: usize) -> Vec<Vec<Point>> {
    match digit {
        0 => vec![arc((0.5, 0.5), (0.26, 0.4), 0.0, 360.0)],
        1 => vec![vec![(0.34, 0.27), (0.54, 0.1), (0.54, 0.9)]],
        2 => vec![
            arc((0.5, 0.32), (0.26, 0.22), 190.0, 380.0),
            vec![(0.74, 0.4), (0.24, 0.9), (0.78, 0.9)],
        ],
        3 => vec![
            arc((0.47, 0.3), (0.25, 0.2), 200.0, 450.0),
            arc((0.47, 0.7), (0.27, 0.2), 270.0, 520.0),
        ],
        4 => vec![vec![(0.64, 0.9), (0.64, 0.1), (0.22, 0.64), (0.82, 0.64)]],
        5 => vec![
            vec![(0.74, 0.1), (0.33, 0.1), (0.3, 0.48)],
            arc((0.48, 0.66), (0.26, 0.24), 225.0, 500.0),
        ],
        6 => vec![
            vec![(0.66, 0.1), (0.4, 0.36), (0.28, 0.64)],
            arc((0.5, 0.68), (0.22, 0.22), 0.0, 360.0),
        ],
        7 => vec![vec![(0.22, 0.1), (0.78, 0.1), (0.42, 0.9)]],
        8 => vec![
            arc((0.5, 0.3), (0.19, 0.19), 0.0, 360.0),
            arc((0.5, 0.7), (0.23, 0.21), 0.0, 360.0),
        ],
        _ => vec![
            arc((0.5, 0.32), (0.22, 0.22), 0.0, 360.0),
            vec![(0.72, 0.34), (0.64, 0.9)],
        ],
    }
}

/// One picture: ink from 0 to 1, and noise.
fn render(digit: usize, height: usize, width: usize, draw: &mut Draw) -> Vec<f32> {
    let angle = draw.between(-0.3, 0.3);
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    let scale = (draw.between(0.65, 1.0), draw.between(0.65, 1.0));
    let slant = draw.between(-0.25, 0.25);
    let shift = (draw.between(-0.15, 0.15), draw.between(-0.15, 0.15));
    let thickness = draw.between(0.03, 0.08);
    let soft = 1.5 / height.min(width) as f64;
    let place = |(x, y): Point| {
        let (y, x) = ((y - 0.5) * scale.1, (x - 0.5) * scale.0);
        let x = x + slant * y;
        (
            0.5 + shift.0 + cos * x - sin * y,
            0.5 + shift.1 + sin * x + cos * y,
        )
    };
    let lines: Vec<(Point, Point)> = strokes(digit)
        .iter()
        .flat_map(|stroke| {
            let pairs = stroke.windows(2);
            pairs
                .map(|pair| (place(pair[0]), place(pair[1])))
                .collect::<Vec<_>>()
        })
        .collect();
    let mut picture = Vec::with_capacity(height * width);
    for row in 0..height {
        for column in 0..width {
            let at = (
                (column as f64 + 0.5) / width as f64,
                (row as f64 + 0.5) / height as f64,
            );
            let near = lines.iter().fold(f64::INFINITY, |near: f64, line| {
                near.min(distance_squared(at, *line))
            });
            let ink = ((thickness - near.sqrt()) / soft + 0.5).clamp(0.0, 1.0);
            picture.push((ink + NOISE * draw.normal()) as f32);
        }
    }
    picture
}

/// Square of the distance between a point and a line from one point to another.
fn distance_squared(at: Point, (from, to): (Point, Point)) -> f64 {
    let along = (to.0 - from.0, to.1 - from.1);
    let off = (at.0 - from.0, at.1 - from.1);
    let length = along.0 * along.0 + along.1 * along.1;
    let share = if length > 0.0 {
        ((off.0 * along.0 + off.1 * along.1) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (off.0 - share * along.0).powi(2) + (off.1 - share * along.1).powi(2)
}
