//! `show crypto ipsec {transform-set|profile} [NAME]`.

use std::fmt::{self, Write as _};

use ironflex_profiles::{
    Candidate,
    model::{
        DEFAULT,
        ipsec::{
            AesKey, DEFAULT_LIFETIME_KILOBYTES, DEFAULT_LIFETIME_SECONDS, EspTransform, GcmKey,
            IpsecProfile, Mode, TransformSet, VolumeLimit,
        },
    },
};

use super::{ikev2_objects::with_default, text};

/// The transforms of a set, between the braces of a router.
struct Transforms<'a>(&'a TransformSet);

impl fmt::Display for Transforms<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.transform {
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
        if self.0.esn {
            f.write_str(" esn")?;
        }
        f.write_str("  }")
    }
}

/// `show crypto ipsec transform-set [NAME]`
#[must_use]
pub fn ipsec_transform_set(candidate: &Candidate, name: Option<&str>) -> String {
    let default = &TransformSet::SMART_DEFAULT;
    let default = (!candidate.hidden_defaults.transform_set).then_some(default);
    text(|out| {
        for (name, set) in with_default(&candidate.transform_sets, default, name) {
            writeln!(out, "Transform set {name}: {} ", Transforms(set))?;
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
pub fn ipsec_profile(candidate: &Candidate, name: Option<&str>) -> String {
    let default = IpsecProfile::default();
    let default = (!candidate.hidden_defaults.ipsec_profile).then_some(&default);
    text(|out| {
        for (name, profile) in with_default(&candidate.ipsec_profiles, default, name) {
            one(out, candidate, name, profile)?;
        }
        Ok(())
    })
}

fn one(out: &mut String, candidate: &Candidate, name: &str, profile: &IpsecProfile) -> fmt::Result {
    writeln!(out, "IPSEC profile {name}")?;
    if let Some(ikev2) = &profile.ikev2_profile {
        writeln!(out, "\tIKEv2 Profile: {}", ikev2.value)?;
    }
    let (own, wider) = (
        &profile.security_association,
        &candidate.ipsec.security_association,
    );
    let volume = own.lifetime_kilobytes.or(wider.lifetime_kilobytes);
    let volume = volume.unwrap_or(VolumeLimit::Kilobytes(DEFAULT_LIFETIME_KILOBYTES));
    let seconds = own.lifetime_seconds.or(wider.lifetime_seconds);
    let seconds = seconds.unwrap_or(DEFAULT_LIFETIME_SECONDS);
    match volume {
        VolumeLimit::Kilobytes(kilobytes) => writeln!(
            out,
            "\tSecurity association lifetime: {kilobytes} kilobytes/{seconds} seconds"
        )?,
        VolumeLimit::Unlimited => {
            writeln!(out, "\tSecurity association lifetime: {seconds} seconds")?;
        }
    }
    let yes = |yes: bool| if yes { "Y" } else { "N" };
    writeln!(
        out,
        "\tResponder-Only (Y/N): {}",
        yes(profile.responder_only)
    )?;
    writeln!(out, "\tPFS (Y/N): {}", yes(profile.pfs.is_some()))?;
    if let Some(group) = profile.pfs {
        writeln!(out, "\t\tInherit (Y/N): N")?;
        writeln!(out, "\t\tDH group: {group}")?;
    }
    writeln!(out, "\tMixed-mode : Disabled")?;
    writeln!(out, "\tTransform sets={{ ")?;
    let built_in = [DEFAULT];
    let own: Vec<&str> = profile
        .transform_sets
        .iter()
        .map(|one| one.value.as_str())
        .collect();
    let names = if own.is_empty() {
        built_in.as_slice()
    } else {
        own.as_slice()
    };
    for name in names {
        let set = candidate.transform_sets.get(name);
        let set = set.or_else(|| (*name == DEFAULT).then_some(&TransformSet::SMART_DEFAULT));
        if let Some(set) = set {
            writeln!(out, "\t\t{name}:  {} , ", Transforms(set))?;
        }
    }
    writeln!(out, "\t}}\n")
}
