//! A session's head, cut down.

use carry_sessions::archive::SessionRow;
use carry_sessions::curation::Pin;
use carry_sessions::git_links::GitLink;
use carry_sessions::model::NativeId;

use super::{storable, whole};
use crate::share::Mode;
use crate::unit::SessionHead;

/// Takes out what the mode does not let through, and what is only good on the device.
pub(super) fn cut(head: &mut SessionHead) {
    let session = &mut head.session;
    (session.n, session.digest, session.revision) = (0, [0; 32], 0);
    (session.path, session.missing, session.resume) = (None, None, None);
    if head.mode < Mode::Full {
        // What the agent wrote about a commit.
        head.links.iter_mut().for_each(|link| link.subject = None);
    }
    if head.mode < Mode::Prompts {
        (session.cwd, session.name, session.first_prompt) = (None, None, None);
        session.is_renamed = false;
        session.labels.clear();
        head.pins.clear();
    }
    if head.mode < Mode::Metadata {
        // Nobody asks for this: single sessions are not shared. Should it happen, there is nothing to see.
        for text in [&mut session.native.0, &mut session.project, &mut session.project_key] {
            text.clear();
        }
        (session.parent, session.branch, session.model) = (None, None, None);
        (session.entrypoint, session.kind, session.version) = (None, None, None);
        head.links.clear();
    }
}

/// Brings all else into the form in which every store can hold it.
pub(super) fn tidy(head: &mut SessionHead) {
    let session = &mut head.session;
    (session.started, session.ended) = (storable(session.started), storable(session.ended));
    for number in [
        &mut session.input_tokens,
        &mut session.output_tokens,
        &mut session.cache_read_tokens,
        &mut session.cache_write_tokens,
        &mut session.peak_context,
        &mut session.cost_micros,
    ] {
        *number = number.map(whole);
    }
    // Two may have become one when they were masked.
    session.labels.sort_unstable();
    session.labels.dedup();
    head.links.iter_mut().for_each(|link| link.number = link.number.map(whole));
}

/// Hands out every text of a head. Names every field, so that none that is new is forgotten here.
pub(super) fn texts(head: &mut SessionHead, each: &mut dyn FnMut(&mut String)) {
    let SessionHead { mode: _, session, pins, links, masked: _ } = head;
    self::session(session, each);
    for Pin { message, note, at: _ } in pins {
        each(message);
        each(note);
    }
    for link in links {
        let GitLink {
            kind: _,
            target,
            evidence: _,
            repo,
            number: _,
            branch,
            subject,
            full_sha,
            supersedes,
            superseded_by,
            ordinal: _,
            index: _,
        } = link;
        each(target);
        [repo, branch, subject, full_sha, supersedes, superseded_by].into_iter().flatten().for_each(each_of(each));
    }
}

fn session(session: &mut SessionRow, each: &mut dyn FnMut(&mut String)) {
    let SessionRow {
        n: _,
        id: _,
        origin,
        agent: _,
        native: NativeId(native),
        parent,
        project,
        project_key,
        cwd,
        branch,
        name,
        is_renamed: _,
        first_prompt,
        entrypoint,
        kind,
        version,
        resume,
        termination: _,
        is_automated: _,
        started: _,
        ended: _,
        messages: _,
        user_messages: _,
        abandoned: _,
        calls: _,
        failures: _,
        model,
        input_tokens: _,
        output_tokens: _,
        cache_read_tokens: _,
        cache_write_tokens: _,
        peak_context: _,
        cost_micros: _,
        malformed: _,
        digest: _,
        revision: _,
        // Never sent.
        path: _,
        missing: _,
        is_starred: _,
        is_trashed: _,
        labels,
    } = session;
    [origin, native, project, project_key].into_iter().for_each(each_of(each));
    if let Some((NativeId(parent), _)) = parent {
        each(parent);
    }
    let options = [cwd, branch, name, first_prompt, entrypoint, kind, version, resume, model];
    options.into_iter().flatten().for_each(each_of(each));
    labels.iter_mut().for_each(each_of(each));
}

fn each_of<'t>(each: &mut dyn FnMut(&mut String)) -> impl FnMut(&'t mut String) {
    move |text| each(text)
}
