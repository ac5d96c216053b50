//! Configuration text: what is printed of it reads back as the same and prints the same.

use ironflex_profiles::{Candidate, DIAGNOSTIC_LIMIT, Fault, check, parse, render, resolve};

/// Text that is no UTF-8 is none here either: files are read as text before they get here.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let checked = check(text, "t");
    let parsed = parse(text, "t");
    assert!(
        parsed.diagnostics.len() <= DIAGNOSTIC_LIMIT + 1,
        "faults without end"
    );
    for one in checked.diagnostics.iter().chain(&parsed.diagnostics) {
        assert_ne!(one.fault, Fault::Internal, "{}", one.render(text));
        let shown = one.render(text);
        assert!(
            !shown.chars().any(|c| c.is_control() && c != '\n'),
            "{shown:?}"
        );
        let line = usize::try_from(one.at.line).unwrap();
        assert!(
            line <= text.lines().count() + 1,
            "a fault behind the last line"
        );
    }

    let candidate = without_actions(parsed.candidate);
    let printed = render(&candidate);
    let again = parse(&printed, "t");
    assert_eq!(
        again.diagnostics,
        [],
        "what was printed has faults:\n{printed}"
    );
    assert_eq!(
        again.candidate, candidate,
        "reads back otherwise:\n{printed}"
    );
    assert_eq!(
        render(&again.candidate),
        printed,
        "printed otherwise the second time"
    );
    match (resolve(&candidate), resolve(&again.candidate)) {
        (Ok(mut one), Ok(mut other)) => {
            assert_eq!(one.warnings.len(), other.warnings.len());
            one.warnings.clear();
            other.warnings.clear();
            assert_eq!(one, other, "means something else:\n{printed}");
        }
        (Err(one), Err(other)) => assert_eq!(one.len(), other.len(), "{printed}"),
        _ => panic!("good before or after, and not both:\n{printed}"),
    }
}

/// What `crypto pki import` does is done once and not printed.
fn without_actions(candidate: Candidate) -> Candidate {
    Candidate {
        actions: Vec::new(),
        ..candidate
    }
}
