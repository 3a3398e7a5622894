//! Totals.

use carry_kernel::clock::Timestamp;
use carry_team::reader::{Filter, Reader as _};

use super::rig::{Rig, any};

fn rig() -> Rig {
    let rig = Rig::new();
    rig.owner("eli", "Eli", "desk");
    for (owner, project, label) in [(1, "orchard", "laptop"), (2, "cellar", "desk")] {
        let unit = rig.sql(&format!(
            "INSERT INTO units (owner, key, kind, origin, mode, mask)
             VALUES ({owner}, 't{project}', 'totals', 'origin-{label}', 'aggregates', '1') RETURNING n"
        ));
        rig.sql(&format!(
            "INSERT INTO projects VALUES ({unit}, {owner}, 'github.com/acme/{project}', '{project}');
             INSERT INTO totals SELECT {unit}, {owner}, n, day, agent, 'm', n, 1, 1, 1, 0, 10, 20, 0, 0, -5
                FROM (VALUES (1, '2026-11-18', 'claude'), (2, '2026-11-20', 'claude'), (3, '', 'codex')) AS t(n, day, agent)"
        ));
    }
    rig
}

fn seen(rig: &Rig, filter: &Filter) -> Vec<(String, Vec<u64>)> {
    let found = rig.reader().totals(filter).expect("an answer");
    assert_eq!((found.more, found.notes.len()), (0, 0));
    let sessions =
        |shared: &carry_team::reader::SharedTotals| shared.totals.days.iter().map(|day| day.sessions).collect();
    found.items.iter().map(|shared| (shared.totals.project.clone(), sessions(shared))).collect()
}

fn of(project: &str, sessions: &[u64]) -> (String, Vec<u64>) {
    (project.to_owned(), sessions.to_vec())
}

fn at(day: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = format!("{day}T00:00:00Z").parse().expect("a time");
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[test]
fn totals_are_read_by_person_project_agent_and_day() {
    let rig = rig();
    let all = [of("orchard", &[3, 1, 2]), of("cellar", &[3, 1, 2])];
    assert_eq!(seen(&rig, &any()), all);
    assert_eq!(seen(&rig, &Filter { person: Some("dana".into()), ..any() }), all[..1]);
    assert_eq!(seen(&rig, &Filter { project: Some("CELLAR".into()), ..any() }), all[1..]);
    assert_eq!(
        seen(&rig, &Filter { agent: Some("codex".into()), person: Some("eli".into()), ..any() }),
        [of("cellar", &[3])]
    );
    assert_eq!(
        seen(&rig, &Filter { since: at("2026-11-19"), person: Some("eli".into()), ..any() }),
        [of("cellar", &[2])]
    );
    assert_eq!(
        seen(&rig, &Filter { until: at("2026-11-20"), person: Some("eli".into()), ..any() }),
        [of("cellar", &[1])]
    );
    assert_eq!(seen(&rig, &Filter { since: at("2027-01-01"), ..any() }), []);
    // Commits are not in sums.
    assert_eq!(seen(&rig, &Filter { commit: Some("0123456".into()), ..any() }), []);
}

#[test]
fn what_cannot_be_counted_is_nothing() {
    let rig = rig();
    let found = rig.reader().totals(&Filter { limit: 1, ..any() }).expect("an answer");
    assert_eq!((found.items.len(), found.more), (1, 1));
    assert_eq!((found.items[0].device.as_str(), found.items[0].totals.days[0].cost_micros), ("laptop", 0));
}
