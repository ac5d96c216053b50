//! Commands about the machine and the daemon as a whole.

use super::{
    super::{ExecCommand, Show, TerminalCommand},
    Node, Token, Values, show, terminal,
};

/// Both are the folder that `bootflash:` means in a configuration.
pub(super) const DIR: Node = Node::word("dir", "List files on a filesystem")
    .privileged()
    .pipes()
    .run(directory)
    .then(&[
        Node::word("bootflash:", "Files on bootflash").run(directory),
        Node::value(Token::Root("bootflash:"), "Files on bootflash").run(directory),
        Node::word("flash:", "Files on bootflash").run(directory),
        Node::value(Token::Root("flash:"), "Files on bootflash").run(directory),
        Node::word("nvram:", "Files on nvram (not here: show startup-config)").run(nvram),
        Node::value(Token::Root("nvram:"), "Files on nvram (not here)").run(nvram),
    ]);

pub(super) const SHOW_BOOTFLASH: Node = Node::word("bootflash:", "Files on bootflash")
    .privileged()
    .run(directory);

pub(super) const SHOW_FLASH: Node = Node::word("flash:", "Files on bootflash")
    .privileged()
    .run(directory);

fn nvram(_: Values) -> Option<ExecCommand> {
    Some(ExecCommand::Instead(
        "dir nvram:",
        "the startup configuration is all that is there, and 'show startup-config' shows it; 'dir' lists bootflash:",
    ))
}

fn directory(_: Values) -> Option<ExecCommand> {
    Some(ExecCommand::Directory)
}

/// The machine has these, and whoever looks for them here is told.
pub(super) const PING: Node =
    Node::word("ping", "Send echo messages (not here: the machine's shell)")
        .run(ping)
        .then(&[Node::value(Token::Line, "Ping destination").run(ping)]);

pub(super) const TRACEROUTE: Node = Node::word(
    "traceroute",
    "Trace route to destination (not here: the machine's shell)",
)
.run(traceroute)
.then(&[Node::value(Token::Line, "Trace route to destination").run(traceroute)]);

fn ping(_: Values) -> Option<ExecCommand> {
    Some(ExecCommand::Instead(
        "ping",
        "leave with 'exit', and type the same at the machine's own shell",
    ))
}

fn traceroute(_: Values) -> Option<ExecCommand> {
    Some(ExecCommand::Instead(
        "traceroute",
        "leave with 'exit', and type the same at the machine's own shell",
    ))
}

pub(super) const RELOAD: Node = Node::word(
    "reload",
    "Halt and perform a cold restart (not here: systemctl restart)",
)
.privileged()
.run(|_| {
    Some(ExecCommand::Instead(
        "reload",
        "lines are at work as soon as they are typed, and nothing needs a restart; to start the headend anew, which ends every session, \
         leave with 'exit' and type 'systemctl restart ironflex' at the machine's own shell",
    ))
});

pub(super) const CLOCK: Node = Node::word("clock", "Display the system clock")
    .run(|_| show(Show::Clock { detail: false }))
    .then(&[Node::word("detail", "Display detailed information")
        .run(|_| show(Show::Clock { detail: true }))]);

/// There are two levels, as on a router where nobody has made others.
pub(super) const ENABLE: Node = Node::word("enable", "Turn on privileged commands")
    .run(|_| terminal(TerminalCommand::Enable))
    .then(&[
        Node::value(Token::Number(0, 15), "Enable level").run(|values| match values.number? {
            15 => terminal(TerminalCommand::Enable),
            0 | 1 => terminal(TerminalCommand::Disable),
            _ => Some(ExecCommand::Instead(
                "enable of a level between 1 and 15",
                "'enable' alone, or 'enable 15', for every command",
            )),
        }),
    ]);

pub(super) const INVENTORY: Node =
    Node::word("inventory", "Show the physical inventory").run(|_| show(Show::Inventory));

pub(super) const PRIVILEGE: Node = Node::word("privilege", "Show current privilege level")
    .run(|_| terminal(TerminalCommand::Privilege));

pub(super) const PROCESSES: Node = Node::word("processes", "Active process statistics")
    .run(cpu)
    .then(&[
        Node::word("cpu", "Show CPU use per process")
            .run(cpu)
            .then(&[
                // There is one process, in whatever order.
                Node::word("sorted", "Show sorted output based on percentage of usage")
                    .run(cpu)
                    .then(&[
                        Node::word("1min", "Sort based on 1 minute utilization").run(cpu),
                        Node::word("5min", "Sort based on 5 minutes utilization").run(cpu),
                        Node::word("5sec", "Sort based on 5 seconds utilization").run(cpu),
                    ]),
            ]),
        Node::word("memory", "Show memory use per process").run(|_| show(Show::ProcessesMemory)),
    ]);

fn cpu(_: Values) -> Option<ExecCommand> {
    show(Show::ProcessesCpu)
}
