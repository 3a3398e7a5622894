//! Questions. None is asked without a terminal, and each has a flag that answers it.

use std::io::{self, IsTerminal as _};

use inquire::InquireError;
use inquire::ui::RenderConfig;

use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// Whether there is somebody to ask.
pub(crate) fn can_ask(shell: &Shell) -> bool {
    !shell.out.is_json() && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Fails with `hint` if a question can neither be asked nor was answered by `--yes`.
pub(crate) fn check(shell: &Shell, hint: &str) -> Result<(), Failure> {
    if shell.options.yes || can_ask(shell) {
        return Ok(());
    }
    Err(Failure::failed("this needs your consent, and there is no terminal to ask on").hint(hint))
}

/// What a command ends with whose question was answered with no.
pub(crate) fn cancelled() -> Failure {
    Failure::failed("cancelled; nothing was changed")
}

/// Asks for yes or no; `--yes` answers it. Without a terminal it fails with `hint`.
pub(crate) fn confirm(shell: &Shell, question: &str, hint: &str) -> Result<bool, Failure> {
    check(shell, hint)?;
    if shell.options.yes {
        return Ok(true);
    }
    let question = &text::line(question);
    shell.out.flush()?;
    answer(inquire::Confirm::new(question).with_default(false).with_render_config(render(shell)).prompt())
        .map(|yes| yes.unwrap_or(false))
}

/// Lets the user choose; `None` when they go away from the question. An interrupt ends the command.
pub(crate) fn choose<T: std::fmt::Display>(
    shell: &Shell,
    question: &str,
    choices: Vec<T>,
) -> Result<Option<T>, Failure> {
    shell.out.flush()?;
    answer(inquire::Select::new(question, choices).without_help_message().with_render_config(render(shell)).prompt())
}

/// Questions are as colourful as the rest of stderr.
fn render(shell: &Shell) -> RenderConfig<'static> {
    if shell.out.has_color_on_stderr() { RenderConfig::default_colored() } else { RenderConfig::empty() }
}

fn answer<T>(given: Result<T, InquireError>) -> Result<Option<T>, Failure> {
    match given {
        Ok(answer) => Ok(Some(answer)),
        Err(InquireError::OperationCanceled) => Ok(None),
        Err(InquireError::OperationInterrupted) => Err(Failure::interrupted("interrupted")),
        Err(error) => Err(Failure::from_error(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_at_a_question_is_one_and_no_failure() {
        let failure = answer::<bool>(Err(InquireError::OperationInterrupted)).expect_err("it ended");
        assert!(failure.is_interrupted());
        assert!(answer::<bool>(Err(InquireError::OperationCanceled)).expect("an answer").is_none());
    }
}
