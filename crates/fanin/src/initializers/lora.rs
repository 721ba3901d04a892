//! `lora_a(gain)`, `lora_b`: the two factors of a low-rank adapter.
//!
//! The product starts at 0, because B does. A's scale follows the inputs of the whole layer, never those of a shard.

use super::Entry;
use super::arguments::Usual;
use super::by_fans::uniform_by_fans;
use super::rule::{Rule, Unfit, gain_fault, rule};
use crate::Layout;
use crate::filler::Values;
use crate::sampler::Sampler;

const REFERENCE: &str = "Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022 (arXiv 2106.09685); its \
                         code and peft draw A by kaiming_uniform_(a=√5)";

rule! {
    /// U(±`gain` / √fan_in).
    LoraA as lora_a {
        /// Factor on the bound.
        gain: f64 = Usual::Silent(1.0),
    }
}

rule! {
    /// 0.
    LoraB as lora_b {}
}

impl Rule for LoraA {
    const ENTRY: Entry = Entry {
        name: "lora_a",
        aliases: &[],
        formula: "A ~ U[±gain / √fan_in], fan_in the inputs of the adapted layer",
        when: "The first factor, [rank, in], of a low-rank adapter. gain=√3 is kaiming_uniform(gain=1), the LeCun scale.",
        reference: REFERENCE,
        example: "lora_a",
    };

    fn fault(&self) -> Option<&'static str> {
        gain_fault(self.gain)
    }

    fn resolve(&self, shape: &[usize], layout: &Layout) -> Result<Values, Unfit> {
        uniform_by_fans(shape, layout, |fans| self.gain / fans.fan_in.sqrt())
    }
}

impl Rule for LoraB {
    const ENTRY: Entry = Entry {
        name: "lora_b",
        aliases: &[],
        formula: "B = 0",
        when: "The second factor, [out, rank], of a low-rank adapter, so that it starts without effect.",
        reference: REFERENCE,
        example: "lora_b",
    };

    fn resolve(&self, _: &[usize], _: &Layout) -> Result<Values, Unfit> {
        Ok(Values::Each(Sampler::Constant(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Initializer, Layout, Seed};

    // peft: nn.init.kaiming_uniform_(A, a=√5), whose bound is 1/√fan_in.
    #[test]
    fn a_is_bounded_by_the_root_of_the_inputs_and_b_is_zero() {
        let layout = Layout::linear_out_in();
        let mut a = vec![0f32; 8 * 400];
        Initializer::lora_a(1.0)
            .unwrap()
            .fill(Seed::new(0), "a", &[8, 400], &layout, &mut a)
            .unwrap();
        let largest = a.iter().fold(0f32, |m, x| m.max(x.abs()));
        assert!(largest <= 0.05 && largest > 0.0499, "{largest}");
        let mut b = [9f32; 4];
        Initializer::lora_b()
            .fill(Seed::new(0), "b", &[2, 2], &layout, &mut b)
            .unwrap();
        assert_eq!(b, [0.0; 4]);
    }

    // Megatron-Bridge's std is that of the shard's fan, and grows with tensor parallelism. Here a shard is a slice of
    // the whole tensor.
    #[test]
    fn a_shard_is_a_slice_of_the_whole() {
        let layout = Layout::linear_out_in();
        let filler = Initializer::lora_a(1.0)
            .unwrap()
            .resolve(&[8, 400], &layout)
            .unwrap();
        assert!((filler.expected_std().unwrap() - 0.05 / 3f64.sqrt()).abs() < 1e-15);
    }
}
