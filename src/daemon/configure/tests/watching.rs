//! What whoever watches is told of a change that goes back.

use super::*;

#[test]
fn whoever_made_a_change_that_goes_back_is_told_so_at_the_terminal() {
    let mut scene = Scene::new();
    let id = scene.begin(Some(2));
    let mut told = watches(&scene);
    assert_eq!(scene.driver.house.log.watching(), []);
    scene.types(id, "hostname Other");
    scene.end(id);
    let begun = scene.driver.clock.now();
    let mut after = |seconds| {
        scene
            .driver
            .keep_configuring(begun.after(Duration::from_secs(seconds)));
        let mut lines = Vec::new();
        while let Ok(line) = told.try_recv() {
            lines.push(line);
        }
        lines
    };
    assert_eq!(after(50), [""; 0]);
    let reminder = after(61);
    assert!(
        reminder.len() == 1
            && reminder[0]
                .contains(": Rollback Confirmed Change: Rollback will begin in one minute"),
        "{reminder:?}"
    );
    assert_eq!(after(70), [""; 0]);
    let end = after(121);
    assert!(
        end.len() == 1 && end[0].contains(": %ARCHIVE_DIFF-5-ROLLBK_CNFMD_CHG_ROLLBACK_START: "),
        "{end:?}"
    );
    assert!(told.is_closed());
}

/// A terminal that is told of a change that is to be confirmed.
fn watches(scene: &Scene) -> mpsc::Receiver<String> {
    let (sending, told) = mpsc::channel(8);
    let person = Scene::tester();
    scene.driver.watch_log(person, sending, Watched::Rollback);
    told
}

// It would be told of somebody else's change otherwise, and have its place for good.
#[test]
fn a_terminal_waits_for_a_rollback_as_long_as_there_may_be_one() {
    let mut scene = Scene::new();
    assert!(watches(&scene).is_closed());
    let ends: [fn(&mut Scene); 2] = [
        |scene| {
            drop(
                scene
                    .driver
                    .confirm_configuration(&Scene::tester())
                    .unwrap(),
            )
        },
        |scene| drop(scene.driver.revert_configuration().unwrap()),
    ];
    for end in ends {
        let id = scene.begin(Some(1));
        scene.end(id);
        let mut early = watches(&scene);
        let now = scene.driver.clock.now();
        scene.driver.keep_configuring(now);
        // Who comes a moment later has missed nothing.
        let mut late = watches(&scene);
        for told in [&mut early, &mut late] {
            assert!(told.try_recv().unwrap().contains("Rollback will begin"));
            assert!(told.is_empty() && !told.is_closed());
        }
        end(&mut scene);
        assert!(early.is_closed() && late.is_closed());
    }
}
