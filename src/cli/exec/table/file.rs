//! Commands about the configuration as a whole and about files: `configure`, `copy`, `show archive`.

use super::{
    super::{ExecCommand, Replacement, Source, TerminalCommand},
    Node, Token, Values, terminal,
};

pub(super) const CONFIGURE: Node = Node::word("configure", "Enter configuration mode")
    .privileged()
    .run(|_| terminal(TerminalCommand::ConfigureFrom))
    .then(&[
        Node::word(
            "confirm",
            "Confirm replacement of running-config with a new config file",
        )
        .run(|_| Some(ExecCommand::ConfigureConfirm)),
        Node::word(
            "replace",
            "Replace the running-config with a new config file",
        )
        .then(&[Node::value(
            Token::Name,
            "File, from / on or on bootflash:, or nvram:startup-config",
        )
        .run(replace)
        .then(&[
            FORCE.then(&[LIST.then(&[REVERT, TIME]), REVERT, TIME]),
            LIST.then(&[FORCE.then(&[REVERT, TIME]), REVERT, TIME]),
            REVERT,
            TIME,
        ])]),
        Node::word("revert", "Parameters for reverting the configuration").then(&[
            Node::word("now", "Revert the configuration immediately")
                .run(|_| Some(ExecCommand::ConfigureRevert)),
            Node::word(
                "timer",
                "Time from now after which the configuration is reverted",
            )
            .then(&[Node::value(Token::Number(1, MAX_MINUTES), "Minutes")
                .run(|values| Some(ExecCommand::ConfigureRevertTimer(values.number?)))]),
        ]),
        Node::word("terminal", "Configure from the terminal")
            .run(|_| terminal(TerminalCommand::Configure { revert: None }))
            .then(&[
                Node::word("revert", "Parameters for reverting the configuration").then(&[
                    Node::word(
                        "timer",
                        "Time after which the configuration is reverted unless it is confirmed",
                    )
                    .then(&[Node::value(
                        Token::Number(1, MAX_MINUTES),
                        "Minutes",
                    )
                    .run(|values| {
                        terminal(TerminalCommand::Configure {
                            revert: Some(values.number?),
                        })
                    })]),
                ]),
            ]),
    ]);

/// The longest time that a change may wait to be confirmed.
const MAX_MINUTES: u32 = 120;

const FORCE: Node = Node::word("force", "Replace without a question")
    .force()
    .run(replace);

/// What changes is told in any case.
const LIST: Node = Node::word("list", "List the lines that change").run(replace);

const TIME: Node = Node::word("time", "Revert unless the change is confirmed in time")
    .then(&[Node::value(Token::Number(1, MAX_MINUTES), "Minutes").run(replace)]);

const TIMER: Node = Node::word("timer", "Revert unless the change is confirmed in time")
    .then(&[Node::value(Token::Number(1, MAX_MINUTES), "Minutes").run(replace)]);

const REVERT: Node =
    Node::word("revert", "Parameters for reverting the configuration").then(&[Node::word(
        "trigger",
        "What reverts the configuration",
    )
    .then(&[
        // Nothing is changed then in any case.
        Node::word("error", "Revert upon error")
            .run(replace)
            .then(&[TIMER]),
        TIMER,
    ])]);

fn replace(values: Values) -> Option<ExecCommand> {
    Some(ExecCommand::ConfigureReplace(Replacement {
        file: values.text?,
        force: values.force,
        minutes: values.number,
    }))
}

pub(super) const COPY: Node = Node::word("copy", "Copy from one file to another")
    .privileged()
    .then(&[
        Node::value(Token::File, "Copy from a file").then(&[Node::word(
            "running-config",
            "Merge into the current system configuration",
        )
        .run(|values| Some(ExecCommand::Merge(Source::File(values.file?))))]),
        Node::word("running-config", "Copy from current system configuration").then(&[
            Node::value(Token::File, "Copy to a file")
                .run(|values| Some(ExecCommand::CopyTo(values.file?, Source::Running))),
            Node::word("startup-config", "Copy to startup configuration")
                .run(|_| Some(ExecCommand::WriteMemory)),
        ]),
        Node::word("startup-config", "Copy from startup configuration").then(&[
            Node::value(Token::File, "Copy to a file")
                .run(|values| Some(ExecCommand::CopyTo(values.file?, Source::Startup))),
            Node::word(
                "running-config",
                "Merge into the current system configuration",
            )
            .run(|_| Some(ExecCommand::Merge(Source::Startup))),
        ]),
    ]);

pub(super) const ARCHIVE: Node = Node::word("archive", "Archive functions")
    .privileged()
    .then(&[Node::word("config", "Archive configuration").then(&[
        Node::word(
            "differences",
            "From the startup configuration to the running one",
        )
        .run(|_| Some(ExecCommand::ShowArchiveDifferences)),
        Node::word("rollback", "Reverting of the configuration").then(&[Node::word(
            "timer",
            "Time until the configuration is reverted",
        )
        .run(|_| super::show(super::Show::RollbackTimer))]),
    ])]);
