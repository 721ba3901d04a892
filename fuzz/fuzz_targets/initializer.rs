//! Any text: parsing does not panic, what parses prints as a text that parses to the same, and resolving it for a few
//! shapes fills or refuses.
#![no_main]

use fanin::{Initializer, Layout, Seed, Stream};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(initializer) = text.parse::<Initializer>() else {
        return;
    };
    let printed = initializer.to_string();
    assert_eq!(printed.parse(), Ok(initializer.clone()), "{printed}");
    for (layout, shape) in [
        (Layout::vector(), vec![12]),
        (Layout::linear_out_in(), vec![6, 4]),
        (Layout::linear_in_out().fused(&[2, 4]), vec![4, 6]),
        (Layout::conv(2, 2), vec![4, 2, 3, 3]),
        (Layout::embedding(), vec![5, 3]),
    ] {
        let Ok(filler) = initializer.resolve(&shape, &layout) else {
            continue;
        };
        let stream = Stream::new(Seed::new(0), "fuzz");
        let mut whole = vec![0f32; filler.len() as usize];
        let filled = filler.fill(&stream, 0, &mut whole);
        assert!(filled.is_ok(), "{printed}");
        let mut rest = vec![0f32; whole.len() / 2];
        let start = whole.len() - rest.len();
        let filled = filler.fill(&stream, start as u64, &mut rest);
        assert!(filled.is_ok(), "{printed}");
        let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
        assert!(whole[start..].iter().zip(&rest).all(same), "{printed}");
    }
});
