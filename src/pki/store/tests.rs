use super::super::test_support::*;
use super::super::{Import, ImportFailure, import_pkcs12};
use super::*;

const NAME: &str = "IKEv2-TP";

/// A state folder and its store.
fn store() -> (tempfile::TempDir, Store) {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    (state, store)
}

fn import(store: &Store, file: &[u8]) -> Result<Import, ImportFailure> {
    import_pkcs12(store, NAME, file, PASSWORD, NOW)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn folder(state: &tempfile::TempDir) -> PathBuf {
    state.path().join("trustpoints").join(NAME)
}

fn other_file() -> Zeroizing<Vec<u8>> {
    let hierarchy = Hierarchy::new();
    super::super::write_pkcs12(
        &hierarchy.server(),
        &hierarchy.authorities(),
        NAME,
        PASSWORD,
    )
    .unwrap()
}

fn load(store: &Store) -> Trustpoint {
    store
        .load(NAME)
        .unwrap_or_else(|error| panic!("{error}"))
        .unwrap()
}

#[test]
fn an_import_is_kept_for_the_daemon_alone() {
    let (state, store) = store();
    let import = import(&store, OPENSSL3).unwrap();
    assert_eq!(import.imported, Imported::New);
    assert_eq!(import.warnings, []);
    assert_eq!(
        import.certificate.subject.common_name(),
        Some("vpn.example.com")
    );
    assert_eq!(mode(&state.path().join("trustpoints")), 0o700);
    assert_eq!(mode(&folder(&state)), 0o700);
    for file in [KEY, CERTIFICATE, CHAIN, AUTHORITIES] {
        assert_eq!(mode(&folder(&state).join(file)), 0o600, "{file}");
    }
    let trustpoint = load(&store);
    let identity = trustpoint.identity.as_ref().unwrap();
    assert_eq!(identity.certificate(), pem(SERVER_PEM));
    assert_eq!(identity.intermediates(), [pem(SUB_PEM)]);
    assert_eq!(trustpoint.anchors(), [pem(ROOT_PEM)]);
    assert_eq!(
        identity.key().spki_der().unwrap(),
        super::super::describe(&pem(SERVER_PEM)).unwrap().spki_der
    );
}

#[test]
fn the_same_import_again_touches_no_file() {
    let (state, store) = store();
    import(&store, OPENSSL3).unwrap();
    let inode = || fs::metadata(folder(&state).join(KEY)).unwrap().ino();
    let before = inode();
    let again = import(&store, OPENSSL3).unwrap();
    assert_eq!(again.imported, Imported::Unchanged);
    // The other encoding has other salts and the same content.
    let legacy = include_bytes!("../../../tests/data/pki/legacy.p12");
    assert_eq!(
        import(&store, legacy).unwrap().imported,
        Imported::Unchanged
    );
    assert_eq!(inode(), before);
}

#[test]
fn another_import_replaces_everything_and_leaves_nothing_beside() {
    let (state, store) = store();
    import(&store, OPENSSL3).unwrap();
    let other = other_file();
    assert_eq!(import(&store, &other).unwrap().imported, Imported::Replaced);
    assert_ne!(
        load(&store).identity.unwrap().certificate(),
        pem(SERVER_PEM)
    );
    assert_eq!(store.list().unwrap(), [NAME]);
    assert_eq!(
        fs::read_dir(state.path().join("trustpoints"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn a_refused_import_changes_nothing() {
    let (_state, store) = store();
    import(&store, OPENSSL3).unwrap();
    let self_signed = include_bytes!("../../../tests/data/pki/self-signed.p12");
    let expired = include_bytes!("../../../tests/data/pki/expired.p12");
    let without_issuer = include_bytes!("../../../tests/data/pki/without-issuer.p12");
    for (file, message) in [
        (
            self_signed.as_slice(),
            "the certificate of cn=vpn.example.com is self-signed; one issued by a certification authority is \
             needed",
        ),
        (
            expired,
            "the certificate of cn=vpn.example.com,o=Ironflex Test expired at 00:00:00 UTC Feb 1 2025 (now: \
             00:00:00 UTC Jan 1 2026)",
        ),
        (
            without_issuer,
            "the certificate of cn=vpn.example.com,o=Ironflex Test,c=DE was issued by cn=Issuing CA,o=Ironflex \
             Test,c=DE, whose certificate is missing",
        ),
    ] {
        let failure = import(&store, file).unwrap_err();
        assert_eq!(failure.to_string(), message);
    }
    assert_eq!(
        import_pkcs12(&store, NAME, OPENSSL3, "wrong", NOW),
        Err(ImportFailure::File(
            super::super::ImportError::WrongPassword
        ))
    );
    assert_eq!(
        import(&store, OPENSSL3).unwrap().imported,
        Imported::Unchanged
    );
}

#[test]
fn a_file_without_its_root_anchors_at_its_topmost_certificate() {
    let (_state, store) = store();
    let file = include_bytes!("../../../tests/data/pki/without-root.p12");
    let import = import(&store, file).unwrap();
    assert_eq!(
        import.warnings,
        [super::super::Finding::RootAbsent {
            root: "cn=Root CA,o=Ironflex Test,c=DE".to_owned()
        }]
    );
    assert_eq!(load(&store).anchors(), [pem(SUB_PEM)]);
}

#[test]
fn an_authenticated_root_completes_a_later_import() {
    let (_state, store) = store();
    assert_eq!(
        store.authenticate(NAME, vec![pem(ROOT_PEM)]),
        Ok(Imported::New)
    );
    assert!(load(&store).identity.is_none());
    let file = include_bytes!("../../../tests/data/pki/without-root.p12");
    let import = import(&store, file).unwrap();
    assert_eq!(import.imported, Imported::Replaced);
    assert_eq!(import.warnings, []);
    assert_eq!(load(&store).anchors(), [pem(ROOT_PEM)]);
}

#[test]
fn authenticating_keeps_the_identity() {
    let (_state, store) = store();
    import(&store, OPENSSL3).unwrap();
    assert_eq!(
        store.authenticate(NAME, vec![pem(SUB_PEM)]),
        Ok(Imported::Replaced)
    );
    assert_eq!(
        store.authenticate(NAME, vec![pem(SUB_PEM)]),
        Ok(Imported::Unchanged)
    );
    let trustpoint = load(&store);
    assert_eq!(trustpoint.identity.unwrap().certificate(), pem(SERVER_PEM));
    assert_eq!(trustpoint.authorities, [pem(SUB_PEM)]);
}

#[test]
fn a_key_that_others_can_read_is_refused_until_it_is_replaced() {
    let (state, store) = store();
    import(&store, OPENSSL3).unwrap();
    let key = folder(&state).join(KEY);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(
        store.load(NAME).err(),
        Some(StoreError::KeyExposed {
            path: key.clone(),
            mode: 0o640
        })
    );
    assert_eq!(
        import(&store, OPENSSL3).unwrap().imported,
        Imported::Replaced
    );
    assert_eq!(mode(&key), 0o600);
}

#[test]
fn a_loosened_folder_is_closed_again() {
    let (state, _) = store();
    let folder = state.path().join("trustpoints");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    Store::open(state.path()).unwrap();
    assert_eq!(mode(&folder), 0o700);
}

#[test]
fn damaged_files_are_named_and_replaced_by_the_next_import() {
    for file in [KEY, CERTIFICATE, CHAIN, AUTHORITIES] {
        let (state, store) = store();
        import(&store, OPENSSL3).unwrap();
        let path = folder(&state).join(file);
        fs::write(&path, "-----BEGIN nonsense").unwrap();
        assert!(
            matches!(store.load(NAME).err(), Some(StoreError::Damaged { path: named, .. }) if named == path),
            "{file}"
        );
        assert_eq!(
            import(&store, OPENSSL3).unwrap().imported,
            Imported::Replaced
        );
    }
}

#[test]
fn half_an_identity_is_damage() {
    for (gone, detail) in [
        (KEY, "the certificate's private key is missing"),
        (CERTIFICATE, "the private key's certificate is missing"),
    ] {
        let (state, store) = store();
        import(&store, OPENSSL3).unwrap();
        let path = folder(&state).join(gone);
        fs::remove_file(&path).unwrap();
        assert_eq!(
            store.load(NAME).err(),
            Some(StoreError::Damaged {
                path,
                detail: detail.to_owned()
            })
        );
    }
}

/// The three places at which a crash can cut a replacement short.
#[test]
fn a_crash_leaves_the_old_trustpoint_or_the_new_one() {
    let hidden = |state: &tempfile::TempDir, suffix: &str| {
        state
            .path()
            .join("trustpoints")
            .join(format!(".{NAME}.{suffix}"))
    };
    let reopened = |state: &tempfile::TempDir| {
        let store = Store::open(state.path()).unwrap();
        let entries = fs::read_dir(state.path().join("trustpoints"))
            .unwrap()
            .count();
        assert_eq!(entries, 1);
        load(&store).identity.unwrap().certificate().to_vec()
    };

    // While the new one was being written.
    let (state, first) = store();
    import(&first, OPENSSL3).unwrap();
    fs::create_dir(hidden(&state, "new")).unwrap();
    fs::write(hidden(&state, "new").join(KEY), "half a k").unwrap();
    assert_eq!(reopened(&state), pem(SERVER_PEM));

    // Between the two renames.
    fs::create_dir(hidden(&state, "new")).unwrap();
    fs::rename(folder(&state), hidden(&state, "old")).unwrap();
    assert_eq!(reopened(&state), pem(SERVER_PEM));

    // Before the old one was removed.
    fs::create_dir(hidden(&state, "old")).unwrap();
    fs::write(hidden(&state, "old").join(KEY), "old").unwrap();
    assert_eq!(reopened(&state), pem(SERVER_PEM));
}

#[test]
fn no_name_leads_out_of_the_store_or_meets_another() {
    let (state, store) = store();
    let names = [
        "../../evil",
        ".hidden",
        "a/b",
        "a%2Fb",
        "A",
        "a",
        "\u{fc}",
        "a b",
        ".",
    ];
    for name in names {
        assert_eq!(
            store.authenticate(name, vec![pem(ROOT_PEM)]),
            Ok(Imported::New),
            "{name}"
        );
    }
    let mut sorted = names.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(store.list().unwrap(), sorted);
    // The store and its lock.
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 2);
    let long = "x".repeat(MAX_NAME_OCTETS + 1);
    for name in ["", long.as_str()] {
        assert_eq!(
            store.load(name).err(),
            Some(StoreError::Name {
                name: name.to_owned()
            })
        );
    }
}

#[test]
fn a_removed_trustpoint_is_gone() {
    let (state, store) = store();
    import(&store, OPENSSL3).unwrap();
    assert_eq!(store.remove(NAME), Ok(true));
    assert_eq!(store.remove(NAME), Ok(false));
    assert!(store.load(NAME).ok().unwrap().is_none());
    assert_eq!(
        fs::read_dir(state.path().join("trustpoints"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_missing_state_folder_is_named() {
    let path = Path::new("/nonexistent/state");
    assert!(matches!(
        Store::open(path).err(),
        Some(StoreError::Io { action: "create", kind: io::ErrorKind::NotFound, path, .. })
            if path == Path::new("/nonexistent/state/trustpoints")
    ));
}

#[test]
fn a_pem_file_of_authorities_makes_a_trustpoint_and_one_of_peers_does_not() {
    use super::super::{AuthenticationFailure, ChainError, authenticate_pem};

    let (_state, store) = store();
    let authentication = authenticate_pem(&store, NAME, ROOT_PEM).unwrap();
    assert_eq!(authentication.imported, Imported::New);
    assert_eq!(
        authentication.authorities[0].subject.common_name(),
        Some("Root CA")
    );
    assert_eq!(
        authenticate_pem(&store, NAME, SERVER_PEM),
        Err(AuthenticationFailure::Authority(
            ChainError::NotAnAuthority {
                subject: "cn=vpn.example.com,o=Ironflex Test,c=DE".to_owned()
            }
        ))
    );
    assert_eq!(load(&store).anchors(), [pem(ROOT_PEM)]);
}

#[test]
fn a_draft_is_seen_by_its_own_and_kept_as_a_whole_or_not_at_all() {
    let (state, store) = store();
    let authorities = |text| read_pem_certificates(text).unwrap();
    store.authenticate(NAME, authorities(ROOT_PEM)).unwrap();
    let other = authorities(SERVER_PEM);
    for kept in [false, true] {
        let draft = store.draft().unwrap();
        draft.store().authenticate(NAME, other.clone()).unwrap();
        draft.store().authenticate("second", other.clone()).unwrap();
        assert_eq!(
            draft.store().load(NAME).unwrap().unwrap().authorities,
            other
        );
        assert_eq!(load(&store).authorities, authorities(ROOT_PEM));
        if kept {
            draft.keep().unwrap();
        } else {
            drop(draft);
            assert_eq!(load(&store).authorities, authorities(ROOT_PEM));
            assert!(store.load("second").unwrap().is_none());
        }
        let hidden = fs::read_dir(state.path().join("trustpoints")).unwrap();
        let hidden = hidden.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_str().unwrap().starts_with('.')
        });
        assert_eq!(hidden.count(), 0);
    }
    assert_eq!(load(&store).authorities, other);
    assert_eq!(store.load("second").unwrap().unwrap().authorities, other);
}

/// Every file of the store, with its mode.
fn files(state: &tempfile::TempDir) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(state.path().join("trustpoints")).unwrap() {
        let entry = entry.unwrap().path();
        if !entry.is_dir() {
            continue;
        }
        for file in fs::read_dir(entry).unwrap() {
            let path = file.unwrap().path();
            all.insert(path.clone(), (fs::read(&path).unwrap(), mode(&path)));
        }
    }
    all
}

#[test]
fn what_is_placed_is_seen_by_all_and_goes_back_unless_it_is_settled() {
    let (state, store) = store();
    import(&store, OPENSSL3).unwrap();
    store.authenticate("third", vec![pem(ROOT_PEM)]).unwrap();
    let before = files(&state);
    let change = || {
        let draft = store.draft().unwrap();
        import_pkcs12(draft.store(), NAME, &other_file(), PASSWORD, NOW).unwrap();
        let authorities = vec![pem(SUB_PEM)];
        draft.store().authenticate("second", authorities).unwrap();
        assert_eq!(draft.store().remove("third"), Ok(true));
        assert!(draft.store().load("third").unwrap().is_none());
        assert!(store.load("third").unwrap().is_some());
        draft
    };
    let placed = change().place(false).unwrap();
    assert!(store.load("second").unwrap().is_some() && store.load("third").unwrap().is_none());
    drop(placed);
    assert_eq!(files(&state), before);
    let remains = change().place(false).unwrap().settle().unwrap();
    remains.clear().unwrap();
    assert_eq!(store.list().unwrap(), [NAME, "second"]);
    // Nothing is left beside them.
    let entries = fs::read_dir(state.path().join("trustpoints")).unwrap();
    assert_eq!(entries.count(), 2);
}

#[test]
fn where_one_cannot_be_placed_none_is() {
    let (state, store) = store();
    import(&store, OPENSSL3).unwrap();
    let before = files(&state);
    let draft = store.draft().unwrap();
    for name in [NAME, "last"] {
        let authorities = vec![pem(SUB_PEM)];
        draft.store().authenticate(name, authorities).unwrap();
    }
    // Somebody has taken what was to take its place.
    fs::remove_dir_all(state.path().join("trustpoints/.last.new")).unwrap();
    assert!(draft.place(false).is_err());
    assert_eq!(files(&state), before);
    assert_eq!(store.list().unwrap(), [NAME]);
}

/// What stands beside the trustpoints.
fn hidden(state: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(state.path().join("trustpoints")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut hidden: Vec<String> = names.filter(|name| name.starts_with('.')).collect();
    hidden.sort();
    hidden
}

/// Whose former selves are held.
fn held(store: &Store) -> Vec<String> {
    let mut held = store.held_entries().unwrap();
    held.sort();
    held
}

/// Makes two trustpoints hold an authority, as a change that may be taken back.
fn change(store: &Store, authority: &[u8]) -> Placed {
    let draft = store.draft().unwrap();
    for name in [NAME, "second"] {
        let trustpoint = Trustpoint {
            identity: None,
            authorities: vec![pem(authority)],
        };
        draft.store().put(name, &trustpoint).unwrap();
    }
    draft.place(true).unwrap()
}

/// A trustpoint that is damaged and open, and none beside it.
fn damaged() -> (tempfile::TempDir, Store) {
    let (state, store) = store();
    import(&store, OPENSSL3).unwrap();
    fs::write(folder(&state).join(CHAIN), "damaged").unwrap();
    fs::set_permissions(folder(&state).join(KEY), fs::Permissions::from_mode(0o640)).unwrap();
    (state, store)
}

#[test]
fn what_was_held_is_put_back_whatever_it_was() {
    let (state, store) = damaged();
    let before = files(&state);
    assert!(!store.holds().unwrap());
    // Of several changes the first one decides what is held; one that is taken back at once holds nothing.
    drop(change(&store, SUB_PEM));
    assert_eq!(files(&state), before);
    assert_eq!(hidden(&state), [""; 0]);
    for authority in [ROOT_PEM, SUB_PEM] {
        let remains = change(&store, authority).settle().unwrap();
        // Others may write before that is done.
        assert!(store.draft_now().unwrap().is_some());
        remains.clear().unwrap();
        assert_eq!(load(&store).authorities, [pem(authority)]);
        assert_eq!(hidden(&state), [".held"]);
        assert_eq!(held(&store), [NAME, "second"]);
    }
    // An import beside the daemon leaves it alone.
    Store::open(state.path()).unwrap();
    let draft = store.draft_now().unwrap().unwrap();
    // There is one at a time.
    assert!(store.draft_now().unwrap().is_none());
    let mut names = draft.put_back().unwrap();
    names.sort();
    assert_eq!(names, [NAME, "second"]);
    assert!(draft.store().load("second").unwrap().is_none());
    // What could not be put back is held still.
    drop(draft.place(false).unwrap());
    assert_eq!(load(&store).authorities, [pem(SUB_PEM)]);
    assert_eq!(hidden(&state), [".held"]);
    assert_eq!(held(&store), [NAME, "second"]);
    let draft = store.draft_now().unwrap().unwrap();
    draft.put_back().unwrap();
    draft.keep().unwrap();
    assert_eq!(files(&state), before);
    assert_eq!(hidden(&state), [""; 0]);
    assert_eq!(store.list().unwrap(), [NAME]);
}

// Whatever the last step was that a change came to.
#[test]
fn after_a_crash_what_was_held_is_put_back() {
    let settled = |placed: Placed| drop(placed.settle().unwrap());
    let steps: [(&str, &dyn Fn(Placed)); 3] = [
        ("placed", &std::mem::forget),
        ("settled", &settled),
        ("cleared", &|placed| {
            placed.settle().unwrap().clear().unwrap()
        }),
    ];
    for (step, last) in steps {
        let (state, first) = damaged();
        let before = files(&state);
        last(change(&first, ROOT_PEM));
        // A crash: nobody has the lock any more.
        fs::remove_file(state.path().join("trustpoints.lock")).unwrap();
        let store = Store::open(state.path()).unwrap();
        let names = store.draft().unwrap().take_back_unconfirmed().unwrap();
        assert_eq!(names.len(), 2, "{step}");
        assert_eq!(files(&state), before, "{step}");
        assert_eq!(hidden(&state), [""; 0], "{step}");
    }
}

#[test]
fn what_is_forgotten_stays_as_it_has_become() {
    for own in [&[] as &[&str], &[NAME, "second"], &["second"]] {
        let (state, store) = damaged();
        let remains = change(&store, ROOT_PEM).settle().unwrap();
        remains.clear().unwrap();
        let (forgotten, still) = match own {
            [] => (store.forget_held().unwrap(), None),
            some => store.forget_held_of(some.iter().copied()),
        };
        assert!(still.is_none());
        // It is decided before anything is removed.
        let store = Store::open(state.path()).unwrap();
        assert_eq!(store.holds().unwrap(), own.len() == 1);
        let names = store.draft().unwrap().take_back_unconfirmed().unwrap();
        assert_eq!(names.len(), usize::from(own.len() == 1));
        forgotten.clear().unwrap();
        assert_eq!(hidden(&state), [""; 0]);
        assert!(store.load("second").unwrap().is_some());
        // The first one is damaged again where it was put back.
        assert_eq!(store.load(NAME).is_ok(), own.len() != 1);
    }
}

#[test]
fn what_cannot_be_forgotten_is_named_and_keeps_nothing_else() {
    let (state, store) = damaged();
    change(&store, ROOT_PEM).settle().unwrap().clear().unwrap();
    let draft = store.draft().unwrap();
    draft
        .store()
        .authenticate("third", vec![pem(SUB_PEM)])
        .unwrap();
    draft
        .place(true)
        .unwrap()
        .settle()
        .unwrap()
        .clear()
        .unwrap();
    assert_eq!(held(&store), [NAME, "second", "third"]);
    STUCK.set(store.held(&encode(NAME).unwrap()));
    let (forgotten, still) = store.forget_held_of([NAME, "second"]);
    STUCK.take();
    let still = still.unwrap();
    assert_eq!(still.trustpoints, [NAME]);
    assert!(
        still.error.to_string().contains("permission denied"),
        "{}",
        still.error
    );
    assert_eq!(held(&store), [NAME, "third"]);
    // What went is known of, and is cleared away.
    forgotten.clear().unwrap();
    assert_eq!(hidden(&state), [".held"]);
}

// As a timer leaves it that could not forget.
#[test]
fn what_was_held_before_a_change_that_stays_is_not_put_back() {
    let (state, store) = store();
    store.authenticate(NAME, vec![pem(SUB_PEM)]).unwrap();
    change(&store, ROOT_PEM).settle().unwrap().clear().unwrap();
    let another = || {
        let draft = store.draft().unwrap();
        import(draft.store(), OPENSSL3).unwrap();
        draft.place(false).unwrap()
    };
    // One that is given up is none.
    drop(another());
    assert_eq!(held(&store), [NAME, "second"]);
    another().settle().unwrap().clear().unwrap();
    assert_eq!(held(&store), ["second"]);
    let names = store.draft().unwrap().take_back_unconfirmed().unwrap();
    assert_eq!(names, ["second"]);
    assert!(load(&store).identity.is_some());
    assert_eq!(hidden(&state), [""; 0]);
}

#[test]
fn a_change_that_fails_leaves_nothing_of_an_earlier_one_beside_it() {
    let (state, store) = store();
    import(&store, OPENSSL3).unwrap();
    let before = files(&state);
    for is_placed in [true, false] {
        let stale = folder(&state).with_file_name(format!(".{NAME}.old"));
        fs::create_dir(&stale).unwrap();
        fs::write(stale.join(KEY), "an earlier one's").unwrap();
        let draft = store.draft().unwrap();
        let authorities = vec![pem(SUB_PEM)];
        draft.store().authenticate(NAME, authorities).unwrap();
        if !is_placed {
            // Somebody has taken what was to take its place.
            fs::remove_dir_all(folder(&state).with_file_name(format!(".{NAME}.new"))).unwrap();
        }
        let placed = draft.place(false);
        assert_eq!(placed.is_ok(), is_placed);
        drop(placed);
        assert_eq!(files(&state), before);
        assert_eq!(hidden(&state), [""; 0]);
    }
}

// Whoever imports beside the daemon means it, whatever the daemon may take back.
#[test]
fn what_is_imported_for_good_is_not_put_back() {
    let (state, store) = store();
    store.authenticate(NAME, vec![pem(SUB_PEM)]).unwrap();
    for same in [false, true] {
        if same {
            store.remove(NAME).unwrap();
            let draft = store.draft().unwrap();
            import(draft.store(), OPENSSL3).unwrap();
            draft
                .place(true)
                .unwrap()
                .settle()
                .unwrap()
                .clear()
                .unwrap();
        } else {
            change(&store, ROOT_PEM).settle().unwrap().clear().unwrap();
        }
        import(&store, OPENSSL3).unwrap();
        let names = store.draft().unwrap().take_back_unconfirmed().unwrap();
        assert!(!names.contains(&NAME.to_owned()), "{names:?}");
        assert!(load(&store).identity.is_some());
        assert_eq!(hidden(&state), [""; 0]);
    }
}

// A key is moved aside, and the new one comes to its place: between the two it is in neither.
#[test]
fn a_crash_between_the_two_steps_of_a_change_leaves_the_old_key() {
    let (state, store) = store();
    import(&store, OPENSSL3).unwrap();
    let before = files(&state);
    let placed = change(&store, ROOT_PEM);
    std::mem::forget(placed);
    let folder = folder(&state);
    fs::rename(&folder, folder.with_file_name(format!(".{NAME}.new"))).unwrap();
    assert!(folder.with_file_name(".held").join(NAME).is_dir());
    fs::remove_file(state.path().join("trustpoints.lock")).unwrap();
    let store = Store::open(state.path()).unwrap();
    store.draft().unwrap().take_back_unconfirmed().unwrap();
    assert_eq!(files(&state), before);
    assert_eq!(hidden(&state), [""; 0]);
}

#[test]
fn a_second_writing_that_fails_leaves_what_the_draft_had() {
    let (state, store) = store();
    import(&store, OPENSSL3).unwrap();
    let draft = store.draft().unwrap();
    draft
        .store()
        .authenticate(NAME, vec![pem(SUB_PEM)])
        .unwrap();
    let full = |path: &Path| Err(io_error("sync", path)(io::ErrorKind::StorageFull.into()));
    let other = Trustpoint {
        identity: None,
        authorities: vec![pem(ROOT_PEM)],
    };
    let written = draft.store().write_by(NAME, &other, full);
    assert!(matches!(
        written,
        Err(StoreError::Io { action: "sync", .. })
    ));
    assert_eq!(hidden(&state), [format!(".{NAME}.new")]);
    draft.keep().unwrap();
    let kept = load(&store);
    assert_eq!(kept.authorities, [pem(SUB_PEM)]);
    assert_eq!(kept.identity.unwrap().certificate(), pem(SERVER_PEM));
    assert_eq!(hidden(&state), [""; 0]);
}

#[test]
fn who_opens_or_writes_waits_for_who_is_writing() {
    let (state, store) = store();
    let draft = store.draft().unwrap();
    draft
        .store()
        .authenticate(NAME, read_pem_certificates(ROOT_PEM).unwrap())
        .unwrap();
    let (done, is_done) = std::sync::mpsc::channel();
    let path = state.path().to_owned();
    let other = std::thread::spawn(move || {
        // It would clear away what is half written.
        let store = Store::open(&path).unwrap();
        done.send(()).unwrap();
        store.load(NAME).unwrap().is_some()
    });
    let early = is_done.recv_timeout(std::time::Duration::from_millis(200));
    assert!(early.is_err());
    draft.keep().unwrap();
    assert!(other.join().unwrap());
}
