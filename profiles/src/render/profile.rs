//! IKEv2 profiles, and the peers of keyrings.

use core::fmt::{self, Write};

use super::{Writer, each_inline, written::Written};
use crate::model::{
    ikev2::{LocalAuthentication, Profile, RemoteAuthentication},
    keyring::{KeyText, Peer, PeerKeys},
};

impl Writer {
    pub(super) fn keyring_peer(&mut self, peer: &Peer) -> fmt::Result {
        each!(self, &peer.description, "  description {}");
        each!(self, &peer.hostname, "  hostname {}");
        each!(self, peer.address, "  address {}");
        each!(self, &peer.identity, "  identity {}");
        let (both, local, remote) = match &peer.keys {
            PeerKeys::None => (None, None, None),
            PeerKeys::Both(key) => (Some(key), None, None),
            PeerKeys::Each { local, remote } => (None, local.as_ref(), remote.as_ref()),
        };
        for (word, key) in [("", both), ("local ", local), ("remote ", remote)] {
            if let Some(key) = key {
                line!(self, "  pre-shared-key {word}{}", &*key.written())?;
            }
        }
        if let Some(ppk) = &peer.ppk {
            let (id, key) = (&ppk.id, ppk.key.written());
            let end = if ppk.required { " required" } else { "" };
            line!(self, "  ppk manual id {id} key {}{end}", &*key)?;
        }
        Ok(())
    }

    /// The end of an `authentication` line.
    fn inline_key(&mut self, key: Option<&KeyText>) -> fmt::Result {
        match key {
            Some(key) => line!(self, " key {}", &*key.written()),
            None => line!(self, ""),
        }
    }

    pub(super) fn profile(&mut self, profile: &Profile) -> fmt::Result {
        each!(self, &profile.description, " description {}");
        if profile.match_fvrf_any {
            line!(self, " match fvrf any")?;
        }
        each!(
            self,
            &profile.match_address_local,
            " match address local {}"
        );
        each!(
            self,
            &profile.match_identity_remote,
            " match identity remote {}"
        );
        each!(
            self,
            profile.identity_local.iter().map(Written),
            " identity local {}"
        );
        if let Some(method) = &profile.authentication_local {
            write!(self.0, " authentication local {}", method.value.keyword())?;
            self.inline_key(match &method.value {
                LocalAuthentication::PreShare(key) => key.as_ref(),
                LocalAuthentication::RsaSig | LocalAuthentication::EcdsaSig => None,
            })?;
        }
        for method in &profile.authentication_remote {
            let words = method.value.keywords();
            write!(self.0, " authentication remote {words}")?;
            self.inline_key(match &method.value {
                RemoteAuthentication::PreShare(key) => key.as_ref(),
                RemoteAuthentication::AnyConnectEap { .. }
                | RemoteAuthentication::RsaSig
                | RemoteAuthentication::EcdsaSig => None,
            })?;
        }
        let keyring = profile.keyring.as_ref().map(|name| &name.value);
        each!(self, keyring, " keyring local {}");
        let keyring = profile.ppk_keyring.as_ref().map(|name| &name.value);
        each!(self, keyring, " keyring ppk {}");
        for reference in &profile.trustpoints {
            write!(self.0, " pki trustpoint {}", reference.trustpoint.value)?;
            each_inline(&mut self.0, reference.purpose)?;
        }
        each!(self, profile.dpd.map(Written), " dpd {}");
        self.off(" ", "dpd", profile.dpd.is_some())?;
        each!(self, profile.lifetime, " lifetime {}");
        // These two a router does by default, and nothing here ever does.
        self.off(" ", "lifetime certificate", false)?;
        self.off(" ", "config-exchange request", false)?;
        each!(self, profile.nat_keepalive, " nat keepalive {}");
        self.off(" ", "nat keepalive", profile.nat_keepalive.is_some())?;
        let line = "redirect gateway auth";
        self.switch(" ", line, profile.redirect_gateway_auth, false)?;
        self.switch(" ", "nat force-encap", profile.nat_force_encap, false)?;
        let list = profile
            .aaa_authentication_anyconnect_eap
            .as_ref()
            .map(|list| &list.value);
        each!(self, list, " aaa authentication anyconnect-eap {}");
        for (method, group) in &profile.aaa_authorization_group {
            let (list, policy) = (&group.list.value, &group.policy.value);
            line!(
                self,
                " aaa authorization group {method} list {list} {policy}"
            )?;
        }
        if profile.aaa_authorization_user_cached {
            line!(self, " aaa authorization user anyconnect-eap cached")?;
        }
        let template = profile.virtual_template.as_ref().map(|number| number.value);
        each!(self, template, " virtual-template {}");
        let name = profile.anyconnect_profile.as_ref().map(|name| &name.value);
        each!(self, name, " anyconnect profile {}");
        self.switch(" ", "shutdown", profile.shutdown, false)
    }
}
