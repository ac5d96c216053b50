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
