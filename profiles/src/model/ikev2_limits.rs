//! `crypto ikev2 limit`: how many SAs, and how many first requests, the headend holds at most.

/// The `crypto ikev2 limit` lines.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// `max-in-negotation-sa <1-9999> [incoming]`: unauthenticated SAs that peers began.
    pub negotiating_incoming: Option<u16>,
    /// `max-in-negotation-sa <1-9999> [outgoing]`: those that the headend began. It begins none, so
    /// the line is only held.
    pub negotiating_outgoing: Option<u16>,
    /// `max-sa <1-9999>`: IKE SAs in all.
    pub sas: Option<u16>,
    /// `queue sa-init <100-100000>`: first requests that wait while others are served.
    pub init_queue: Option<u32>,
}

/// First requests that may wait where no line says otherwise.
pub const DEFAULT_INIT_QUEUE: u32 = 5_000;
