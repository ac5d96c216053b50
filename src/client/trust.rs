//! Whether the headend is whom the user called, judged as Cisco Secure Client judges it.

use std::path::Path;

use ironflex_ikev2::wire::payload::Identification;

use super::options::SYSTEM_CA;
use crate::{
    clock,
    daemon::{identity, load::read_bounded},
    pki::{Purpose, ServerIdentity, TrustAnchors, VerifiedPeer, pem, verify_peer_chain},
};

/// The longest file of authorities, in octets.
const MAX_CA: u64 = 8 << 20;

/// Whom to trust, and by which name.
pub struct Trust {
    anchors: TrustAnchors,
    /// Somebody chose the authorities: they are not the system's.
    chosen: bool,
    name: ServerIdentity,
}

impl Trust {
    /// Reads the authorities: those of the file `ca`, else those that came with our own certificate, else the system's.
    ///
    /// # Errors
    ///
    /// A sentence that says which file, and what is wrong with it.
    pub fn read(ca: Option<&Path>, brought: &[Vec<u8>], host: &str) -> Result<Self, String> {
        let name = ServerIdentity::parse(host).map_err(|error| error.to_string())?;
        if ca.is_none() && !brought.is_empty() {
            let anchors = TrustAnchors::new(brought).map_err(|error| error.to_string())?;
            return Ok(Self {
                anchors,
                chosen: true,
                name,
            });
        }
        let path = ca.unwrap_or_else(|| Path::new(SYSTEM_CA));
        let octets = read_bounded(path, MAX_CA).map_err(|error| error.to_string())?;
        let certificates = pem::read_pem_certificates(&octets)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let anchors = TrustAnchors::new(&certificates)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let anchors = match ca {
            Some(_) => anchors,
            None => anchors.of_machine(path),
        };
        Ok(Self {
            anchors,
            chosen: ca.is_some(),
            name,
        })
    }

    /// A warning for each authority that was chosen and that no headend can be believed by in this build.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let unsupported = self.anchors.unsupported_authorities().iter();
        let unsupported = unsupported.filter(|_| self.chosen);
        unsupported.map(|one| format!("warning: {one}")).collect()
    }

    /// SHA-1 of the authorities' public keys, for CERTREQ.
    #[must_use]
    pub fn authorities(&self) -> Vec<[u8; 20]> {
        // A whole system store would not fit a message, and asks for nothing in particular.
        let hashes = self.anchors.authority_hashes();
        if hashes.len() > 32 {
            Vec::new()
        } else {
            hashes
        }
    }

    /// Judges the headend's chain, name and key usage, and that its IKE identity is one that the
    /// certificate covers, where it is a name or an address that the user did not type.
    ///
    /// # Errors
    ///
    /// What exactly is not acceptable.
    pub fn judge(
        &self,
        certificates: &[Vec<u8>],
        claimed: &Identification,
    ) -> Result<VerifiedPeer, String> {
        let none: &[Vec<u8>] = &[];
        let purpose = Purpose::Server {
            name: self.name.clone(),
        };
        let peer = verify_peer_chain(
            certificates,
            &self.anchors,
            none,
            clock::wall_clock(),
            &purpose,
        )
        .map_err(|error| error.to_string())?;
        // An IOS-XE headend names itself by its address, which its certificate need not cover: the name
        // that the user typed is the one that counts (docs/anyconnect-eap.md, Identities).
        let by_name = claimed.ip_address().is_none();
        if by_name && !identity::covers(peer.certificate(), claimed) {
            return Err(format!(
                "it calls itself {}, which its certificate ({}) does not cover",
                identity::words(claimed),
                peer.certificate().subject
            ));
        }
        Ok(peer)
    }
}
