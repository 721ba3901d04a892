//! `zoo`: see [`fanin_validation::zoo`].

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    fanin_validation::zoo::run(&arguments)
}
