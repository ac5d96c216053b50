//! Key tables for Wireshark: what `debug crypto ikev2 keylog` writes.
//!
//! Two files in one folder, under the names that Wireshark looks for in a profile of its own:
//! `ikev2_decryption_table` for the messages of IKE SAs, `esp_sa` for ESP. A line is appended per SA;
//! each says all that is needed to read that SA's traffic, so the files are the owner's alone.

use std::{
    fmt::{self, Write as _},
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use ironflex_ikev2::{
    crypto::suite::{AeadAlgorithm, CbcAlgorithm, EspSuite, IkeSuite, Integrity, Protection},
    event::KeyLog,
    secret::SecretBytes,
};
use zeroize::Zeroizing;

/// The table of IKE SAs.
const IKE_TABLE: &str = "ikev2_decryption_table";

/// The table of ESP SAs.
const ESP_TABLE: &str = "esp_sa";

/// As long as a line can get (AES-GCM-256 or AES-CBC-256 with SHA2-512 between IPv6 addresses), in octets: a
/// secret that outgrows its buffer leaves copies behind.
const LINE_CAPACITY: usize = 1024;

/// Appends keys to the two tables of a folder.
#[derive(Debug)]
pub struct KeyLogWriter {
    ike: File,
    esp: File,
}

impl KeyLogWriter {
    /// Opens the tables below `folder`, which is made (mode 0700) where there is none. What the tables hold is kept;
    /// from here on only the owner can read them (mode 0600).
    ///
    /// # Errors
    ///
    /// Of the system calls; a table that is a symbolic link is refused, for keys must not go where somebody else points.
    pub fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        Ok(Self {
            ike: open_table(&folder.join(IKE_TABLE))?,
            esp: open_table(&folder.join(ESP_TABLE))?,
        })
    }

    /// Appends the line of one IKE SA, or of one direction of ESP.
    ///
    /// # Errors
    ///
    /// Of the system calls.
    pub fn write(&mut self, keys: &KeyLog) -> io::Result<()> {
        let mut line = Zeroizing::new(String::with_capacity(LINE_CAPACITY));
        let (table, written) = match keys {
            KeyLog::Ike {
                initiator_spi,
                responder_spi,
                keys,
                suite,
            } => {
                let spis = [initiator_spi.get(), responder_spi.get()];
                (&mut self.ike, ike_line(&mut line, spis, keys, suite))
            }
            KeyLog::Esp {
                source,
                destination,
                spi,
                suite,
                keys,
            } => {
                let ends = [source, destination];
                (&mut self.esp, esp_line(&mut line, ends, *spi, suite, keys))
            }
        };
        written.map_err(io::Error::other)?;
        // In one piece, so that a reader never finds half a line.
        table.write_all(line.as_bytes())
    }
}

fn open_table(path: &Path) -> io::Result<File> {
    let table = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)?;
    // An older file keeps the mode that it was made with.
    table.set_permissions(Permissions::from_mode(0o600))?;
    Ok(table)
}

fn ike_line(
    line: &mut String,
    [initiator_spi, responder_spi]: [u64; 2],
    [ei, er, ai, ar]: &[SecretBytes; 4],
    suite: &IkeSuite,
) -> fmt::Result {
    let (encryption, integrity) = ike_names(suite.protection);
    writeln!(
        line,
        r#"{initiator_spi:016x},{responder_spi:016x},{},{},"{encryption}",{},{},"{integrity}""#,
        Hex(ei),
        Hex(er),
        Hex(ai),
        Hex(ar),
    )
}

fn esp_line(
    line: &mut String,
    [source, destination]: [&SocketAddr; 2],
    spi: u32,
    suite: &EspSuite,
    [encryption_key, integrity_key]: &[SecretBytes; 2],
) -> fmt::Result {
    let source = source.ip().to_canonical();
    let destination = destination.ip().to_canonical();
    let family = if source.is_ipv4() { "IPv4" } else { "IPv6" };
    let (encryption, integrity) = esp_names(suite.protection);
    writeln!(
        line,
        r#""{family}","{source}","{destination}","0x{spi:08x}","{encryption}","0x{}","{integrity}","0x{}""#,
        Hex(encryption_key),
        Hex(integrity_key),
    )
}

/// What Wireshark's IKEv2 table calls an encryption and an integrity algorithm.
const fn ike_names(protection: Protection) -> (&'static str, &'static str) {
    match protection {
        Protection::Aead(aead) => (
            match aead {
                AeadAlgorithm::AesGcm16_128 => "AES-GCM-128 with 16 octet ICV [RFC5282]",
                AeadAlgorithm::AesGcm16_192 => "AES-GCM-192 with 16 octet ICV [RFC5282]",
                AeadAlgorithm::AesGcm16_256 => "AES-GCM-256 with 16 octet ICV [RFC5282]",
            },
            "NONE [RFC4306]",
        ),
        Protection::EncryptThenMac(cipher, integrity) => (
            match cipher {
                CbcAlgorithm::AesCbc128 => "AES-CBC-128 [RFC3602]",
                CbcAlgorithm::AesCbc192 => "AES-CBC-192 [RFC3602]",
                CbcAlgorithm::AesCbc256 => "AES-CBC-256 [RFC3602]",
            },
            match integrity {
                Integrity::HmacSha1_96 => "HMAC_SHA1_96 [RFC2404]",
                Integrity::HmacSha2_256_128 => "HMAC_SHA2_256_128 [RFC4868]",
                Integrity::HmacSha2_384_192 => "HMAC_SHA2_384_192 [RFC4868]",
                Integrity::HmacSha2_512_256 => "HMAC_SHA2_512_256 [RFC4868]",
            },
        ),
    }
}

/// What Wireshark's ESP table calls them. The length of a key says its size. A combined mode has its check value's
/// size in its name, and no integrity of its own: with any other entry there, Wireshark 4 decrypts nothing.
const fn esp_names(protection: Protection) -> (&'static str, &'static str) {
    match protection {
        Protection::Aead(_) => ("AES-GCM with 16 octet ICV [RFC4106]", "NULL"),
        Protection::EncryptThenMac(_, integrity) => (
            "AES-CBC [RFC3602]",
            match integrity {
                Integrity::HmacSha1_96 => "HMAC-SHA-1-96 [RFC2404]",
                Integrity::HmacSha2_256_128 => "HMAC-SHA-256-128 [RFC4868]",
                Integrity::HmacSha2_384_192 => "HMAC-SHA-384-192 [RFC4868]",
                Integrity::HmacSha2_512_256 => "HMAC-SHA-512-256 [RFC4868]",
            },
        ),
    }
}

/// A key in hexadecimal, written straight into the line.
struct Hex<'a>(&'a SecretBytes);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .as_bytes()
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, net::Ipv6Addr};

    use ironflex_ikev2::{
        crypto::suite::{Additional, Group, PrfAlgorithm},
        wire::header::{InitiatorSpi, ResponderSpi},
    };

    use super::*;

    const CBC: Protection =
        Protection::EncryptThenMac(CbcAlgorithm::AesCbc256, Integrity::HmacSha2_256_128);
    const GCM: Protection = Protection::Aead(AeadAlgorithm::AesGcm16_256);

    /// A file of one of the captures, which came with tables that Wireshark reads.
    fn capture(name: &str, file: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ikev2/tests/vectors");
        fs::read_to_string(folder.join(name).join(file)).unwrap()
    }

    fn secret(hex: &str) -> SecretBytes {
        let digits = hex.trim_start_matches("0x").as_bytes();
        let octet = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        SecretBytes::new(digits.chunks_exact(2).map(octet).collect())
    }

    fn ike_suite(protection: Protection) -> IkeSuite {
        IkeSuite {
            protection,
            prf: PrfAlgorithm::HmacSha2_256,
            group: Group::Modp2048,
            additional: Additional::NONE,
        }
    }

    /// The IKE SA of a capture: its SPIs from the table's first two fields, its keys from `secrets.json`.
    fn captured_ike(name: &str, protection: Protection) -> KeyLog {
        let secrets: serde_json::Value =
            serde_json::from_str(&capture(name, "secrets.json")).unwrap();
        let key = |key: &str| secret(secrets[key].as_str().unwrap_or_default());
        let table = capture(name, IKE_TABLE);
        let mut fields = table.split(',');
        let mut spi = || u64::from_str_radix(fields.next().unwrap(), 16).unwrap();
        KeyLog::Ike {
            initiator_spi: InitiatorSpi::new(spi()).unwrap(),
            responder_spi: ResponderSpi::new(spi()).unwrap(),
            keys: Box::new([key("sk_ei"), key("sk_er"), key("sk_ai"), key("sk_ar")]),
            suite: ike_suite(protection),
        }
    }

    fn captured_esp(name: &str, protection: Protection) -> Vec<KeyLog> {
        let table = capture(name, ESP_TABLE);
        let lines = table.lines().map(|line| {
            let fields: Vec<_> = line
                .split(',')
                .map(|field| field.trim_matches('"'))
                .collect();
            KeyLog::Esp {
                source: SocketAddr::new(fields[1].parse().unwrap(), 50_899),
                destination: SocketAddr::new(fields[2].parse().unwrap(), 4500),
                spi: u32::from_str_radix(fields[3].trim_start_matches("0x"), 16).unwrap(),
                suite: EspSuite {
                    protection,
                    esn: false,
                },
                keys: Box::new([secret(fields[5]), secret(fields[7])]),
            }
        });
        lines.collect()
    }

    #[test]
    fn writes_the_tables_of_the_captures_again() {
        for (name, protection) in [
            ("anyconnect-eap-cert", CBC),
            ("anyconnect-eap-cert-skf", GCM),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let mut writer = KeyLogWriter::open(folder.path()).unwrap();
            writer.write(&captured_ike(name, protection)).unwrap();
            for keys in captured_esp(name, protection) {
                writer.write(&keys).unwrap();
            }
            for table in [IKE_TABLE, ESP_TABLE] {
                let written = fs::read_to_string(folder.path().join(table)).unwrap();
                // The captures' own names for AES-GCM in ESP are those of older versions of Wireshark.
                let expected = capture(name, table).replace(
                    r#""AES-GCM [RFC4106]""#,
                    r#""AES-GCM with 16 octet ICV [RFC4106]""#,
                );
                let expected = expected.replace("ANY 128 bit authentication [no checking]", "NULL");
                assert_eq!(written, expected, "{name}/{table}");
            }
        }
    }

    #[test]
    fn names_ipv6_and_undoes_the_mapping_of_ipv4() {
        let esp = |source: &str, destination: &str| {
            let ends = [source, destination].map(|end| SocketAddr::new(end.parse().unwrap(), 500));
            let suite = EspSuite {
                protection: Protection::EncryptThenMac(
                    CbcAlgorithm::AesCbc128,
                    Integrity::HmacSha1_96,
                ),
                esn: false,
            };
            let mut line = String::new();
            let keys = [secret("00ff"), secret("7f")];
            esp_line(&mut line, [&ends[0], &ends[1]], 7, &suite, &keys).unwrap();
            line
        };
        assert_eq!(
            esp("2001:db8::1", &Ipv6Addr::LOCALHOST.to_string()),
            "\"IPv6\",\"2001:db8::1\",\"::1\",\"0x00000007\",\"AES-CBC [RFC3602]\",\"0x00ff\",\
             \"HMAC-SHA-1-96 [RFC2404]\",\"0x7f\"\n"
        );
        assert!(
            esp("::ffff:192.0.2.1", "192.0.2.2").starts_with(r#""IPv4","192.0.2.1","192.0.2.2","#)
        );
    }

    #[test]
    fn keeps_what_is_there_and_closes_it_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let tables = folder.path().join("new").join("folder");
        fs::create_dir_all(&tables).unwrap();
        let ike = tables.join(IKE_TABLE);
        fs::write(&ike, "older\n").unwrap();
        fs::set_permissions(&ike, Permissions::from_mode(0o644)).unwrap();

        let mut writer = KeyLogWriter::open(&tables).unwrap();
        writer
            .write(&captured_ike("anyconnect-eap-cert", CBC))
            .unwrap();
        assert_eq!(
            fs::read_to_string(&ike).unwrap(),
            format!("older\n{}", capture("anyconnect-eap-cert", IKE_TABLE))
        );
        for table in [IKE_TABLE, ESP_TABLE] {
            let mode = fs::metadata(tables.join(table))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{table}");
        }
    }

    #[test]
    fn makes_a_missing_folder_and_refuses_a_table_that_is_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("made");
        KeyLogWriter::open(&made).unwrap();
        assert_eq!(
            fs::metadata(&made).unwrap().permissions().mode() & 0o777,
            0o700
        );

        let linked = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, linked.path().join(ESP_TABLE)).unwrap();
        assert!(KeyLogWriter::open(linked.path()).is_err());
        assert!(!elsewhere.exists());
    }

    #[test]
    fn no_line_outgrows_its_buffer() {
        let widest =
            Protection::EncryptThenMac(CbcAlgorithm::AesCbc256, Integrity::HmacSha2_512_256);
        let key = |length| SecretBytes::zeroed(length);
        let mut line = String::with_capacity(LINE_CAPACITY);
        let keys = [key(32), key(32), key(64), key(64)];
        ike_line(&mut line, [1, 2], &keys, &ike_suite(widest)).unwrap();
        assert!(line.len() <= LINE_CAPACITY);
        line.clear();
        let end = SocketAddr::new(Ipv6Addr::from([0xfd; 16]).into(), 4500);
        let suite = EspSuite {
            protection: widest,
            esn: false,
        };
        esp_line(
            &mut line,
            [&end, &end],
            u32::MAX,
            &suite,
            &[key(32), key(64)],
        )
        .unwrap();
        assert!(line.len() <= LINE_CAPACITY);
    }
}
