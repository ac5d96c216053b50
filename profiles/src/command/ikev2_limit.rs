//! `crypto ikev2 limit`.

use super::Edit;
use crate::{model::ikev2_limits::Limits, tree::Node};

pub(super) const LINES: &[Node] = &[
    // The router spells it so.
    Node::word(
        "max-in-negotation-sa",
        "Limit the maximum number of negotiating SA",
    )
    .then(&[Node::number(1, 9999, "Number of SAs")
        .set(|edit, args| {
            let most = Some(args.number()?);
            let limits = limits(edit);
            limits.negotiating_incoming = most;
            limits.negotiating_outgoing = most;
            Ok(())
        })
        .then(&[
            Node::word("incoming", "Limit those that peers begin")
                .set(|edit, args| {
                    limits(edit).negotiating_incoming = Some(args.number()?);
                    Ok(())
                })
                .unset(|edit, _| {
                    limits(edit).negotiating_incoming = None;
                    Ok(())
                }),
            Node::word("outgoing", "Limit those that the router begins")
                .set(|edit, args| {
                    limits(edit).negotiating_outgoing = Some(args.number()?);
                    Ok(())
                })
                .unset(|edit, _| {
                    limits(edit).negotiating_outgoing = None;
                    Ok(())
                }),
        ])])
    .unset(|edit, _| {
        let limits = limits(edit);
        limits.negotiating_incoming = None;
        limits.negotiating_outgoing = None;
        Ok(())
    }),
    Node::word("max-sa", "Limit the maximum number of SA allowed")
        .then(&[Node::number(1, 9999, "Number of SAs").set(|edit, args| {
            limits(edit).sas = Some(args.number()?);
            Ok(())
        })])
        .unset(|edit, _| {
            limits(edit).sas = None;
            Ok(())
        }),
    Node::word("queue", "Limit size of queue").then(&[Node::word(
        "sa-init",
        "Limit size of LOW Q (incoming SA INIT requests)",
    )
    .then(&[
        Node::number(100, 100_000, "Number of requests").set(|edit, args| {
            limits(edit).init_queue = Some(args.number()?);
            Ok(())
        }),
    ])
    .unset(|edit, _| {
        limits(edit).init_queue = None;
        Ok(())
    })]),
];

const fn limits<'a>(edit: &'a mut Edit<'_>) -> &'a mut Limits {
    &mut edit.candidate.ikev2.limits
}

/// `crypto call admission limit`: the same limits by their older name, where a router counts IKEv1's SAs too.
pub(super) const CALL: &[Node] = &[Node::word("admission", "Configure Call Admission Control")
    .then(&[
        Node::word("limit", "Configure Call Admission Limits").then(&[
            Node::word("ike", "Configure Call Admission Control for IKE").then(&[
                Node::word("sa", "IKE SA limit")
                    .then(&[
                        Node::number(0, 99_999, "Number of IKE SAs; 0 for no limit").set(
                            |edit, args| {
                                limits(edit).admitted_sas = Some(args.number()?);
                                Ok(())
                            },
                        ),
                    ])
                    .unset(|edit, _| {
                        limits(edit).admitted_sas = None;
                        Ok(())
                    }),
                Node::word("in-negotiation-sa", "IKE SAs in negotiation limit")
                    .then(&[
                        Node::number(10, 99_999, "Number of SAs in negotiation").set(
                            |edit, args| {
                                limits(edit).admitted_negotiating = Some(args.number()?);
                                Ok(())
                            },
                        ),
                    ])
                    .unset(|edit, _| {
                        limits(edit).admitted_negotiating = None;
                        Ok(())
                    }),
            ]),
            Node::refused("ipsec", "limits on IPsec SAs"),
            Node::refused("all", "limits on all negotiations together"),
        ]),
        Node::refused("load", "limits by the load of the machine"),
    ])];
