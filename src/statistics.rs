//! The numbers behind `show crypto ikev2 stats` in all its forms. Plain data, like [`crate::state`].

use serde::Serialize;

/// Everything that `show crypto ikev2 stats` prints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// `crypto ikev2 limit max-sa`; 0 without.
    pub sa_limit: u64,
    /// Unauthenticated SAs at most, incoming and outgoing.
    pub negotiating_limits: (u64, u64),
    /// IKE SAs that peers began.
    pub incoming: SaCount,
    /// IKE SAs that the headend began.
    pub outgoing: SaCount,
    /// IKE_SA_INIT requests that began an SA.
    pub accepted: u64,
    /// Those that were refused or dropped, those that only had to bring a cookie not among them.
    pub rejected: u64,
    /// Those among them for which there was no room.
    pub low_resources: u64,
    /// Those among these that met the limit on unauthenticated SAs.
    pub negotiating_limited: u64,
    /// Those among them that met `max-sa`.
    pub sa_limited: u64,
    /// Those among them that found no room to wait.
    pub queue_limited: u64,
    /// Datagrams that belong to no SA and could begin none.
    pub undispatched: u64,
    /// Fragments that were kept until the rest of their message came.
    pub fragments_kept: u64,
    /// Cookies demanded.
    pub challenged: u64,
    /// Good cookies.
    pub cookies_accepted: u64,
    /// Bad cookies.
    pub cookies_rejected: u64,
    /// Requests without a cookie that had to bring one.
    pub cookies_missing: u64,
    /// Tokens of quick crash detection in clear (RFC 6290).
    pub crash_tokens: Tokens,
    /// Sessions whose keys have a post-quantum pre-shared key mixed in (RFC 8784).
    pub quantum_sessions: u64,
    /// Such keys at logins.
    pub ppks: Ppks,
    /// Messages by exchange.
    pub exchanges: Vec<Row>,
    /// Error notifies by type.
    pub errors: Vec<Row>,
    /// Other notifies by type.
    pub notifies: Vec<Row>,
    /// IKE SAs that peers began with no NAT between.
    pub without_nat: u64,
    /// Configuration payloads by type.
    pub configurations: Vec<Row>,
    /// Timers that ran out.
    pub timers: Timers,
    /// What was done for SAs.
    pub operations: Operations,
    /// Discarded datagrams by reason.
    pub discards: Vec<(String, u64)>,
    /// Refusals by reason.
    pub refusals: Vec<(String, u64)>,
}

impl Statistics {
    /// What has been counted since `before`. What is at this moment stays.
    #[must_use]
    pub fn since(self, before: &Self) -> Self {
        let less = |now: u64, before: u64| now.saturating_sub(before);
        let outcome = |now: Outcome, before: Outcome| Outcome {
            passed: less(now.passed, before.passed),
            failed: less(now.failed, before.failed),
        };
        let named = |now: Vec<(String, u64)>, before: &[(String, u64)]| {
            let of = |name: &str| before.iter().find(|(one, _)| one == name);
            now.into_iter()
                .map(|(name, count)| {
                    let count = less(count, of(&name).map_or(0, |(_, count)| *count));
                    (name, count)
                })
                .filter(|(_, count)| *count > 0)
                .collect()
        };
        let rows = |now: Vec<Row>, before: &[Row]| {
            let of = |name: &str| before.iter().find(|one| one.name == name);
            let left = now.into_iter().map(|row| match of(&row.name) {
                Some(before) => row.since(before),
                None => Some(row),
            });
            left.flatten().collect()
        };
        Self {
            accepted: less(self.accepted, before.accepted),
            rejected: less(self.rejected, before.rejected),
            low_resources: less(self.low_resources, before.low_resources),
            negotiating_limited: less(self.negotiating_limited, before.negotiating_limited),
            sa_limited: less(self.sa_limited, before.sa_limited),
            queue_limited: less(self.queue_limited, before.queue_limited),
            undispatched: less(self.undispatched, before.undispatched),
            fragments_kept: less(self.fragments_kept, before.fragments_kept),
            challenged: less(self.challenged, before.challenged),
            cookies_accepted: less(self.cookies_accepted, before.cookies_accepted),
            cookies_rejected: less(self.cookies_rejected, before.cookies_rejected),
            cookies_missing: less(self.cookies_missing, before.cookies_missing),
            crash_tokens: Tokens {
                sent: less(self.crash_tokens.sent, before.crash_tokens.sent),
                accepted: less(self.crash_tokens.accepted, before.crash_tokens.accepted),
                rejected: less(self.crash_tokens.rejected, before.crash_tokens.rejected),
            },
            ppks: Ppks {
                used: less(self.ppks.used, before.ppks.used),
                unused: less(self.ppks.unused, before.ppks.unused),
                refused: less(self.ppks.refused, before.ppks.refused),
                required: less(self.ppks.required, before.ppks.required),
                unknown: less(self.ppks.unknown, before.ppks.unknown),
                wrong: less(self.ppks.wrong, before.ppks.wrong),
                wrong_required: less(self.ppks.wrong_required, before.ppks.wrong_required),
            },
            timers: Timers {
                auth: less(self.timers.auth, before.timers.auth),
                retransmissions: less(self.timers.retransmissions, before.timers.retransmissions),
                liveness: less(self.timers.liveness, before.timers.liveness),
            },
            operations: Operations {
                eap: outcome(self.operations.eap, before.operations.eap),
                authorization: outcome(
                    self.operations.authorization,
                    before.operations.authorization,
                ),
                sa_creation: outcome(self.operations.sa_creation, before.operations.sa_creation),
                sa_deletion: outcome(self.operations.sa_deletion, before.operations.sa_deletion),
                signature: outcome(self.operations.signature, before.operations.signature),
                certificate: outcome(self.operations.certificate, before.operations.certificate),
                policy: outcome(self.operations.policy, before.operations.policy),
                public_values: outcome(
                    self.operations.public_values,
                    before.operations.public_values,
                ),
                secrets: outcome(self.operations.secrets, before.operations.secrets),
                verification: outcome(self.operations.verification, before.operations.verification),
                issuers: outcome(self.operations.issuers, before.operations.issuers),
                own_certificates: outcome(
                    self.operations.own_certificates,
                    before.operations.own_certificates,
                ),
                certified_names: outcome(
                    self.operations.certified_names,
                    before.operations.certified_names,
                ),
            },
            without_nat: less(self.without_nat, before.without_nat),
            exchanges: rows(self.exchanges, &before.exchanges),
            errors: rows(self.errors, &before.errors),
            notifies: rows(self.notifies, &before.notifies),
            configurations: rows(self.configurations, &before.configurations),
            discards: named(self.discards, &before.discards),
            refusals: named(self.refusals, &before.refusals),
            // Named one by one, so that what is counted next is thought of here.
            sa_limit: self.sa_limit,
            negotiating_limits: self.negotiating_limits,
            incoming: self.incoming,
            outgoing: self.outgoing,
            quantum_sessions: self.quantum_sessions,
        }
    }
}

/// IKE SAs at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SaCount {
    /// Both sides are authenticated.
    pub active: u64,
    /// Not yet.
    pub negotiating: u64,
}

/// Tokens of quick crash detection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// Said to peers of SAs that are not known here.
    pub sent: u64,
    /// Of peers, which ended their SAs.
    pub accepted: u64,
    /// Of peers, and not those of their SAs.
    pub rejected: u64,
}

/// Post-quantum pre-shared keys (RFC 8784) at logins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ppks {
    /// Peers that proved themselves with one.
    pub used: u64,
    /// Peers that did so without, although one is configured for them.
    pub unused: u64,
    /// Peers that were refused for want of one that both ends have.
    pub refused: u64,
    /// Those among them for which it is required here.
    pub required: u64,
    /// Peers that named one which is not theirs here.
    pub unknown: u64,
    /// Peers whose key of that name is another than ours.
    pub wrong: u64,
    /// Those among them for which it is required here.
    pub wrong_required: u64,
}

/// One row of `show crypto ikev2 stats exchange`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What is counted.
    pub name: String,
    /// In requests sent.
    pub sent_requests: u64,
    /// In responses sent.
    pub sent_responses: u64,
    /// In requests received.
    pub received_requests: u64,
    /// In responses received.
    pub received_responses: u64,
}

impl Row {
    /// What has been counted since `before`; nothing where all of it was.
    fn since(self, before: &Self) -> Option<Self> {
        let less = |now: u64, before: u64| now.saturating_sub(before);
        let left = Self {
            sent_requests: less(self.sent_requests, before.sent_requests),
            sent_responses: less(self.sent_responses, before.sent_responses),
            received_requests: less(self.received_requests, before.received_requests),
            received_responses: less(self.received_responses, before.received_responses),
            name: self.name,
        };
        let counts = [
            left.sent_requests,
            left.sent_responses,
            left.received_requests,
            left.received_responses,
        ];
        counts.iter().any(|count| *count > 0).then_some(left)
    }
}

/// `show crypto ikev2 stats timeout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timers {
    /// Peers that did not go on with IKE_AUTH.
    pub auth: u64,
    /// Requests that were never answered.
    pub retransmissions: u64,
    /// Signs of life that never came.
    pub liveness: u64,
}

/// How often something went well, and how often not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// It went well.
    pub passed: u64,
    /// It did not.
    pub failed: u64,
}

/// `show crypto ikev2 stats ext-service`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Operations {
    /// EAP conversations.
    pub eap: Outcome,
    /// Addresses and attributes for authenticated peers.
    pub authorization: Outcome,
    /// Child SAs in the dataplane.
    pub sa_creation: Outcome,
    /// Their removal.
    pub sa_deletion: Outcome,
    /// Signatures made.
    pub signature: Outcome,
    /// Certificates of peers.
    pub certificate: Outcome,
    /// What peers propose for child SAs, against their profiles.
    pub policy: Outcome,
    /// Public values of key exchanges.
    pub public_values: Outcome,
    /// Secrets made of them.
    pub secrets: Outcome,
    /// Signatures of peers.
    pub verification: Outcome,
    /// Authorities that peers were told of.
    pub issuers: Outcome,
    /// Certificates that were shown to peers.
    pub own_certificates: Outcome,
    /// Names read out of peers' certificates.
    pub certified_names: Outcome,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, count: u64) -> Row {
        Row {
            name: name.to_owned(),
            sent_requests: count,
            sent_responses: 0,
            received_requests: 1,
            received_responses: count,
        }
    }

    #[test]
    fn what_was_counted_before_the_clearing_is_in_no_table_of_messages() {
        let before = Statistics {
            exchanges: vec![row("IKE_AUTH", 3), row("INFORMATIONAL", 2)],
            errors: vec![row("NO_PROPOSAL_CHOSEN", 1)],
            notifies: vec![row("DPD", 4)],
            configurations: vec![row("INTERNAL_IP4_DNS", 1)],
            without_nat: 5,
            timers: Timers {
                auth: 1,
                ..Timers::default()
            },
            quantum_sessions: 1,
            ..Statistics::default()
        };
        let cleared = before.clone().since(&before);
        let at_this_moment = Statistics {
            quantum_sessions: 1,
            ..Statistics::default()
        };
        assert_eq!(cleared, at_this_moment);
        let mut now = before.clone();
        now.exchanges[0].sent_requests = 5;
        now.notifies.push(row("COOKIE", 1));
        now.without_nat = 7;
        let since = now.since(&before);
        assert_eq!(
            since.exchanges,
            [Row {
                name: "IKE_AUTH".to_owned(),
                sent_requests: 2,
                ..Row::default()
            }]
        );
        assert_eq!(since.notifies, [row("COOKIE", 1)]);
        assert_eq!(since.without_nat, 2);
        assert!(since.errors.is_empty() && since.configurations.is_empty());
    }
}
