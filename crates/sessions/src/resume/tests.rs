use super::*;
use crate::fixture;
use crate::model::NativeId;

fn command(session: &SessionRow) -> String {
    resume(session).map(|resume| resume.command.join(" ")).unwrap_or_default()
}

#[test]
fn each_agent_has_its_own_command() {
    let mut session = fixture::session();
    session.native = NativeId("abc".to_owned());
    let commands = Agent::ALL.map(|agent| {
        session.agent = agent;
        command(&session)
    });
    assert_eq!(
        commands,
        [
            "claude --resume abc",
            "codex resume abc",
            "gemini --resume abc",
            "copilot --resume abc",
            "opencode -s abc",
            "cursor-agent --resume abc",
            "amp threads continue abc",
        ]
    );
    session.agent = Agent::named("somebody-else");
    assert_eq!(resume(&session), None);
}

#[test]
fn the_agents_own_id_goes_before_ours_and_the_folder_is_the_sessions() {
    let mut session = fixture::session();
    session.resume = Some("its-own".to_owned());
    assert_eq!(command(&session), "claude --resume its-own");
    assert_eq!(resume(&session).unwrap().cwd, Some("/src/orchard".into()));
}

#[test]
fn subagents_and_ids_that_look_like_options_are_not_resumed() {
    let mut session = fixture::session();
    session.native = NativeId("--dangerously-skip-permissions".to_owned());
    assert_eq!(resume(&session), None);
    let mut session = fixture::session();
    session.parent = Some((NativeId("p".to_owned()), RelationKind::Subagent));
    assert_eq!(resume(&session), None);
}
