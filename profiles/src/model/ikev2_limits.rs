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
    /// `crypto call admission limit ike sa <0-99999>`: the same by its older name; 0 means no limit.
    pub admitted_sas: Option<u32>,
    /// `crypto call admission limit ike in-negotiation-sa <10-99999>`: the same for `max-in-negotation-sa`.
    pub admitted_negotiating: Option<u32>,
    /// `queue sa-init <100-100000>`: first requests that wait while others are served.
    pub init_queue: Option<u32>,
}

impl Limits {
    /// IKE SAs in all, by whichever line says less; absent means any number.
    pub fn most_sas(&self) -> Option<u32> {
        let admitted = self.admitted_sas.filter(|most| *most > 0);
        self.sas.map(u32::from).into_iter().chain(admitted).min()
    }

    /// Unauthenticated SAs that peers began, by whichever line says less.
    pub fn most_negotiating(&self) -> Option<u32> {
        let limit = self.negotiating_incoming.map(u32::from);
        limit.into_iter().chain(self.admitted_negotiating).min()
    }

    /// The same with the numbers that hold where no line says any.
    #[must_use]
    pub fn with_defaults(self) -> Self {
        let negotiating = self.negotiating_incoming.is_none();
        let negotiating = negotiating.then_some(DEFAULT_NEGOTIATING);
        let sas = self.sas.is_none().then_some(0);
        Self {
            admitted_sas: self.admitted_sas.or(sas),
            admitted_negotiating: self.admitted_negotiating.or(negotiating),
            init_queue: Some(self.waiting()),
            ..self
        }
    }

    /// First requests that wait while others are served.
    pub fn waiting(&self) -> u32 {
        self.init_queue.unwrap_or(DEFAULT_INIT_QUEUE)
    }
}

/// Unauthenticated SAs that peers may have begun where no line says otherwise: what the headend's protocol takes.
pub const DEFAULT_NEGOTIATING: u32 = 20_000;

/// First requests that may wait where no line says otherwise.
pub const DEFAULT_INIT_QUEUE: u32 = 5_000;
