//! A session: check, repeat, fix, before and after.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fanin::Seed;
use fanin_check::{Manner, Options, Origin, Session, Verdict};
use fanin_network::{Dims, HostTensor, Network};
use fanin_plan::{Recipe, Request};
use fanin_run::Data;

use crate::support::{Case, brief};

const FADING: &str = "mlp(32, 64x20, 10, relu)";

fn network(line: &str) -> Network {
    fanin_network::open(line, &Dims::default()).unwrap()
}

fn torch() -> Origin {
    Origin::Recipe(Request {
        recipe: Recipe::Torch,
        ..Request::new(Seed::new(99)) // gives way to the session's
    })
}

fn session(line: &str, seed: u64, origin: Origin) -> Session {
    let options = Options {
        model: line.to_owned(),
        seed,
        ..Options::default()
    };
    Session::new(network(line), None, options, origin).unwrap()
}

#[test]
fn a_session_says_what_its_parts_say() {
    let checkup = session(FADING, 3, torch()).check().unwrap();
    let case = Case::seeded(FADING, Recipe::Torch, 3);
    let options = Options {
        model: FADING.to_owned(),
        seed: 3,
        drawn: true,
        ..Options::default()
    };
    assert_eq!(checkup, case.check_with(&options));
}

#[test]
fn each_manner_mends_and_tells_what_was_before() {
    let session = session(FADING, 0, torch()).with_repeats(Some(2));
    let before = session.check().unwrap();
    assert_eq!(before.verdict, Verdict::Faulty);
    for manner in [Manner::Initializer, Manner::Rescale, Manner::Predict] {
        let mended = session.fix(manner, &before).unwrap().unwrap();
        let after = &mended.checkup;
        assert_eq!(after.verdict, Verdict::Healthy, "{:#?}", brief(after));
        assert_eq!(after.repeats.as_ref().unwrap().healthy.count, 2);
        assert_eq!(mended.plan.is_some(), manner == Manner::Initializer);
        assert_ne!(&mended.weights, session.weights());
        let fixed = after.fixed.as_ref().unwrap();
        assert_eq!(fixed.how, manner.to_string());
        assert_eq!(fixed.findings_before, before.findings);
        assert_eq!(fixed.repeats_before, before.repeats);
        assert!(!fixed.changes.is_empty());
        let again = self::session(FADING, 0, Origin::Weights(mended.weights));
        assert_eq!(again.check().unwrap().verdict, Verdict::Healthy);
        // The session itself is as it was.
        assert_eq!(session.check().unwrap(), before);
    }
}

#[test]
fn nothing_is_changed_where_nothing_is_proposed() {
    let session = session(FADING, 0, Origin::Model);
    let remarks = session.remarks();
    assert!(remarks[0].contains("recipe auto"), "{remarks:?}");
    let checkup = session.check().unwrap();
    assert_eq!(checkup.verdict, Verdict::Healthy);
    assert_eq!(session.fix(Manner::Initializer, &checkup).unwrap(), None);
}

#[test]
fn a_session_takes_other_weights_and_keeps_its_own_after_an_error() {
    let mut session = session(FADING, 0, torch());
    let faulty = session.check().unwrap();
    let none = Origin::File("none.safetensors".into());
    assert!(session.restart(none).is_err());
    assert_eq!(session.check().unwrap(), faulty);
    let other = fanin_plan::plan(&network("mlp(3, 4, 2, relu)"), &Request::new(Seed::new(0)));
    assert!(session.restart(Origin::Plan(other.unwrap().plan)).is_err());
    session.restart(Origin::Model).unwrap();
    assert_eq!(session.check().unwrap().verdict, Verdict::Healthy);
    assert_eq!(session.plan().unwrap().recipe, Recipe::Auto);
}

#[test]
fn labels_among_the_data_are_held_against_the_prior() {
    let x = HostTensor::f32(
        vec![8, 32],
        (0..256).map(|k| (k % 7) as f32 - 3.0).collect(),
    );
    let y = HostTensor::i64(vec![8], vec![0, 0, 0, 0, 0, 0, 0, 1]);
    let arrays = BTreeMap::from([
        ("input".to_owned(), x.unwrap()),
        ("labels".to_owned(), y.unwrap()),
    ]);
    let dims = Dims {
        batch: Some(8),
        ..Dims::default()
    };
    let network = fanin_network::open("mlp(32, 64x2, 4, relu)", &dims).unwrap();
    let data = Some(Data::new(arrays));
    let session = Session::new(network, data, Options::default(), Origin::Model).unwrap();
    let checkup = session.check().unwrap();
    let codes: Vec<String> = checkup
        .findings
        .iter()
        .map(|f| f.code.to_string())
        .collect();
    assert!(codes.contains(&"F602".to_owned()), "{codes:?}");
}

#[test]
fn every_run_tells_how_far_it_is_and_when_it_ends() {
    let ends = Arc::new(AtomicUsize::new(0));
    let last = Arc::new(Mutex::new((0, 0)));
    let (counted, seen) = (Arc::clone(&ends), Arc::clone(&last));
    let session = session(FADING, 0, torch())
        .with_repeats(Some(3))
        .with_progress(Arc::new(move |done, all| {
            assert!(done <= all);
            *seen.lock().unwrap() = (done, all);
            counted.fetch_add(usize::from((done, all) == (1, 1)), Ordering::Relaxed);
        }));
    session.check().unwrap();
    // One run of its own and three of the repeats.
    assert_eq!(ends.load(Ordering::Relaxed), 4);
    assert_eq!(*last.lock().unwrap(), (1, 1));
}
