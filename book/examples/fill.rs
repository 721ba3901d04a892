use fanin::{Initializer, Layout, Seed};

pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (shape, layout) = ([64, 32, 3, 3], Layout::conv(2, 1));
    let mut weights = vec![0f32; 64 * 32 * 3 * 3];
    let he: Initializer = "kaiming_normal(gain=gelu)".parse()?;
    he.fill(Seed::new(42), "conv1.weight", &shape, &layout, &mut weights)?;

    // 32 channels in a 3x3 window: 288 terms, and gelu's gain is 1.5335.
    let mean_square = weights.iter().map(|w| f64::from(w * w)).sum::<f64>() / weights.len() as f64;
    assert!((mean_square * 288.0 / 1.5335f64.powi(2) - 1.0).abs() < 0.05);
    Ok(())
}
