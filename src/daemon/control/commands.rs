//! What a command line comes to: at once on the loop, or as work that whoever asked does elsewhere.

use std::path::Path;

use super::{
    super::{
        bootflash::{self, Present},
        configure::{Person, Reading, Work},
        driver::Driver,
        show, statistics,
    },
    local_users,
    sessions::{clear, rekey, said_of},
    storing::Storing,
};
use crate::{
    cli::{
        exec::{DebugFlag, ExecCommand, ExecError, HELP, Mode, Show, parse},
        pipe::Modifier,
        show::{Facts, Form},
    },
    keylog::KeyLogWriter,
};

/// What a command line came to.
pub enum Outcome {
    /// It has been carried out, or was refused for this reason.
    Done(Result<String, String>),
    /// Facts, which whoever asked puts into this form.
    Facts(Box<Facts>, Form),
    /// A file has to be read first, by whoever asked, and the loop goes on with what it says.
    Replace(Reading),
    /// Whoever asked has to look for the facts, and puts them into this form.
    Look(Work<Facts>, Form),
    /// It takes its time, and is done by whoever asked.
    Work(Work<String>),
    /// What another one comes to goes to a file.
    Store(Box<Self>, Storing),
    /// It is done, and whoever asked waits for what is to be said of it; that needs no place at files.
    Wait(Work<String>),
}

/// Carries out one command line. A file on `bootflash:` that it would replace is kept or not.
pub fn execute(driver: &mut Driver, line: &str, person: Person, present: Present) -> Outcome {
    let line = match parse(line, Mode::Privileged) {
        Ok(line) => line,
        Err(error) => return Outcome::Done(Err(error.to_string())),
    };
    let form = match line.modifier {
        None => Form::Text,
        Some(Modifier::Json) => Form::Json,
        // What is on bootflash is the daemon's.
        Some(Modifier::Redirect(to)) if bootflash::is_on(&to.file) => {
            let storing = match Storing::of(driver, &to, present) {
                Ok(storing) => storing,
                Err(why) => return Outcome::Done(Err(why)),
            };
            let of = carry_out(driver, line.command, Form::Text, (person, present));
            return Outcome::Store(Box::new(of), storing);
        }
        // A file is written with the rights of who asks for it, and so by the other end of the socket.
        Some(_) => {
            let text = "% The other end of this socket filters and redirects the output";
            return Outcome::Done(Err(text.into()));
        }
    };
    carry_out(driver, line.command, form, (person, present))
}

fn carry_out(
    driver: &mut Driver,
    command: ExecCommand,
    form: Form,
    (person, present): (Person, Present),
) -> Outcome {
    Outcome::Done(match command {
        // What is told, or done, elsewhere.
        ExecCommand::Directory => return Outcome::Look(show::bootflash(driver), form),
        ExecCommand::Show(Show::IpNatStatistics) => {
            return Outcome::Look(show::nat_statistics(driver), form);
        }
        ExecCommand::Show(Show::PkiCertificates { verbose, name }) => {
            let look = show::certificates(driver, verbose, name.as_deref());
            return Outcome::Look(look, form);
        }
        ExecCommand::Show(Show::PkiTrustpoints { status, name }) => {
            let look = show::trustpoint_names(driver, status, name.as_deref());
            return Outcome::Look(look, form);
        }
        ExecCommand::Show(Show::TechSupport) => {
            return Outcome::Look(show::tech_support(driver), form);
        }
        ExecCommand::Show(Show::MyPublicKeys(kind)) => {
            return Outcome::Look(show::public_keys(driver, kind), form);
        }
        ExecCommand::Show(Show::Users) => {
            return Outcome::Facts(Box::new(show::users(driver, &person)), form);
        }
        ExecCommand::Show(what) => {
            return Outcome::Facts(Box::new(show::facts(driver, what)), form);
        }
        ExecCommand::ShowArchiveDifferences => {
            return Outcome::Look(driver.configuration_differences(), form);
        }
        ExecCommand::ShowNatTranslations => {
            return Outcome::Look(show::translations(driver), form);
        }
        ExecCommand::ShowNeighbors { ipv6, address } => {
            return Outcome::Look(show::neighbors(driver, ipv6, address), form);
        }
        ExecCommand::ShowStartupConfig => {
            return Outcome::Look(driver.startup_configuration(), form);
        }
        _ if form == Form::Json => Err("% There is no JSON of this".into()),
        ExecCommand::ConfigureReplace(file) => match driver.replacement(file, person) {
            Ok(reading) => return Outcome::Replace(reading),
            Err(why) => Err(why),
        },
        ExecCommand::Merge(source) => match driver.merging(source) {
            Ok(reading) => return Outcome::Replace(reading),
            Err(why) => Err(why),
        },
        ExecCommand::CopyTo(name, source) => {
            return Outcome::Work(driver.copy_to(name, source, present));
        }
        ExecCommand::Delete(name) => {
            let log = &driver.house.log;
            log.info(format_args!(
                "file {name} is to be deleted, as {person} asks"
            ));
            return Outcome::Work(driver.bootflash().delete(name));
        }
        ExecCommand::EraseStartup => return Outcome::Work(driver.erase_configuration(&person)),
        ExecCommand::More(source) => return Outcome::Work(driver.more(source)),
        // A terminal has asked for the name.
        ExecCommand::Nameless(_) => Err(ExecError::Incomplete.to_string()),
        ExecCommand::ShowConfigurationLock => Ok(driver.configuration_lock()),
        ExecCommand::WriteMemory => return Outcome::Work(driver.write_configuration()),
        // What changes something here.
        ExecCommand::Help => Ok(HELP.to_owned()),
        ExecCommand::ConfigureConfirm => match driver.confirm_configuration(&person) {
            Ok(work) => return Outcome::Wait(work),
            Err(why) => Err(why),
        },
        ExecCommand::ConfigureRevert => driver.revert_configuration(),
        ExecCommand::ConfigureRevertTimer(minutes) => driver.set_revert_timer(minutes),
        ExecCommand::ClearCryptoSession(target) => {
            let cleared = clear(driver, &target);
            Ok(said_of(cleared, &target))
        }
        ExecCommand::ClearCounters(one) => show::clear_counters(driver, one),
        ExecCommand::ClearLocalUser(mark, user) => local_users::clear(driver, mark, user, &person),
        ExecCommand::ClearLogging => {
            driver.house.log.clear();
            Ok(String::new())
        }
        ExecCommand::ClearIkev2Stats => {
            driver.cleared = statistics::statistics(driver);
            Ok("Cleared crypto ikev2 statistics\n".into())
        }
        ExecCommand::TestRekey(what, whose) => {
            let rekeyed = rekey(driver, what, &whose);
            Ok(said_of(rekeyed, &whose))
        }
        ExecCommand::Debug(flag) => Ok(debug(driver, flag, true)),
        ExecCommand::NoDebug(flag) => Ok(debug(driver, flag, false)),
        ExecCommand::UndebugAll => {
            driver.house.log.flags = Default::default();
            driver.endpoint.trace(false);
            driver.endpoint.key_log(false);
            driver.key_log = None;
            Ok("All possible debugging has been turned off\n".into())
        }
        ExecCommand::KeyLog(Some(folder)) => log_keys(driver, &folder),
        ExecCommand::KeyLog(None) => {
            driver.key_log = None;
            driver.endpoint.key_log(false);
            Ok(String::new())
        }
        ExecCommand::DebugCondition(condition, on) => {
            driver.house.log.conditions.set(condition, on);
            Ok(String::new())
        }
        ExecCommand::DebugConditionReset => {
            driver.house.log.conditions.reset();
            Ok(String::new())
        }
        ExecCommand::Unsupported(words) => Err(format!("% {words}: not supported by this headend")),
        ExecCommand::Instead(words, advice) => Err(format!(
            "% {words}: not supported by this headend: {advice}"
        )),
        ExecCommand::Transfer(words) => Err(format!(
            "% {words}: not supported by this headend: leave with 'exit', and bring the file to {folder} or take it from there by scp or \
             curl at the machine's own shell; that folder is bootflash: here, and 'copy bootflash:FILE running-config' or 'configure \
             replace bootflash:FILE' takes a configuration from it",
            folder = driver.bootflash().folder.display()
        )),
        // There is no terminal here that it could concern.
        ExecCommand::Terminal(_) => Ok(String::new()),
    })
}

/// `debug crypto ikev2 keylog FOLDER`
fn log_keys(driver: &mut Driver, folder: &str) -> Result<String, String> {
    let path = Path::new(folder);
    // It would be taken from the daemon's folder, which is hardly the one that its operator has in mind.
    if !path.is_absolute() {
        return Err(format!(
            "% {folder} is a relative path: name the folder of the key tables from / on"
        ));
    }
    let writer = KeyLogWriter::open(path)
        .map_err(|error| format!("% cannot write key tables to {folder}: {error}"))?;
    driver.key_log = Some(writer);
    driver.endpoint.key_log(true);
    Ok(format!("Keys of new SAs are written to {folder}\n"))
}

fn debug(driver: &mut Driver, flag: DebugFlag, on: bool) -> String {
    let answer = driver.house.log.flags.set(flag, on);
    driver.endpoint.trace(driver.house.log.wants_trace());
    answer
}
