//! The client's own certificate and private key, out of the files that the command line names.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
    sync::Arc,
};

use ironflex_ikev2::{
    crypto::{Signer, SigningKey},
    event::EapContext,
    wire::payload::Identification,
};
use zeroize::Zeroizing;

use super::{End, Options, proof::Auth};
use crate::{
    daemon::load::read_bounded,
    pki::{
        CertificateSummary,
        certificate::SubjectAltName,
        describe,
        pem::read_pem_certificates,
        pkcs12::{Pkcs12, read_pem_identity, read_pkcs12},
    },
    terminal::{self, Echo},
};

/// The longest file with certificates or a key, in octets.
const MAX_FILE: u64 = 1 << 20;

/// The longest password, in octets.
const MAX_PASSWORD: usize = 4096;

/// What proves a client by a signature. No `Debug`: it holds a secret.
pub struct Credentials {
    /// The certificates to send, DER, the own one first and the root left out.
    pub(super) chain: Vec<Arc<[u8]>>,
    /// The private key.
    pub(super) signer: Signer,
    /// Authorities that came with them, DER.
    pub(super) authorities: Vec<Vec<u8>>,
    summary: CertificateSummary,
}

impl Credentials {
    /// Reads what the command line names; `None` where it names nothing and nothing is needed. Asks for the
    /// password of a PKCS #12 file at the terminal unless another file has it.
    ///
    /// # Errors
    ///
    /// [`End::Local`], for a file that cannot be read or does not hold what it should, a key of another kind than
    /// `--auth` says, and where `--auth` needs a certificate that nothing names.
    pub fn read(options: &Options) -> Result<Option<Self>, End> {
        let read = match (&options.pkcs12, &options.cert, &options.key) {
            (Some(file), _, _) => from_pkcs12(file, options)?,
            (None, Some(certificates), Some(key)) => from_pem(certificates, key)?,
            _ => {
                return match options.auth {
                    Auth::RsaSig | Auth::EcdsaSig => Err(End::Local(format!(
                        "--auth {} needs --pkcs12 FILE, or --cert FILE and --key FILE",
                        options.auth
                    ))),
                    Auth::AnyconnectEap | Auth::PreShare => Ok(None),
                };
            }
        };
        Self::assemble(read, options.auth)
            .map(Some)
            .map_err(End::Local)
    }

    fn assemble(read: Pkcs12, auth: Auth) -> Result<Self, String> {
        let Pkcs12 {
            identity,
            authorities,
        } = read;
        let signer = Signer::from_pkcs8(identity.key().pkcs8_der())
            .map_err(|error| format!("the private key: {error}"))?;
        match (auth, signer.kind()) {
            (Auth::RsaSig, SigningKey::Ecdsa(_)) => {
                return Err(
                    "the private key is an elliptic-curve key: --auth ecdsa-sig is for those"
                        .into(),
                );
            }
            (Auth::EcdsaSig, SigningKey::Rsa) => {
                return Err("the private key is an RSA key: --auth rsa-sig is for those".into());
            }
            (Auth::AnyconnectEap, SigningKey::Ecdsa(_)) => {
                return Err(
                    "the private key is an elliptic-curve key, which AnyConnect-EAP has no signature for: \
                     --auth ecdsa-sig is for those"
                        .into(),
                );
            }
            _ => {}
        }
        let summary = describe(identity.certificate()).map_err(|error| error.to_string())?;
        Ok(Self {
            chain: identity.chain().map(Arc::from).collect(),
            signer,
            authorities,
            summary,
        })
    }

    /// The IKE identity that the certificate gives: its subject, or, where that is empty, its first subject
    /// alternative name that IKE has a type for (RFC 4945 §3.1).
    ///
    /// # Errors
    ///
    /// [`End::Local`] for a certificate that names nobody.
    pub(super) fn identity(&self) -> Result<Identification, End> {
        let mut attributes = self.summary.subject.attributes.iter();
        if attributes.any(|attribute| !attribute.value.is_empty()) {
            return Ok(Identification::dn(self.summary.subject.der.clone()));
        }
        let mut names = self.summary.subject_alt_names.iter();
        let name = names.find_map(|name| match name {
            SubjectAltName::Dns(name) => Some(Identification::fqdn(name)),
            SubjectAltName::Email(name) => Some(Identification::email(name)),
            SubjectAltName::Ip(address) => Some(Identification::address(*address)),
            SubjectAltName::Uri(_) | SubjectAltName::Other => None,
        });
        name.ok_or_else(|| End::Local("the certificate names nobody: say --identity".into()))
    }

    /// The signature that AnyConnect-EAP wants beside the certificates: by RSA, with the hash of the PRF
    /// (docs/anyconnect-eap.md, Certificates). The method has no form for other keys, which [`read`](Self::read) refuses.
    ///
    /// # Errors
    ///
    /// [`End::Local`] where signing fails.
    pub(super) fn sign_eap(&self, context: &EapContext) -> Result<Vec<u8>, End> {
        let scheme = ironflex_ikev2::crypto::SignatureScheme::rsa_pkcs1(context.prf.hash());
        let octets = &context.initiator_signed_octets;
        self.signer
            .sign(scheme, octets)
            .map_err(|error| End::Local(error.to_string()))
    }
}

fn file(path: &Path) -> Result<Zeroizing<Vec<u8>>, End> {
    read_bounded(path, MAX_FILE).map_err(|error| End::Local(error.to_string()))
}

fn from_pem(certificates: &Path, key: &Path) -> Result<Pkcs12, End> {
    let at = |path: &Path, error: &dyn std::fmt::Display| {
        End::Local(format!("{}: {error}", path.display()))
    };
    let chain = read_pem_certificates(&file(certificates)?);
    let chain = chain.map_err(|error| at(certificates, &error))?;
    read_pem_identity(chain, &file(key)?).map_err(|error| at(key, &error))
}

fn from_pkcs12(path: &Path, options: &Options) -> Result<Pkcs12, End> {
    let octets = file(path)?;
    let password = match &options.pkcs12_password_file {
        Some(from) => password(from, options.password_stdin)?,
        None => {
            let prompt = format!("Password of {}: ", path.display());
            terminal::ask_now(&prompt, Echo::Hidden).map_err(|error| match error.kind() {
                io::ErrorKind::Interrupted => End::Disconnected,
                _ => End::Local(format!(
                    "no terminal to ask for the password of {} at ({error}): say --pkcs12-password-file",
                    path.display()
                )),
            })?
        }
    };
    read_pkcs12(&octets, &password)
        .map_err(|error| End::Local(format!("{}: {error}", path.display())))
}

/// The first line of a file, `-` for standard input.
fn password(from: &Path, stdin_taken: bool) -> Result<Zeroizing<String>, End> {
    if from == Path::new("-") {
        if stdin_taken {
            let why =
                "standard input has one password: --password-stdin or --pkcs12-password-file -";
            return Err(End::Local(why.into()));
        }
        return password_of_stdin();
    }
    let at = |error: io::Error| End::Local(format!("{}: {error}", from.display()));
    let file = File::open(from).map_err(at)?;
    first_line(BufReader::new(file)).map_err(at)
}

/// The first line of standard input. What stands behind it is left unread.
pub(super) fn password_of_stdin() -> Result<Zeroizing<String>, End> {
    first_line(io::stdin().lock()).map_err(|error| End::Local(format!("standard input: {error}")))
}

/// Reads one line, without its end, and does not wait for more.
///
/// # Errors
///
/// Of the input, and `InvalidData` for a line that is too long for a password or no UTF-8 text.
pub(crate) fn first_line(input: impl BufRead) -> io::Result<Zeroizing<String>> {
    // Nothing of it is left behind by growing.
    let mut octets = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD.saturating_add(3)));
    // Two more for the line's end, one to tell that there is more.
    let bound = u64::try_from(MAX_PASSWORD).unwrap_or(u64::MAX);
    input
        .take(bound.saturating_add(3))
        .read_until(b'\n', &mut octets)?;
    let line = octets.strip_suffix(b"\n").unwrap_or(&octets);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > MAX_PASSWORD {
        let why = format!("the password is longer than {MAX_PASSWORD} octets");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let text = std::str::from_utf8(line)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "no UTF-8 text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use clap::Parser;

    use super::*;
    use crate::{
        clock::wall_clock,
        operation::{Invocation, Operation},
        pki::{
            authority::{Authority, KeyAlgorithm, LeafRequest, Validity},
            pem::write_pem_certificates,
        },
    };

    fn options(words: &[&str]) -> Options {
        let all = [&["ironflex", "connect", "vpn.example.com"], words].concat();
        match Invocation::try_parse_from(all).map(Invocation::operation) {
            Ok(Some(Operation::Connect(options))) => *options,
            Ok(_) => panic!("another command"),
            Err(error) => panic!("{error}"),
        }
    }

    /// A folder with a certificate of this kind of key: `cert.pem`, `key.pem`.
    fn folder(algorithm: KeyAlgorithm, names: Vec<SubjectAltName>, cn: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let year = Validity::starting(wall_clock(), Duration::from_secs(365 * 24 * 3600));
        let root = Authority::root("Root", KeyAlgorithm::EcdsaP256, year).unwrap();
        let request = LeafRequest::client(cn, names, algorithm, year);
        let identity = root.issue(&request).unwrap();
        let at = |name| folder.path().join(name);
        fs::write(
            at("cert.pem"),
            write_pem_certificates(&[identity.certificate()]),
        )
        .unwrap();
        let key = pem::encode(&pem::Pem::new("PRIVATE KEY", identity.key().pkcs8_der()));
        fs::write(at("key.pem"), key).unwrap();
        folder
    }

    fn read(folder: &tempfile::TempDir, auth: &str) -> Result<Option<Credentials>, End> {
        let at = |name| folder.path().join(name).display().to_string();
        let (cert, key) = (at("cert.pem"), at("key.pem"));
        Credentials::read(&options(&["--auth", auth, "--cert", &cert, "--key", &key]))
    }

    fn message(result: Result<Option<Credentials>, End>) -> String {
        match result {
            Ok(_) => panic!("it was read"),
            Err(end) => {
                assert_eq!(end.code(), 1);
                end.to_string()
            }
        }
    }

    #[test]
    fn the_identity_is_the_subject_or_else_the_first_alternative_name() {
        let names = vec![SubjectAltName::Dns("a.example".into())];
        let with = folder(KeyAlgorithm::EcdsaP384, names.clone(), "a client");
        let own = read(&with, "ecdsa-sig").ok().flatten().unwrap();
        let identity = own.identity().unwrap();
        assert_eq!(crate::daemon::identity::words(&identity), "dn cn=a client");
        let without = folder(KeyAlgorithm::EcdsaP384, names, "");
        let own = read(&without, "ecdsa-sig").ok().flatten().unwrap();
        assert_eq!(own.identity().unwrap(), Identification::fqdn("a.example"));
    }

    #[test]
    fn a_key_of_another_kind_than_the_method_is_refused_by_name() {
        let curve = folder(KeyAlgorithm::EcdsaP256, Vec::new(), "a");
        assert!(read(&curve, "ecdsa-sig").is_ok());
        let said = message(read(&curve, "rsa-sig"));
        assert!(said.contains("--auth ecdsa-sig is for those"), "{said}");
        let said = message(read(&curve, "anyconnect-eap"));
        assert!(said.contains("AnyConnect-EAP has no signature"), "{said}");
    }

    // ring makes no RSA keys.
    #[cfg(feature = "aws-lc")]
    #[test]
    fn an_rsa_key_signs_where_rsa_is_asked_for_and_nowhere_else() {
        let rsa = folder(KeyAlgorithm::Rsa2048, Vec::new(), "a");
        assert!(read(&rsa, "rsa-sig").is_ok() && read(&rsa, "anyconnect-eap").is_ok());
        let said = message(read(&rsa, "ecdsa-sig"));
        assert!(said.contains("--auth rsa-sig is for those"), "{said}");
    }

    #[test]
    fn a_method_without_its_files_says_what_it_needs() {
        let said = message(Credentials::read(&options(&["--auth", "ecdsa-sig"])));
        assert!(said.contains("--pkcs12 FILE"), "{said}");
        assert!(Credentials::read(&options(&[])).ok().unwrap().is_none());
    }

    #[test]
    fn another_certificates_key_and_no_key_at_all_name_the_file() {
        let (one, other) = (
            folder(KeyAlgorithm::EcdsaP256, Vec::new(), "one"),
            folder(KeyAlgorithm::EcdsaP256, Vec::new(), "other"),
        );
        let key = one.path().join("key.pem");
        fs::copy(other.path().join("key.pem"), &key).unwrap();
        let said = message(read(&one, "ecdsa-sig"));
        assert!(
            said.contains("belongs to none of the certificates"),
            "{said}"
        );
        assert!(said.contains("key.pem"), "{said}");
        fs::write(
            &key,
            "-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n",
        )
        .unwrap();
        let said = message(read(&one, "ecdsa-sig"));
        assert!(said.contains("openssl pkcs8 -topk8"), "{said}");
    }

    #[test]
    fn the_password_of_a_pkcs12_file_may_stand_in_another() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let p12 = include_bytes!("../../tests/data/pki/openssl3.p12");
        fs::write(at("own.p12"), p12).unwrap();
        fs::write(at("right"), "cisco123\n").unwrap();
        fs::write(at("wrong"), "cisco124\n").unwrap();
        let with = |password: &str| {
            Credentials::read(&options(&[
                "--auth",
                "rsa-sig",
                "--pkcs12",
                &at("own.p12"),
                "--pkcs12-password-file",
                &at(password),
            ]))
        };
        let own = with("right").ok().flatten().unwrap();
        assert_eq!((own.chain.len(), own.authorities.len()), (2, 1));
        assert!(message(with("wrong")).contains("own.p12"));
    }

    /// A pipe that nobody closes.
    struct Open<'a>(&'a [u8]);

    impl io::Read for Open<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = io::Read::read(&mut self.0, buffer)?;
            if count == 0 {
                panic!("it waits for more");
            }
            Ok(count)
        }
    }

    #[test]
    fn a_password_ends_with_its_line_and_none_is_cut() {
        for (text, expected) in [
            (&b"cisco123\n"[..], "cisco123"),
            (b"cisco123\r\nmore", "cisco123"),
            (b" \n", " "),
            (b"\n", ""),
        ] {
            let line = first_line(BufReader::new(Open(text))).unwrap();
            assert_eq!(line.as_str(), expected);
        }
        // The end of the file is the end of a line too.
        assert_eq!(first_line(&b"cisco123"[..]).unwrap().as_str(), "cisco123");
        for end in ["", "\n", "\r\n", "\nmore"] {
            let longest = "a".repeat(MAX_PASSWORD);
            let line = first_line(format!("{longest}{end}").as_bytes()).unwrap();
            assert_eq!(*line, longest);
            let longer = format!("{longest}a{end}");
            let error = first_line(longer.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("longer than 4096"), "{error}");
        }
        assert!(first_line(&b"\xff\n"[..]).is_err());
    }
}
