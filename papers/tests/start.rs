//! What the papers claim of networks at initialization, each claim as a test of this library.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests, and what is seen is worth a look with --nocapture"
)]

use fanin_papers::PAPERS;

/// Measures one paper and holds every claim to its verdict.
fn hold(name: &str) {
    let paper = PAPERS.iter().find(|p| p.name == name).unwrap();
    let found = paper.at_start.unwrap()().unwrap();
    let text: String = found.claims.iter().map(|c| format!("{c}\n")).collect();
    println!("{name}\n{text}{}", found.figures);
    assert!(!found.claims.is_empty());
    assert!(found.claims.iter().all(|c| c.as_expected()), "\n{text}");
}

macro_rules! papers {
    ($($name:ident)*) => {
        $(#[test] fn $name() { hold(stringify!($name)); })*

        #[test]
        fn every_paper_is_tested_and_has_its_readme() {
            let here = [$(stringify!($name)),*];
            for paper in PAPERS {
                assert_eq!(paper.at_start.is_some(), here.contains(&paper.name), "{}", paper.name);
                let readme = format!("{}/{}/README.md", env!("CARGO_MANIFEST_DIR"), paper.name);
                assert!(std::path::Path::new(&readme).is_file(), "{readme}");
            }
        }
    };
}

papers! {
    desmith2020 dong2021 fixup2019 glorot2010 hanin2018 he2015 lu2019 makemore mishkin2016 pennington2017
    schoenholz2017 siren2020 sussillo2014 xiao2018 yang2019 yang2021
}
