//! `show crypto ipsec {transform-set|profile} [NAME]`.

use std::fmt::{self, Write as _};

use ironflex_profiles::{
    Candidate,
    model::{
        DEFAULT,
        ipsec::{AesKey, EspTransform, GcmKey, IpsecProfile, Mode, TransformSet},
    },
    snapshot::{self, Snapshot},
};

use super::{ikev2_objects::with_default, text};

/// The transforms of a set, between the braces of a router.
struct Transforms {
    transform: EspTransform,
    esn: bool,
}

impl fmt::Display for Transforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transform {
            EspTransform::Cbc(key, integrity) => {
                let cipher = match key {
                    AesKey::Bits128 => "esp-aes",
                    AesKey::Bits192 => "esp-192-aes",
                    AesKey::Bits256 => "esp-256-aes",
                };
                write!(f, "{{ {cipher} {}", integrity.keyword())?;
            }
            EspTransform::Gcm(GcmKey::Bits128) => f.write_str("{ esp-gcm")?,
            EspTransform::Gcm(GcmKey::Bits256) => f.write_str("{ esp-gcm 256")?,
        }
        if self.esn {
            f.write_str(" esn")?;
        }
        f.write_str("  }")
    }
}

/// `show crypto ipsec transform-set [NAME]`
#[must_use]
pub fn ipsec_transform_set(candidate: &Candidate, _: &Snapshot, name: Option<&str>) -> String {
    let default = &TransformSet::SMART_DEFAULT;
    let default = (!candidate.hidden_defaults.transform_set).then_some(default);
    text(|out| {
        for (name, set) in with_default(&candidate.transform_sets, default, name) {
            let (transform, esn) = (set.transform, set.esn);
            writeln!(
                out,
                "Transform set {name}: {} ",
                Transforms { transform, esn }
            )?;
            let mode = match set.mode {
                Mode::Tunnel => "Tunnel",
                Mode::Transport => "Transport",
            };
            writeln!(out, "   will negotiate = {{ {mode},  }}, ")?;
            writeln!(out, "   ")?;
        }
        Ok(())
    })
}

/// `show crypto ipsec profile [NAME]`
#[must_use]
pub fn ipsec_profile(candidate: &Candidate, snapshot: &Snapshot, name: Option<&str>) -> String {
    let default = IpsecProfile::default();
    let default = snapshot
        .ipsec_profiles
        .contains_key(DEFAULT)
        .then_some(&default);
    text(|out| {
        for (name, lines) in with_default(&candidate.ipsec_profiles, default, name) {
            if let Some(profile) = snapshot.ipsec_profiles.get(name) {
                one(out, name, lines, profile)?;
            }
        }
        Ok(())
    })
}

fn one(
    out: &mut String,
    name: &str,
    lines: &IpsecProfile,
    profile: &snapshot::IpsecProfile,
) -> fmt::Result {
    writeln!(out, "IPSEC profile {name}")?;
    if let Some(ikev2) = &profile.ikev2_profile {
        writeln!(out, "\tIKEv2 Profile: {ikev2}")?;
    }
    let seconds = profile.lifetime_seconds;
    match profile.lifetime_kilobytes {
        Some(kilobytes) => writeln!(
            out,
            "\tSecurity association lifetime: {kilobytes} kilobytes/{seconds} seconds"
        )?,
        None => writeln!(out, "\tSecurity association lifetime: {seconds} seconds")?,
    }
    let yes = |yes: bool| if yes { "Y" } else { "N" };
    writeln!(out, "\tResponder-Only (Y/N): {}", yes(lines.responder_only))?;
    writeln!(out, "\tPFS (Y/N): {}", yes(lines.pfs.is_some()))?;
    if let Some(group) = lines.pfs {
        writeln!(out, "\t\tInherit (Y/N): N")?;
        writeln!(out, "\t\tDH group: {group}")?;
    }
    writeln!(out, "\tMixed-mode : Disabled")?;
    writeln!(out, "\tTransform sets={{ ")?;
    for set in &profile.transform_sets {
        let (name, transform, esn) = (&set.name, set.transform, set.esn);
        writeln!(out, "\t\t{name}:  {} , ", Transforms { transform, esn })?;
    }
    writeln!(out, "\t}}\n")
}
