//! The text of a plan: read or refused, and what is read prints and reads back.
#![no_main]

use fanin_plan::Plan;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(plan) = text.parse::<Plan>() else {
        return;
    };
    let printed = plan.to_string();
    match printed.parse::<Plan>() {
        Ok(again) => assert!(again == plan, "reads back as another plan:\n{printed}"),
        Err(error) => panic!("does not read back: {error}\n{printed}"),
    }
    assert!(plan.bytes().is_some() || plan.entries.len() > 1);
});
