//! What a router asks at its terminal before it does something. What ends the line ends the command, and nothing is done.

use std::{borrow::Cow, io};

use ironflex_profiles::model::name::FileName;

use super::{Shell, Wish, locked, too_long};
use crate::cli::exec::{self, Asked, From};

impl Shell {
    /// Asks whether a line is to be carried out. Returns what is: a file may have another name. None where nothing is.
    pub(super) fn confirmed<'l>(
        &mut self,
        line: &'l str,
        asked: Option<Asked>,
    ) -> io::Result<Option<Cow<'l, str>>> {
        let is_meant = match asked {
            None => true,
            Some(Asked::Key(question)) => self.confirms(question)?,
            Some(Asked::Line(above, question)) => {
                self.show(above)?;
                let answer = self.answer(question)?;
                let answer = answer.map(|answer| answer.trim().to_ascii_lowercase());
                answer.is_some_and(|answer| !answer.is_empty() && "yes".starts_with(&answer))
            }
            Some(Asked::Destination(file)) => {
                let Some(file) = self.file("Destination filename", file)? else {
                    return Ok(None);
                };
                return Ok(self.console.with_file(line, &file).map(Cow::Owned));
            }
            Some(Asked::Deletion(file)) => {
                let Some(file) = self.file("Delete filename", file)? else {
                    return Ok(None);
                };
                if !self.deletes(&file)? {
                    return Ok(None);
                }
                return Ok(self.console.with_file(line, &file).map(Cow::Owned));
            }
            Some(Asked::Own(system, own)) => {
                match self.answer(&format!("Destination filename [{own}]? "))? {
                    None => false,
                    Some(answer) => match exec::own_file(&answer, system, own) {
                        Ok(()) => true,
                        Err(why) => {
                            self.complain(&why)?;
                            false
                        }
                    },
                }
            }
            Some(Asked::Nameless(what)) => return self.named(line, what),
        };
        Ok(is_meant.then_some(Cow::Borrowed(line)))
    }

    /// Asks which file is meant, and then what is asked of the line that names it.
    fn named<'l>(&mut self, line: &str, what: &str) -> io::Result<Option<Cow<'l, str>>> {
        let Some(answer) = self.answer(&format!("{what} []? "))? else {
            return Ok(None);
        };
        let file = match exec::file_named(&answer) {
            Ok(file) => file,
            Err(why) => return self.complain(&why).map(|()| None),
        };
        let Some(line) = self.console.with_file(line, &file) else {
            return Ok(None);
        };
        let asked = match self.console.confirmation(&line) {
            // Its name has just been said.
            Some(Asked::Deletion(_)) => {
                return Ok(self.deletes(&file)?.then_some(Cow::Owned(line)));
            }
            asked => asked,
        };
        let confirmed = self.confirmed(&line, asked)?;
        Ok(confirmed.map(|line| Cow::Owned(line.into_owned())))
    }

    /// Asks whether a file is to be deleted whose name is known.
    fn deletes(&mut self, file: &FileName) -> io::Result<bool> {
        self.confirms(&format!("Delete bootflash:/{}? [confirm]", file.path()))
    }

    /// Asks for the name of a file, which nobody has to type again who means this one.
    fn file(&mut self, what: &str, file: FileName) -> io::Result<Option<FileName>> {
        let answer = self.answer(&format!("{what} [{}]? ", file.path()))?;
        match answer.as_deref().map(str::trim) {
            None => Ok(None),
            Some("") => Ok(Some(file)),
            Some(other) => match exec::file_named(other) {
                Ok(other) => Ok(Some(other)),
                Err(why) => self.complain(&why).map(|()| None),
            },
        }
    }

    /// Asks for a line. None where that is given up.
    fn answer(&mut self, question: &str) -> io::Result<Option<String>> {
        if let Some(line) = self.pasted.pop_front() {
            self.show(&format!("{question}{}\n", line.text))?;
            return Ok(Some(line.text).filter(|_| !line.too_long));
        }
        // One line answers it: those behind it are gathered no sooner than at the prompt.
        locked(&self.wish).burst.begin(false);
        let answer = self.editor.readline(question);
        let wish = locked(&self.wish).take();
        Ok(match (answer, wish) {
            (
                Ok(answer),
                Wish {
                    help: None,
                    too_long: false,
                    leave: false,
                    ..
                },
            ) => Some(answer),
            // What ends the terminal is found out by the next line.
            _ => None,
        })
    }

    /// A bare `configure`: asks where the lines come from, as a router does.
    pub(super) fn ask_where_from(&mut self) -> io::Result<()> {
        if let Some(line) = self.pasted.pop_front() {
            let answer = line.text;
            self.show(&format!("{}{answer}\n", exec::CONFIGURE_FROM))?;
            return self.configure_from(&answer);
        }
        let answer = self.editor.readline(exec::CONFIGURE_FROM);
        let wish = locked(&self.wish).take();
        match (answer, wish) {
            (Ok(_), Wish { help: Some(_), .. }) => self.complain(exec::NO_SUCH_PLACE),
            (Ok(_), Wish { too_long: true, .. }) => self.complain(&too_long()),
            (Ok(_), Wish { leave: true, .. }) => Ok(()),
            (Ok(answer), _) => self.configure_from(&answer),
            // What ends the line ends the command; what ends the terminal is found out by the next line.
            (Err(_), _) => Ok(()),
        }
    }

    fn configure_from(&mut self, answer: &str) -> io::Result<()> {
        match exec::configured_from(answer) {
            None => self.complain(exec::NO_SUCH_PLACE),
            Some(From::Terminal) => self.begin_to_configure(None),
            Some(From::Elsewhere(command)) => self.carry_out(command, "").map(|_| ()),
        }
    }
}
