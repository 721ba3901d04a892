//! Attributes that more than one rule reads.

use fanin_network::Node;

/// Strides, dilations and padding of a sliding window over the spatial axes.
pub(crate) struct Window {
    /// Size of the window per axis.
    pub(crate) kernel: Vec<usize>,
    /// Step per axis.
    pub(crate) stride: Vec<usize>,
    /// Distance of taps per axis.
    pub(crate) dilation: Vec<usize>,
    /// Zeros added before the first element, per axis.
    pub(crate) before: Vec<i64>,
}

impl Window {
    /// Reads a convolution's or pool's window; `wide` are the spatial sizes the window slides over,
    /// `narrow` those of its positions. (For a transposed convolution `wide` is the output.)
    pub(crate) fn of(node: &Node, kernel: &[usize], wide: &[usize], narrow: &[usize]) -> Self {
        let rank = kernel.len();
        let positive = |name: &str| -> Vec<usize> {
            match node.attributes.ints(name) {
                Some(list) if list.len() == rank => list
                    .iter()
                    .map(|&x| usize::try_from(x).unwrap_or(1).max(1))
                    .collect(),
                _ => vec![1; rank],
            }
        };
        let (stride, dilation) = (positive("strides"), positive("dilations"));
        let stated = node.attributes.ints("pads");
        let before = (0..rank)
            .map(|axis| match node.attributes.str("auto_pad", "NOTSET") {
                same @ ("SAME_UPPER" | "SAME_LOWER") => {
                    let size =
                        |list: &[usize], or: usize| list.get(axis).copied().unwrap_or(or) as i64;
                    let (step, gap) = (size(&stride, 1), size(&dilation, 1));
                    let reach = gap * (size(kernel, 1) - 1) + 1;
                    let total = (step * (size(narrow, 1) - 1) + reach - size(wide, 1)).max(0);
                    if same == "SAME_UPPER" {
                        total / 2
                    } else {
                        total - total / 2
                    }
                }
                "VALID" => 0,
                _ => stated.and_then(|pads| pads.get(axis).copied()).unwrap_or(0),
            })
            .collect();
        Self {
            kernel: kernel.to_vec(),
            stride,
            dilation,
            before,
        }
    }

    /// Pairs of a window position in `narrow` and a tap of it that lies inside `wide`, not in the
    /// padding: the product over the axes.
    pub(crate) fn edges(&self, wide: &[usize], narrow: &[usize]) -> f64 {
        let axes = self.kernel.iter().zip(&self.stride).zip(&self.dilation);
        let sizes = wide.iter().zip(narrow).zip(&self.before);
        axes.zip(sizes)
            .map(
                |(((&taps, &stride), &dilation), ((&wide, &narrow), &before))| {
                    let (stride, wide, narrow) = (stride as i64, wide as i64, narrow as i64);
                    let inside = (0..taps as i64).map(|tap| {
                        // Positions o with 0 <= o * stride + offset < wide.
                        let offset = tap * dilation as i64 - before;
                        let first = (-offset).max(0).div_euclid(stride)
                            + i64::from((-offset).max(0).rem_euclid(stride) != 0);
                        let last = (wide - 1 - offset).div_euclid(stride).min(narrow - 1);
                        (last - first + 1).max(0)
                    });
                    inside.sum::<i64>() as f64
                },
            )
            .product()
    }
}

#[cfg(test)]
mod tests {
    use fanin_network::{Attribute, Attributes};

    use super::*;

    fn node(attributes: Attributes) -> Node {
        Node {
            name: "conv".to_owned(),
            domain: String::new(),
            op: "Conv".to_owned(),
            opset: 17,
            attributes,
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn counted(window: &Window, wide: usize, narrow: usize) -> f64 {
        let mut edges = 0;
        for o in 0..narrow as i64 {
            for t in 0..window.kernel[0] as i64 {
                let at =
                    o * window.stride[0] as i64 + t * window.dilation[0] as i64 - window.before[0];
                edges += i64::from((0..wide as i64).contains(&at));
            }
        }
        edges as f64
    }

    #[test]
    fn edges_are_counted_as_one_by_one() {
        for (wide, kernel, stride, dilation, pad) in [
            (8, 3, 1, 1, 1),
            (9, 3, 2, 1, 1),
            (7, 5, 2, 2, 4),
            (1, 3, 1, 1, 1),
            (10, 2, 3, 1, 0),
        ] {
            let narrow = (wide + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
            let attributes = Attributes::default()
                .set("strides", Attribute::Ints(vec![stride as i64]))
                .set("dilations", Attribute::Ints(vec![dilation as i64]))
                .set("pads", Attribute::Ints(vec![pad as i64; 2]));
            let window = Window::of(&node(attributes), &[kernel], &[wide], &[narrow]);
            assert_eq!(
                window.edges(&[wide], &[narrow]),
                counted(&window, wide, narrow),
                "{wide} {kernel} {stride} {dilation} {pad}"
            );
        }
    }

    #[test]
    fn same_padding_is_worked_out_from_the_sizes() {
        let attributes = Attributes::default()
            .set("auto_pad", Attribute::String("SAME_UPPER".to_owned()))
            .set("strides", Attribute::Ints(vec![2]));
        let window = Window::of(&node(attributes), &[3], &[8], &[4]);
        assert_eq!(window.before, [0]);
        assert_eq!(window.edges(&[8], &[4]), 11.0);
    }
}
