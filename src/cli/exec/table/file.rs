//! Commands about the configuration as a whole and about files: `configure`, `copy`, `delete`, `erase`, `more`, `show archive`.

use ironflex_profiles::model::name::FileName;

use super::{
    super::{ExecCommand, Nameless, Replacement, Source, TerminalCommand},
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
        Node::word("memory", "Configure from NV memory")
            .force()
            .run(|_| Some(ExecCommand::Merge(Source::Startup))),
        Node::word(
            "network",
            "Configure from a network host (not here: scp or curl, and then copy)",
        )
        .run(|_| Some(ExecCommand::Transfer("configure network".to_owned()))),
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

const FROM_REMOTE: &str = "Copy from another machine (not here: scp or curl)";
const TO_REMOTE: &str = "Copy to another machine (not here: scp or curl)";

/// To other machines files go by other programs, and whoever looks for that here is told.
const REMOTE: Node = Node::value(Token::Remote, TO_REMOTE).run(transfer);

const MERGE: &str = "Merge into the current system configuration";

pub(super) const COPY: Node = Node::word("copy", "Copy from one file to another")
    .privileged()
    .then(&[
        Node::value(Token::File, "Copy from a file").then(&[
            Node::value(Token::File, "Copy to a file")
                .run(|values| Some(ExecCommand::CopyTo(values.file?, Source::File(values.from?)))),
            REMOTE,
            Node::word("running-config", MERGE)
                .run(|values| Some(ExecCommand::Merge(Source::File(values.file?)))),
            Node::word(
                "startup-config",
                "Copy to startup configuration (not here: configure replace)",
            )
            .run(|_| {
                Some(ExecCommand::Instead(
                    "copy to startup-config from a file",
                    "'configure replace bootflash:FILE' puts it to work, and 'write memory' writes it then",
                ))
            }),
        ]),
        Node::value(Token::Disk, "Copy from a file").then(&[Node::word("running-config", MERGE)
            .run(|_| Some(ExecCommand::Nameless(Nameless::Merge)))]),
        Node::value(Token::Remote, FROM_REMOTE)
            .run(transfer)
            .then(&[Node::value(Token::Line, "Copy to a file").run(transfer)]),
        Node::word("running-config", "Copy from current system configuration").then(&[
            Node::value(Token::File, "Copy to a file")
                .run(|values| Some(ExecCommand::CopyTo(values.file?, Source::Running))),
            Node::value(Token::Disk, "Copy to a file").run(|_| copied(Source::Running)),
            REMOTE,
            Node::word("startup-config", "Copy to startup configuration")
                .run(|_| Some(ExecCommand::WriteMemory)),
        ]),
        Node::word("startup-config", "Copy from startup configuration").then(&[
            Node::value(Token::File, "Copy to a file")
                .run(|values| Some(ExecCommand::CopyTo(values.file?, Source::Startup))),
            Node::value(Token::Disk, "Copy to a file").run(|_| copied(Source::Startup)),
            REMOTE,
            Node::word("running-config", MERGE).run(|_| Some(ExecCommand::Merge(Source::Startup))),
        ]),
    ]);

fn transfer(values: Values) -> Option<ExecCommand> {
    let scheme = values.scheme?;
    Some(ExecCommand::Transfer(format!("copy by {scheme}")))
}

/// A router asks for the name, and proposes that of what is copied.
fn copied(source: Source) -> Option<ExecCommand> {
    let name = match source {
        Source::Startup => "bootflash:startup-config",
        Source::Running | Source::File(_) => "bootflash:running-config",
    };
    Some(ExecCommand::CopyTo(FileName::new(name).ok()?, source))
}

pub(super) const DELETE: Node = Node::word("delete", "Delete a file").privileged().then(&[
    Node::word("/force", "Force delete")
        .force()
        .then(&[TO_DELETE, NAMELESS, BARE_TO_DELETE]),
    TO_DELETE,
    NAMELESS,
    BARE_TO_DELETE,
]);

const TO_DELETE: Node = Node::value(Token::File, "File to be deleted").run(delete);
const NAMELESS: Node = Node::value(Token::Disk, "File to be deleted")
    .run(|_| Some(ExecCommand::Nameless(Nameless::Delete)));
const BARE_TO_DELETE: Node =
    Node::value(Token::BareFile, "File to be deleted, on bootflash:").run(delete);

fn delete(values: Values) -> Option<ExecCommand> {
    Some(ExecCommand::Delete(values.file?))
}

pub(super) const ERASE: Node = Node::word("erase", "Erase a filesystem")
    .privileged()
    .then(&[
        Node::word("nvram:", "Filesystem to be erased").run(|_| Some(ExecCommand::EraseStartup)),
        Node::word("startup-config", "Erase contents of configuration memory")
            .run(|_| Some(ExecCommand::EraseStartup)),
    ]);

pub(super) const MORE: Node = Node::word("more", "Display the contents of a file")
    .privileged()
    .pipes()
    .then(&[
        Node::value(Token::File, "File to display").run(more),
        Node::value(Token::BareFile, "File to display, on bootflash:").run(more),
        Node::word("nvram:startup-config", "The startup configuration")
            .run(|_| Some(ExecCommand::More(Source::Startup))),
        Node::word("system:running-config", "The running configuration")
            .run(|_| Some(ExecCommand::More(Source::Running))),
    ]);

fn more(values: Values) -> Option<ExecCommand> {
    Some(ExecCommand::More(Source::File(values.file?)))
}

pub(super) const CONFIGURATION: Node =
    Node::word("configuration", "Contents of Non-Volatile memory")
        .privileged()
        .run(|_| Some(ExecCommand::ShowStartupConfig))
        .then(&[Node::word(
            "lock",
            "Who is in configuration mode, which one may be at a time",
        )
        .run(|_| Some(ExecCommand::ShowConfigurationLock))]);

pub(super) const ARCHIVE: Node = Node::word("archive", "Archive functions (not here: an archive of configurations)")
    .privileged()
    .run(|_| {
        Some(ExecCommand::Instead(
            "show archive",
            "no archive is kept; 'show archive config differences' tells what the startup configuration has otherwise",
        ))
    })
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
