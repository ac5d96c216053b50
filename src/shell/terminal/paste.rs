//! Lines that have come at once: shown and carried out as if they had been typed one after the other.

use std::{
    io::{self, Write},
    ops::ControlFlow,
};

use nix::sys::termios::{FlushArg, tcflush};

use super::{
    Line, Over, Pasted, Shell, TerminalError, Then, has_no_editor, locked, pager, prompt, too_long,
};
use crate::cli::{
    configure::{self, Prompt, Taken},
    counted,
};

impl Shell {
    /// Takes what has come at once. Returns what the next line begins with.
    pub(super) fn take_pasted(
        &mut self,
        pasted: Pasted,
    ) -> Result<ControlFlow<(), Option<(String, String)>>, TerminalError> {
        let Pasted { lines, begun, then } = pasted;
        let any = !lines.is_empty();
        if self.carry_out_pasted(lines, true)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        // It is behind the prompt already where no line was before it.
        let prompt = self.prompt();
        let shown = |key: &str| {
            if any {
                show(&format!("{prompt}{}{key}\n", begun.text))
            } else {
                Ok(())
            }
        };
        match then {
            None => {}
            Some(Then::Help) => {
                shown("?")?;
                self.help(self.place(), &begun.text)?;
            }
            Some(Then::Leave) => {
                shown("")?;
                let text = if begun.too_long {
                    self.complain(&too_long())?;
                    ""
                } else {
                    &begun.text
                };
                if self.configuring.is_some() {
                    self.leave(text, &prompt)?;
                }
                return Ok(ControlFlow::Continue(None));
            }
            Some(Then::Interrupt) => {
                shown("")?;
                self.configuring = None;
                return Ok(ControlFlow::Continue(None));
            }
            Some(Then::End) if begun.text.is_empty() => {
                shown("")?;
                if self.configuring.take().is_none() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            // Behind the end of a line there is nothing that it could delete.
            Some(Then::End) => {}
        }
        locked(&self.wish).too_long = begun.too_long;
        Ok(ControlFlow::Continue(Some((begun.text, String::new()))))
    }

    /// Carries lines out. Whether the first is on the screen already.
    pub(super) fn carry_out_pasted(
        &mut self,
        lines: Vec<Line>,
        mut is_shown: bool,
    ) -> Result<ControlFlow<()>, TerminalError> {
        self.pasted = lines.into();
        loop {
            let together = self.together();
            if together > 0 {
                self.configure_together(together, is_shown)?;
            } else {
                let Some(Line {
                    text,
                    too_long: cut,
                }) = self.pasted.pop_front()
                else {
                    return Ok(ControlFlow::Continue(()));
                };
                let prompt = self.prompt();
                if !is_shown {
                    show(&format!("{prompt}{text}\n"))?;
                }
                if cut {
                    self.complain(&too_long())?;
                } else if self.take_line(&text, &prompt)?.is_break() {
                    self.pasted.clear();
                    return Ok(ControlFlow::Break(()));
                }
            }
            is_shown = false;
        }
    }

    /// How many of the lines that are next belong to the configuration. Behind one that may be an exec command it is known only when the
    /// others are taken: it may stand in a text.
    fn together(&self) -> usize {
        let Some(configuring) = &self.configuring else {
            return 0;
        };
        let is_one = |line: &Line| !line.too_long && configuring.exec_command(&line.text).is_none();
        let first = self.pasted.iter().take(1).filter(|line| is_one(line));
        let others = self.pasted.iter().skip(1);
        let others = others
            .take_while(|line| !line.too_long && configure::exec_command(&line.text).is_none());
        match first.count() {
            0 => 0,
            first => first.saturating_add(others.count()),
        }
    }

    /// Has so many of the lines taken together.
    fn configure_together(&mut self, count: usize, is_shown: bool) -> Result<(), TerminalError> {
        let prompt = self.prompt();
        let Some(mut configuring) = self.configuring.take() else {
            return Ok(());
        };
        let lines: Vec<Line> = self.pasted.drain(..count).collect();
        for Line { text, .. } in &lines {
            configuring.push(text);
        }
        // A command is to find them at work.
        let more = self.pasted.is_empty() && self.more_comes();
        match self.console.send(&mut configuring, more) {
            Ok((_, taken)) => {
                self.show_together(&lines, &taken, &prompt, is_shown)?;
                // Behind an `end` stand commands.
                let rest = lines.into_iter().skip(taken.taken);
                rest.rev().for_each(|line| self.pasted.push_front(line));
                self.goes_on(configuring, &taken);
            }
            Err(error) => {
                if !is_shown {
                    let first = lines.first().map_or("", |line| &line.text);
                    show(&format!("{prompt}{first}\n"))?;
                }
                // Nobody wants the others behind a Ctrl-C; and where the configuring is over they would be carried out as commands.
                let left = lines.len().saturating_add(self.pasted.len());
                self.pasted.clear();
                let _ = tcflush(io::stdin(), FlushArg::TCIFLUSH);
                self.complain(&error.to_string())?;
                if !matches!(error, Over::Interrupted) {
                    let lines = counted(u64::try_from(left).unwrap_or(u64::MAX), "line");
                    self.complain(&format!(
                        "% At least {lines} of what was pasted came to nothing"
                    ))?;
                }
            }
        }
        Ok(())
    }

    /// Shows lines that were taken, each with what is said of it.
    fn show_together(
        &mut self,
        lines: &[Line],
        taken: &Taken,
        first: &str,
        mut is_shown: bool,
    ) -> Result<(), TerminalError> {
        let mut prompts = taken.prompts.iter().peekable();
        let mut said = taken.said.iter().peekable();
        let mut prompt = first.to_owned();
        let mut text = String::new();
        for (index, line) in lines.iter().enumerate().take(taken.taken) {
            if !is_shown {
                text.push_str(&prompt);
                text.push_str(&line.text);
                text.push('\n');
            }
            is_shown = false;
            self.remember(&line.text, true)?;
            let width = prompt.chars().count();
            while let Some(said) = said.next_if(|said| said.line <= index) {
                show(&std::mem::take(&mut text))?;
                self.show(&configure::below_prompt(said, width))?;
            }
            while let Some(next) = prompts.next_if(|next| next.line <= index) {
                prompt = prompt_of(next);
            }
        }
        Ok(show(&text)?)
    }

    /// Asks whether something is to be done, as a router does: Enter or `y` says so, any other key does not. What has come at once
    /// answers it as if it came now.
    pub(super) fn confirms(&mut self, question: &str) -> io::Result<bool> {
        let Some(next) = self.pasted.front_mut() else {
            return self.is_confirmed(question);
        };
        show(question)?;
        let confirmed = if next.text.is_empty() {
            self.pasted.pop_front();
            true
        } else {
            next.text.remove(0).eq_ignore_ascii_case(&'y')
        };
        show("\n")?;
        Ok(confirmed)
    }

    /// The same of the next key, which the editor may have read already.
    fn is_confirmed(&mut self, question: &str) -> io::Result<bool> {
        if has_no_editor() {
            let confirmed = pager::confirms(question);
            show("\n")?;
            return confirmed;
        }
        {
            let mut wish = locked(&self.wish);
            wish.burst.begin(false);
            wish.asks = true;
        }
        let answer = self.editor.readline(question);
        let wish = locked(&self.wish).take();
        // What ends the terminal is found out by the next line.
        Ok(answer.is_ok() && wish.confirmed)
    }
}

fn prompt_of(next: &Prompt) -> String {
    prompt(&next.hostname, next.in_brackets())
}

/// Shows what is no output, which has no pages.
fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
