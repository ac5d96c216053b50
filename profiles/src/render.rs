//! [`Candidate`] to text: the spelling and the order of a router's running configuration.
//!
//! What is written reads back as the same candidate. Two choices are our own: an imported
//! trustpoint is written with ` enrollment pkcs12` and ` revocation-check none` (a router would
//! write `crl`, and this headend does not promise what it does not do), and entries of an access
//! list carry their sequence numbers only where they are not 10, 20, 30 and so on.

mod written;

use alloc::{format, string::String};
use core::fmt::{self, Write};

use crate::{
    defaults::with_defaults,
    model::{
        Candidate, DEFAULT, Located,
        acl::{AccessEntry, AccessList, AccessListKind},
        ikev2::{AuthorizationPolicy, Policy, Pqc, Proposal, RouteSetInterface},
        ikev2_limits::Limits,
        interface::{Addressing, Interface, InterfaceName},
        ipsec::{IpsecProfile, Replay, SecurityAssociation, TransformSet, VolumeLimit},
        name::Name,
        pki::{Enrollment, KeyPair, Trustpoint},
        redirect::Redirect,
        ssl::{SslPolicy, SslProfile},
    },
};
use written::{StandardAddress, Written};

/// Writes a candidate as a running configuration: from the first line of it to `end`, without the
/// heading that `show running-config` puts above. Passwords stand in it as a router prints them
/// without `service password-encryption`; actions do not stand in it.
pub fn render(candidate: &Candidate) -> String {
    write(candidate, Extent::Lines)
}

/// The same with the defaults: what `show running-config all` shows. It reads back as a configuration that means the same.
pub fn render_all(candidate: &Candidate) -> String {
    write(&with_defaults(candidate), Extent::All)
}

fn write(candidate: &Candidate, extent: Extent) -> String {
    let mut out = Writer(String::new(), extent);
    // A String takes everything.
    let _ = out.configuration(candidate);
    out.0
}

/// How much is written.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Extent {
    /// What is not the default.
    Lines,
    /// Everything.
    All,
}

struct Writer(String, Extent);

/// Writes one line.
macro_rules! line {
    ($out:expr, $($text:tt)*) => { writeln!($out.0, $($text)*) };
}

/// Writes a line for each value there is, of an option or a list.
macro_rules! each {
    ($out:expr, $values:expr, $text:literal) => {
        for value in IntoIterator::into_iter($values) {
            writeln!($out.0, $text, value)?;
        }
    };
}

mod ipv6;
mod profile;

impl Writer {
    /// A line that says whether something is so: by default it is as `default` says, and then stands only among all lines.
    fn switch(&mut self, front: &str, line: &str, on: bool, default: bool) -> fmt::Result {
        if on == default && self.1 == Extent::Lines {
            return Ok(());
        }
        let no = if on { "" } else { "no " };
        line!(self, "{front}{no}{line}")
    }

    /// A line of which there is none: it stands only among all lines, with `no`.
    fn off(&mut self, front: &str, line: &str, said: bool) -> fmt::Result {
        if said || self.1 == Extent::Lines {
            return Ok(());
        }
        line!(self, "{front}no {line}")
    }

    /// The line between blocks; never two in a row.
    fn separate(&mut self) -> fmt::Result {
        if self.0.ends_with("!\n") {
            Ok(())
        } else {
            self.0.write_str("!\n")
        }
    }

    fn configuration(&mut self, candidate: &Candidate) -> fmt::Result {
        self.separate()?;
        each!(self, &candidate.hostname, "hostname {}");
        self.separate()?;
        self.aaa(candidate)?;
        for entry in candidate.trustpoints.iter() {
            line!(self, "crypto pki trustpoint {}", entry.name)?;
            self.trustpoint(&entry.name, &entry.value)?;
            self.separate()?;
        }
        self.users(candidate)?;
        self.separate()?;
        self.ikev2(candidate)?;
        for entry in candidate.anyconnect_profiles.iter() {
            line!(
                self,
                "crypto vpn anyconnect profile {} {}",
                entry.name,
                entry.value
            )?;
        }
        self.separate()?;
        self.ipsec(candidate)?;
        for entry in candidate.ssl_policies.iter() {
            line!(self, "crypto ssl policy {}", entry.name)?;
            self.ssl_policy(&entry.value)?;
            self.separate()?;
        }
        for entry in candidate.ssl_profiles.iter() {
            line!(self, "crypto ssl profile {}", entry.name)?;
            self.ssl_profile(&entry.value)?;
            self.separate()?;
        }
        for (name, entry) in &candidate.interfaces {
            if entry.at.line > 0 || !entry.value.says_nothing() {
                self.interface(name, &entry.value)?;
                self.separate()?;
            }
        }
        for entry in candidate.pools.iter() {
            for range in entry.value.ranges() {
                let (first, last) = (range.value.first(), range.value.last());
                write!(self.0, "ip local pool {} {first}", entry.name)?;
                if first != last {
                    write!(self.0, " {last}")?;
                }
                line!(self, "")?;
            }
        }
        self.ipv6_pools(candidate)?;
        self.separate()?;
        line!(self, "no ip http server")?;
        line!(self, "no ip http secure-server")?;
        for rule in &candidate.nat_rules {
            let (list, interface) = (&rule.value.access_list.value, &rule.value.interface.value);
            line!(
                self,
                "ip nat inside source list {list} interface {interface} overload"
            )?;
        }
        self.separate()?;
        for kind in AccessListKind::ALL {
            for entry in candidate
                .access_lists
                .iter()
                .filter(|entry| entry.value.kind == *kind)
            {
                line!(self, "ip access-list {kind} {}", entry.name)?;
                self.access_list(&entry.value)?;
                self.separate()?;
            }
        }
        self.ipv6_access_lists(candidate)?;
        line!(self, "end")
    }

    fn aaa(&mut self, candidate: &Candidate) -> fmt::Result {
        let aaa = &candidate.aaa;
        self.switch("", "aaa new-model", aaa.new_model, false)?;
        self.separate()?;
        for list in aaa.authentication_login.iter() {
            line!(
                self,
                "aaa authentication login {} {}",
                list.name,
                list.value
            )?;
        }
        for list in aaa.authorization_network.iter() {
            line!(
                self,
                "aaa authorization network {} {}",
                list.name,
                list.value
            )?;
        }
        each!(
            self,
            aaa.max_fail,
            "aaa local authentication attempts max-fail {}"
        );
        self.off(
            "",
            "aaa local authentication attempts max-fail",
            aaa.max_fail.is_some(),
        )?;
        self.separate()
    }

    fn users(&mut self, candidate: &Candidate) -> fmt::Result {
        for entry in candidate.users.iter() {
            let user = &entry.value;
            write!(self.0, "username {}", entry.name)?;
            if user.privilege != 1 || user.password.is_none() || self.1 == Extent::All {
                write!(self.0, " privilege {}", user.privilege)?;
            }
            if let Some(password) = &user.password {
                let (encoding, text) = password.written();
                write!(self.0, " password {encoding} {}", &*text)?;
            }
            line!(self, "")?;
        }
        Ok(())
    }

    fn trustpoint(&mut self, name: &Name, trustpoint: &Trustpoint) -> fmt::Result {
        match trustpoint.enrollment {
            None => {}
            Some(Enrollment::Pkcs12) => line!(self, " enrollment pkcs12")?,
            Some(Enrollment::Terminal) => line!(self, " enrollment terminal")?,
            Some(Enrollment::TerminalPem) => line!(self, " enrollment terminal pem")?,
        }
        each!(self, trustpoint.revocation_check, " revocation-check {}");
        match trustpoint.key_pair {
            None => {}
            Some(KeyPair::Rsa) => line!(self, " rsakeypair {name}")?,
            Some(KeyPair::Ec) => line!(self, " eckeypair {name}")?,
        }
        Ok(())
    }

    fn ikev2(&mut self, candidate: &Candidate) -> fmt::Result {
        let hidden = &candidate.hidden_defaults;
        for (gone, line) in [
            (
                hidden.authorization_policy,
                "no crypto ikev2 authorization policy default",
            ),
            (hidden.proposal, "no crypto ikev2 proposal default"),
            (hidden.policy, "no crypto ikev2 policy default"),
        ] {
            if gone {
                line!(self, "{line}")?;
            }
        }
        self.separate()?;
        for entry in candidate.authorization_policies.iter() {
            line!(self, "crypto ikev2 authorization policy {}", entry.name)?;
            let smart = AuthorizationPolicy::smart_default;
            self.authorization_policy(&entry.value, (entry.name == *DEFAULT).then(smart))?;
            self.separate()?;
        }
        for entry in candidate.proposals.iter() {
            line!(self, "crypto ikev2 proposal {}", entry.name)?;
            self.proposal(&entry.value, entry.name == *DEFAULT)?;
            self.separate()?;
        }
        for entry in candidate.policies.iter() {
            line!(self, "crypto ikev2 policy {}", entry.name)?;
            self.policy(&entry.value, entry.name == *DEFAULT)?;
            self.separate()?;
        }
        for entry in candidate.keyrings.iter() {
            line!(self, "crypto ikev2 keyring {}", entry.name)?;
            for peer in entry.value.peers.iter() {
                line!(self, " peer {}", peer.name)?;
                self.keyring_peer(&peer.value)?;
                line!(self, " !")?;
            }
            self.separate()?;
        }
        for entry in candidate.profiles.iter() {
            line!(self, "crypto ikev2 profile {}", entry.name)?;
            self.profile(&entry.value)?;
            self.separate()?;
        }
        let globals = &candidate.ikev2;
        // The headend fetches none, so that is what is at work where no line says anything.
        match (globals.http_url_cert.as_ref().map(|on| on.value), self.1) {
            (Some(on), _) => self.switch("", "crypto ikev2 http-url cert", on, !on)?,
            (None, Extent::All) => line!(self, "no crypto ikev2 http-url cert")?,
            (None, Extent::Lines) => {}
        }
        let logging = candidate.logging;
        self.switch("", "crypto logging ikev2", logging.ikev2, true)?;
        self.switch("", "crypto logging session", logging.session, false)?;
        let line = "crypto ikev2 quick-crash-detection";
        self.switch("", line, globals.crash_detection, true)?;
        each!(self, globals.nat_keepalive, "crypto ikev2 nat keepalive {}");
        let line = "crypto ikev2 nat keepalive";
        self.off("", line, globals.nat_keepalive.is_some())?;
        if let Some(dpd) = globals.dpd {
            line!(self, "crypto ikev2 dpd {}", Written(dpd))?;
        }
        self.off("", "crypto ikev2 dpd", globals.dpd.is_some())?;
        match globals.fragmentation.map(|fragmentation| fragmentation.mtu) {
            Some(Some(mtu)) => line!(self, "crypto ikev2 fragmentation mtu {mtu}")?,
            said => self.switch("", "crypto ikev2 fragmentation", said.is_some(), false)?,
        }
        each!(
            self,
            globals.cookie_challenge,
            "crypto ikev2 cookie-challenge {}"
        );
        self.limits(globals.limits)?;
        self.redirect(&globals.redirect)?;
        each!(self, globals.window, "crypto ikev2 window {}");
        self.separate()
    }

    fn redirect(&mut self, redirect: &Redirect) -> fmt::Result {
        if let Some(client) = redirect.client {
            write!(self.0, "crypto ikev2 redirect client")?;
            if let Some(most) = client.max_redirects {
                write!(self.0, " max-redirects {most}")?;
            }
            line!(self, "")?;
        }
        let line = "crypto ikev2 redirect client";
        self.off("", line, redirect.client.is_some())?;
        let line = "crypto ikev2 redirect gateway";
        self.off("", line, redirect.gateway.is_some())?;
        let gateway = redirect.gateway.as_ref().map(|gateway| gateway.value);
        each!(self, gateway, "crypto ikev2 redirect gateway {}");
        let target = redirect.target.as_ref().map(|target| &target.value);
        each!(self, target, "crypto ikev2 redirect target {}");
        Ok(())
    }

    fn limits(&mut self, limits: Limits) -> fmt::Result {
        let (incoming, outgoing) = (limits.negotiating_incoming, limits.negotiating_outgoing);
        if incoming == outgoing {
            each!(self, incoming, "crypto ikev2 limit max-in-negotation-sa {}");
        } else {
            each!(
                self,
                incoming,
                "crypto ikev2 limit max-in-negotation-sa {} incoming"
            );
            each!(
                self,
                outgoing,
                "crypto ikev2 limit max-in-negotation-sa {} outgoing"
            );
        }
        each!(self, limits.sas, "crypto ikev2 limit max-sa {}");
        each!(
            self,
            limits.admitted_sas,
            "crypto call admission limit ike sa {}"
        );
        each!(
            self,
            limits.admitted_negotiating,
            "crypto call admission limit ike in-negotiation-sa {}"
        );
        each!(
            self,
            limits.init_queue,
            "crypto ikev2 limit queue sa-init {}"
        );
        Ok(())
    }

    /// `smart` is what the object held before its lines, for the one called `default`: what it
    /// lost must be written as `no` lines.
    fn authorization_policy(
        &mut self,
        policy: &AuthorizationPolicy,
        smart: Option<AuthorizationPolicy>,
    ) -> fmt::Result {
        each!(
            self,
            policy.pool.as_ref().map(|pool| &pool.value),
            " pool {}"
        );
        each!(self, policy.netmask, " netmask {}");
        self.list(" dns", &policy.dns)?;
        self.list(" wins", &policy.wins)?;
        each!(self, &policy.def_domain, " def-domain {}");
        each!(self, &policy.split_dns, " split-dns {}");
        if let Some(banner) = &policy.banner {
            self.banner(banner)?;
        }
        self.switch(" ", "include-local-lan", policy.include_local_lan, false)?;
        self.switch(" ", "pfs", policy.pfs, false)?;
        each!(self, &policy.backup_gateways, " backup-gateway {}");
        each!(self, policy.session_lifetime, " session-lifetime {}");
        let smart = smart.unwrap_or_default();
        match &policy.route_set_interface {
            Some(RouteSetInterface::Tunnel) => line!(self, " route set interface")?,
            Some(RouteSetInterface::Named(name)) => {
                line!(self, " route set interface {}", name.value)?;
            }
            None if smart.route_set_interface.is_some() => line!(self, " no route set interface")?,
            None => {}
        }
        let list = policy
            .route_set_access_list
            .as_ref()
            .map(|list| &list.value);
        each!(self, list, " route set access-list {}");
        for network in &policy.route_set_remote {
            line!(
                self,
                " route set remote ipv4 {} {}",
                network.address(),
                network.mask()
            )?;
        }
        self.ipv6_authorization(&policy.ipv6)?;
        match policy.route_accept.as_ref().map(|accept| accept.value) {
            Some(accept) => {
                write!(self.0, " route accept any")?;
                if let Some(tag) = accept.tag {
                    write!(self.0, " tag {tag}")?;
                }
                if let Some(distance) = accept.distance {
                    write!(self.0, " distance {distance}")?;
                }
                line!(self, "")
            }
            None if smart.route_accept.is_some() => line!(self, " no route accept any"),
            None => Ok(()),
        }
    }

    /// Writes a banner between the delimiters of a router's print or, where the text holds that,
    /// between two of a character that it does not hold.
    fn banner(&mut self, banner: &str) -> fmt::Result {
        if !banner.contains("^C") {
            return line!(self, " banner ^C{banner}^C");
        }
        let mut others = ('#'..='~').chain('\u{a1}'..='\u{fff}');
        // A `^` in front of a text that begins with a C would be the router's delimiter.
        let delimiter = others
            .find(|c| *c != '^' && !banner.contains(*c))
            .unwrap_or('#');
        line!(self, " banner {delimiter}{banner}{delimiter}")
    }

    fn proposal(&mut self, proposal: &Proposal, is_default: bool) -> fmt::Result {
        self.words("encryption", &proposal.encryption, is_default)?;
        self.words("integrity", &proposal.integrity, is_default)?;
        self.words("prf", &proposal.prf, is_default)?;
        self.words("group", &proposal.group, is_default)?;
        let Pqc { methods, optional } = &proposal.pqc;
        if methods.is_empty() {
            return self.off(" ", "pqc", false);
        }
        write!(self.0, " pqc")?;
        for method in methods {
            write!(self.0, " {method}")?;
        }
        line!(self, "{}", if *optional { " optional" } else { "" })
    }

    fn policy(&mut self, policy: &Policy, is_default: bool) -> fmt::Result {
        if policy.match_fvrf_any {
            line!(self, " match fvrf any")?;
        } else if is_default {
            line!(self, " no match fvrf")?;
        }
        each!(self, &policy.match_address_local, " match address local {}");
        let kept = policy
            .proposals
            .first()
            .is_some_and(|first| first.value == *DEFAULT);
        if is_default && !kept {
            line!(self, " no proposal")?;
        }
        each!(
            self,
            policy.proposals.iter().map(|name| &name.value),
            " proposal {}"
        );
        Ok(())
    }

    fn ipsec(&mut self, candidate: &Candidate) -> fmt::Result {
        let hidden = &candidate.hidden_defaults;
        if hidden.transform_set {
            line!(self, "no crypto ipsec transform-set default")?;
        }
        if hidden.ipsec_profile {
            line!(self, "no crypto ipsec profile default")?;
        }
        self.security_association(
            "crypto ipsec security-association",
            candidate.ipsec.security_association,
        )?;
        // It is so in any case, and no line takes it away.
        if self.1 == Extent::All {
            line!(self, "crypto ipsec security-association ecn propagate")?;
            line!(self, "crypto ipsec fragmentation after-encryption")?;
            line!(self, "crypto ipsec nat-transparency udp-encapsulation")?;
        }
        self.separate()?;
        for entry in candidate.transform_sets.iter() {
            let TransformSet {
                transform,
                esn,
                mode,
            } = entry.value;
            line!(
                self,
                "crypto ipsec transform-set {} {}{}",
                entry.name,
                Written(transform),
                if esn { " esn" } else { "" }
            )?;
            line!(self, " mode {mode}")?;
            self.separate()?;
        }
        for entry in candidate.ipsec_profiles.iter() {
            line!(self, "crypto ipsec profile {}", entry.name)?;
            self.ipsec_profile(&entry.value)?;
            self.separate()?;
        }
        Ok(())
    }

    fn ipsec_profile(&mut self, profile: &IpsecProfile) -> fmt::Result {
        each!(self, &profile.description, " description {}");
        self.security_association(" set security-association", profile.security_association)?;
        let sets = profile.transform_sets.iter().map(|name| &name.value);
        if !profile.transform_sets.is_empty() {
            write!(self.0, " set transform-set")?;
            for set in sets {
                write!(self.0, " {set}")?;
            }
            line!(self, "")?;
        }
        match (profile.pfs, profile.pfs_pqc) {
            (Some(group), Some(method)) => line!(self, " set pfs {group} pqc {method}")?,
            (Some(group), None) => line!(self, " set pfs {group}")?,
            (None, _) => self.switch(" ", "set pfs", false, false)?,
        }
        let name = profile.ikev2_profile.as_ref().map(|name| &name.value);
        each!(self, name, " set ikev2-profile {}");
        self.switch(" ", "responder-only", profile.responder_only, false)
    }

    fn security_association(&mut self, front: &str, settings: SecurityAssociation) -> fmt::Result {
        if let Some(seconds) = settings.lifetime_seconds {
            line!(self, "{front} lifetime seconds {seconds}")?;
        }
        match settings.lifetime_kilobytes {
            None => {}
            Some(VolumeLimit::Kilobytes(limit)) => {
                line!(self, "{front} lifetime kilobytes {limit}")?
            }
            Some(VolumeLimit::Unlimited) => line!(self, "{front} lifetime kilobytes disable")?,
        }
        match settings.replay {
            None => {}
            Some(Replay::Window(size)) => line!(self, "{front} replay window-size {size}")?,
            Some(Replay::Disabled) => line!(self, "{front} replay disable")?,
        }
        if let Some(seconds) = settings.idle_time {
            line!(self, "{front} idle-time {seconds}")?;
        }
        let words = front.trim_start();
        let (indent, _) = front.split_at(front.len().saturating_sub(words.len()));
        let said = settings.idle_time.is_some();
        self.off(indent, &format!("{words} idle-time"), said)
    }

    fn ssl_policy(&mut self, policy: &SslPolicy) -> fmt::Result {
        let trustpoint = policy.trustpoint.as_ref().map(|name| &name.value);
        each!(self, trustpoint, " pki trustpoint {} sign");
        if let Some((address, port)) = policy.local {
            // Routers write the default port as well.
            line!(self, " ip address local {address} port {port}")?;
        }
        self.switch(" ", "shutdown", !policy.enabled, true)
    }

    fn ssl_profile(&mut self, profile: &SslProfile) -> fmt::Result {
        each!(
            self,
            profile.policy.as_ref().map(|name| &name.value),
            " match policy {}"
        );
        self.switch(" ", "shutdown", !profile.enabled, true)
    }

    fn interface(&mut self, name: &InterfaceName, interface: &Interface) -> fmt::Result {
        let kind = if interface.tunnel_type {
            " type tunnel"
        } else {
            ""
        };
        line!(self, "interface {name}{kind}")?;
        each!(self, &interface.description, " description {}");
        each!(
            self,
            interface.device.as_ref().map(|device| &device.value),
            " device {}"
        );
        match &interface.addressing {
            Addressing::None => line!(self, " no ip address")?,
            Addressing::Static(Located { value: address, .. }) => {
                line!(
                    self,
                    " ip address {} {}",
                    address.address,
                    address.network.mask()
                )?;
            }
            Addressing::Unnumbered(other) => line!(self, " ip unnumbered {}", other.value)?,
        }
        each!(self, interface.ip_mtu, " ip mtu {}");
        each!(self, interface.nat, " ip nat {}");
        each!(self, interface.tcp_adjust_mss, " ip tcp adjust-mss {}");
        self.ipv6_interface(&interface.ipv6)?;
        self.switch(" ", "shutdown", interface.shutdown, false)?;
        each!(self, interface.tunnel_mode, " tunnel mode ipsec {}");
        let profile = interface.tunnel_protection.as_ref().map(|name| &name.value);
        each!(self, profile, " tunnel protection ipsec profile {}");
        Ok(())
    }

    fn access_list(&mut self, list: &AccessList) -> fmt::Result {
        let numbered = !list.is_evenly_numbered();
        for (number, entry) in &list.entries {
            if numbered {
                write!(self.0, " {number}")?;
            }
            match &entry.value {
                AccessEntry::Remark(text) => line!(self, " remark {text}")?,
                AccessEntry::Rule {
                    decision,
                    source,
                    destination,
                } => match list.kind {
                    AccessListKind::Standard => {
                        let source = StandardAddress(*source);
                        line!(self, " {decision} {source}")?;
                    }
                    AccessListKind::Extended => {
                        let (source, destination) = (Written(*source), Written(*destination));
                        line!(self, " {decision} ip {source} {destination}")?;
                    }
                },
            }
        }
        Ok(())
    }

    fn list(&mut self, front: &str, values: &[impl fmt::Display]) -> fmt::Result {
        if values.is_empty() {
            return Ok(());
        }
        self.0.write_str(front)?;
        for value in values {
            write!(self.0, " {value}")?;
        }
        line!(self, "")
    }

    /// A line of keywords; for the object `default`, what it has lost as a `no` line.
    fn words(
        &mut self,
        front: &str,
        values: &[impl fmt::Display],
        is_default: bool,
    ) -> fmt::Result {
        if values.is_empty() && is_default {
            return line!(self, " no {front}");
        }
        if !values.is_empty() {
            write!(self.0, " ")?;
        }
        self.list(front, values)
    }
}

fn each_inline(out: &mut String, value: Option<impl fmt::Display>) -> fmt::Result {
    match value {
        Some(value) => writeln!(out, " {value}"),
        None => writeln!(out),
    }
}
