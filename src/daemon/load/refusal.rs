//! Which troubles of a configuration another start would come to as well, and which pass by themselves: a disk comes or has room
//! again, a clock is set.

use super::*;
use crate::pki::{ChainError, Finding, Severity};

impl LoadError {
    /// Whether the lines, or the files that they name, are to be others before a start can come to anything else.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::NoText { .. } | Self::Text { .. } => true,
            Self::Import { error, .. } => match error {
                ImportFailure::File(_) => true,
                ImportFailure::Identity { findings } => findings.iter().any(stays),
                ImportFailure::Store(error) => is_about_content(error),
            },
            Self::Authenticate { error, .. } => match &**error {
                AuthenticationFailure::File(_) => true,
                AuthenticationFailure::Authority(error) => !is_about_dates(error),
                AuthenticationFailure::Store(error) => is_about_content(error),
            },
            Self::Compile(error) => match error {
                CompileError::NoIdentity { .. }
                | CompileError::Key { .. }
                | CompileError::Pqc { .. } => true,
                CompileError::Store { error, .. } => is_about_content(error),
                CompileError::Authorities { error, .. } => !is_about_dates(error),
            },
            Self::Action { error, .. } => error.is_refusal(),
            Self::Store(error) => is_about_content(error),
            Self::Read { .. } | Self::Bootflash { .. } => false,
        }
    }
}

/// Whether a finding keeps an identity from being used, whenever it is looked at.
fn stays(finding: &Finding) -> bool {
    match finding {
        Finding::Chain(error) => !is_about_dates(error),
        other => other.severity() == Severity::Error,
    }
}

/// Whether the store's files are to be others; if not, the disk refuses.
const fn is_about_content(error: &StoreError) -> bool {
    match error {
        StoreError::Name { .. } | StoreError::Damaged { .. } | StoreError::KeyExposed { .. } => {
            true
        }
        StoreError::Io { .. } => false,
    }
}

/// Whether a certificate may be good at another time: the clock may be wrong, as on a machine without a battery for it.
const fn is_about_dates(error: &ChainError) -> bool {
    matches!(
        error,
        ChainError::Expired { .. } | ChainError::NotYetValid { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        daemon::compile::NotServed,
        pki::{ImportError, Timestamp, pem::PemError},
    };

    const MOMENT: Timestamp = Timestamp::from_unix_seconds(0);

    fn full() -> StoreError {
        StoreError::Io {
            action: "write",
            path: PathBuf::new(),
            kind: io::ErrorKind::StorageFull,
            detail: String::new(),
        }
    }

    fn damaged() -> StoreError {
        StoreError::Damaged {
            path: PathBuf::new(),
            detail: String::new(),
        }
    }

    fn exposed() -> StoreError {
        StoreError::KeyExposed {
            path: PathBuf::new(),
            mode: 0o644,
        }
    }

    fn early() -> ChainError {
        ChainError::NotYetValid {
            subject: "cn=a".into(),
            not_before: MOMENT,
            now: MOMENT,
        }
    }

    fn late() -> ChainError {
        ChainError::Expired {
            subject: "cn=a".into(),
            not_after: MOMENT,
            now: MOMENT,
        }
    }

    fn root() -> Finding {
        Finding::RootAbsent {
            root: "cn=a".into(),
        }
    }

    #[test]
    fn what_passes_by_itself_is_no_refusal() {
        let import = |error| LoadError::Import {
            trustpoint: "TP".into(),
            file: "TP.p12".into(),
            error,
        };
        let identity = |findings| import(ImportFailure::Identity { findings });
        let in_store = |error| CompileError::Store {
            trustpoint: "TP".into(),
            error,
        };
        let authorities = |error| CompileError::Authorities {
            profile: "P".into(),
            error,
        };
        let authenticate = |error| LoadError::Authenticate {
            trustpoint: "TP".into(),
            file: "ca.pem".into(),
            error: Box::new(error),
        };
        let no_certificate = AuthenticationFailure::Authority(ChainError::NoCertificate);
        let profile = || "P".to_owned();
        let all: Vec<(LoadError, bool)> = vec![
            (
                import(ImportFailure::File(ImportError::WrongPassword)),
                true,
            ),
            (import(ImportFailure::Store(damaged())), true),
            (import(ImportFailure::Store(exposed())), true),
            (
                import(ImportFailure::Store(StoreError::Name { name: profile() })),
                true,
            ),
            (import(ImportFailure::Store(full())), false),
            (identity(vec![root(), Finding::Chain(early())]), false),
            (identity(vec![Finding::Chain(late()), root()]), false),
            (
                identity(vec![Finding::Chain(ChainError::NoCertificate)]),
                true,
            ),
            (
                identity(vec![
                    Finding::Chain(early()),
                    Finding::KeyMismatch { subject: profile() },
                ]),
                true,
            ),
            (authenticate(no_certificate), true),
            (
                authenticate(AuthenticationFailure::Authority(early())),
                false,
            ),
            (authenticate(AuthenticationFailure::Store(full())), false),
            (authenticate(AuthenticationFailure::Store(damaged())), true),
            (
                authenticate(AuthenticationFailure::File(PemError::NoCertificate)),
                true,
            ),
            (in_store(full()).into(), false),
            (in_store(damaged()).into(), true),
            (authorities(late()).into(), false),
            (authorities(ChainError::NoCertificate).into(), true),
            (
                CompileError::NoIdentity {
                    profile: profile(),
                    trustpoint: profile(),
                }
                .into(),
                true,
            ),
            (
                CompileError::Key {
                    trustpoint: profile(),
                    method: "rsa-sig",
                    why: String::new(),
                }
                .into(),
                true,
            ),
            (
                CompileError::Pqc {
                    block: String::new(),
                    error: NotServed {
                        method: ironflex_profiles::model::ikev2::MlKem::MlKem768,
                        provider: "ring",
                    },
                }
                .into(),
                true,
            ),
            (full().into(), false),
            (damaged().into(), true),
            (
                LoadError::Bootflash {
                    folder: PathBuf::new(),
                    error: Box::new(full().into()),
                },
                false,
            ),
            (
                LoadError::Read {
                    path: PathBuf::new(),
                    error: io::ErrorKind::NotFound.into(),
                },
                false,
            ),
            (
                LoadError::NoText {
                    path: PathBuf::new(),
                    line: 1,
                    column: 1,
                },
                true,
            ),
            (
                LoadError::Text {
                    source_name: String::new(),
                    text: String::new(),
                    errors: 1,
                },
                true,
            ),
        ];
        for (error, is_refusal) in all {
            assert_eq!(error.is_refusal(), is_refusal, "{error:?}");
            let action = LoadError::Action {
                at: Span::built_in("a"),
                error: Box::new(error),
            };
            assert_eq!(action.is_refusal(), is_refusal, "{action:?}");
        }
    }
}
