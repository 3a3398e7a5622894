//! Which links there are, and what their workers do.

use std::collections::BTreeMap;
use std::path::Path;

use carry_code::registry::Consent;
use carry_code::remote::{Reach, Remote};
use carry_kernel::clock::Timestamp;
use carry_kernel::id::TreeId;
use carry_kernel::worker::Input;

use super::chores::Daemon;
use super::exchange::{Done, Exchange, Outcome};
use super::link::{Found, Link, LinkId, Member, Role};
use super::slot::Key;

/// What a repository's links should be: by URL, who uses it.
type Wanted = BTreeMap<String, (Remote, BTreeMap<TreeId, Member>)>;

impl Daemon<'_> {
    /// What decides where a tree's lines go may have changed: looks for its remotes, off the loop.
    pub(super) fn look_for_remotes(&mut self, id: &TreeId) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        // Whether it counts at all may be what changed.
        self.unarranged.insert(job.tree.common_dir.clone());
        if job.is_looked_for {
            job.may_have_others = true;
        } else if !job.is_left_alone() {
            (job.is_looked_for, job.may_have_others) = (true, false);
            self.finder.look(job.tree.clone());
        }
    }

    /// A tree's remotes were looked for.
    pub(super) fn found_remotes(&mut self, id: &TreeId, found: Result<Found, String>) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        job.is_looked_for = false;
        match found {
            Ok(found) => job.found = Some(found),
            // Its captures fail for the same reason, and say so.
            Err(error) => tracing::debug!(tree = %id, "its remotes cannot be looked up: {error}"),
        }
        self.unarranged.insert(job.tree.common_dir.clone());
        if std::mem::take(&mut job.may_have_others) {
            self.look_for_remotes(id);
        }
    }

    /// Brings the links of those repositories up to date for which something changed.
    pub(super) fn arrange_links(&mut self) {
        if self.is_stopping() {
            return;
        }
        for common_dir in std::mem::take(&mut self.unarranged) {
            self.arrange(&common_dir);
        }
        let all_found = self.jobs.values().all(|job| job.found.is_some() || job.is_left_alone());
        if all_found && !std::mem::replace(&mut self.are_links_known, true) {
            self.sweep_board();
        }
    }

    fn arrange(&mut self, common_dir: &Path) {
        let mut wanted = Wanted::new();
        for job in self.jobs.values().filter(|job| job.tree.common_dir == common_dir && !job.is_left_alone()) {
            let Some(Found { remotes, settings }) = &job.found else { continue };
            if !settings.publish && !settings.radar {
                continue;
            }
            for remote in remotes {
                let (_, members) = wanted.entry(remote.key()).or_insert_with(|| (remote.clone(), BTreeMap::new()));
                let member = Member { tree: job.tree.clone(), settings: settings.clone() };
                members.insert(job.tree.id.clone(), member);
            }
        }
        let gone: Vec<LinkId> = self
            .links
            .keys()
            .filter(|id| id.common_dir == common_dir && !wanted.contains_key(&id.url))
            .cloned()
            .collect();
        for id in gone {
            self.leave_link(&id);
        }
        for (url, (remote, members)) in wanted {
            self.take_up_link(LinkId { common_dir: common_dir.to_owned(), url }, remote, members);
        }
    }

    fn take_up_link(&mut self, id: LinkId, remote: Remote, members: BTreeMap<TreeId, Member>) {
        match self.links.get_mut(&id) {
            // It is taken up anew when the old one has gone.
            Some(link) if link.is_leaving => return,
            Some(link) if link.remote != remote => return self.leave_link(&id),
            Some(link) => {
                if link.members != members {
                    link.members = members;
                    for role in Role::ALL {
                        if let Some(link) = self.links.get(&id) {
                            let settings = link.settings(role, &self.tuning);
                            self.drive(&Key::Link(id.clone(), role), Input::Reconfigure(Box::new(settings)));
                        }
                    }
                }
            }
            None => {
                tracing::info!(remote = remote.shown_name(), repository = %id.common_dir.display(), "a remote is taken up");
                let gates = self.gates_for(remote.reach).to_vec();
                self.links.insert(id.clone(), Link::new(&id, remote, members, &self.tuning));
                for role in Role::ALL {
                    self.drive(&Key::Link(id.clone(), role), Input::Gates(gates.clone()));
                }
            }
        }
        for role in Role::ALL {
            let input = self.why_off(&id, role).map_or(Input::Enable, Input::Disable);
            self.feed_link(&id, role, input);
        }
        self.start_link(&id);
    }

    /// Why the work of a role is switched off, if it is.
    fn why_off(&mut self, id: &LinkId, role: Role) -> Option<String> {
        let link = self.links.get(id)?;
        if !link.is_on(role) {
            let setting = match role {
                Role::Push => "code.publish",
                Role::Radar => "daemon.sync_enabled",
            };
            return Some(format!("It is switched off by `{setting}`."));
        }
        if role == Role::Radar {
            return None;
        }
        match self.registry.link(&id.common_dir, &link.remote.shown_name(), &id.url).map(|link| link.consent) {
            Ok(Some(Consent::Agreed)) => None,
            Ok(Some(Consent::Declined)) => Some("You did not agree to publish there.".to_owned()),
            Ok(None) => Some("Nobody agreed to publish there yet: `carry publish`.".to_owned()),
            Err(error) => {
                self.complain("the consent to publish cannot be read", &error);
                Some("Whether you agreed to publish there cannot be read.".to_owned())
            }
        }
    }

    /// Starts a link's workers, unless they were. Those that go over the network wait until it is known what that costs.
    fn start_link(&mut self, id: &LinkId) {
        let Some(link) = self.links.get_mut(id).filter(|link| !link.is_leaving) else { return };
        if link.remote.reach == Reach::Network && !self.metered.is_known() {
            return self.measure_metered();
        }
        for role in Role::ALL {
            let Some(link) = self.links.get_mut(id) else { return };
            if !std::mem::replace(&mut link.slot(role).has_started, true) {
                self.feed_link(id, role, Input::Start);
            }
        }
    }

    /// What the network costs is known now, perhaps for the first time.
    pub(super) fn start_links(&mut self) {
        let ids: Vec<LinkId> = self.links.keys().cloned().collect();
        for id in ids {
            self.start_link(&id);
        }
    }

    /// Nobody uses a link any more.
    fn leave_link(&mut self, id: &LinkId) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.is_leaving = true;
        for role in Role::ALL {
            self.drive(&Key::Link(id.clone(), role), Input::Stop);
        }
    }

    /// Drops a link that left once nothing of it is at work.
    pub(super) fn drop_link_if_left(&mut self, id: &LinkId) {
        let is_done = |link: &Link| link.is_leaving && link.slots().iter().all(|slot| slot.has_ended());
        if !self.links.get(id).is_some_and(is_done) {
            return;
        }
        let Some(link) = self.links.remove(id) else { return };
        for slot in link.slots() {
            // A remote that has another URL now has the same row.
            if !self.links.values().flat_map(Link::slots).any(|other| other.row == slot.row) {
                self.remove_row(&slot.row);
            }
        }
        // It may be wanted again by now.
        self.unarranged.insert(id.common_dir.clone());
    }

    /// Tells a link's worker something, with the gates as they are if it may start work because of it.
    pub(super) fn feed_link(&mut self, id: &LinkId, role: Role, input: Input) {
        if matches!(input, Input::Dirty | Input::Tick | Input::Start | Input::Enable) {
            self.measure_gates();
        }
        self.drive(&Key::Link(id.clone(), role), input);
    }

    /// A tree has a new snapshot: it is to be pushed.
    pub(super) fn has_new_snapshot(&mut self, tree: &TreeId) {
        let uses = |link: &Link| link.trees(Role::Push).any(|member| member.id == *tree);
        let ids: Vec<LinkId> = self.links.iter().filter(|(_, link)| uses(link)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.feed_link(&id, Role::Push, Input::Dirty);
        }
        self.work_changed(true);
    }

    /// Calls the workers of links whose time has come.
    pub(super) fn tick_links(&mut self, now: Timestamp) {
        for role in Role::ALL {
            let is_due = |link: &mut Link| link.slot(role).wake.take_if(|at| *at <= now).is_some();
            let due: Vec<LinkId> =
                self.links.iter_mut().filter_map(|(id, link)| is_due(link).then(|| id.clone())).collect();
            for id in due {
                self.feed_link(&id, role, Input::Tick);
            }
        }
    }

    /// Begins a cycle, or lets it wait until the link's other worker is done: a remote is asked one thing at a time.
    pub(super) fn run_exchange(&mut self, id: &LinkId, role: Role, now: Timestamp) {
        let Some(link) = self.links.get_mut(id) else { return };
        if link.slot(role.other()).running.is_some() {
            link.slot(role).waits = true;
            return;
        }
        let (remote, trees) = (link.remote.clone(), link.trees(role).cloned().collect());
        let slot = link.slot(role);
        let Some(held) = slot.held.clone() else { return };
        let cancel = slot.begin(now);
        tracing::debug!(worker = slot.row, "an exchange begins");
        self.network.give(Exchange { link: id.clone(), role, remote, trees, cancel, held });
    }

    /// An exchange ended.
    pub(super) fn exchanged(&mut self, id: &LinkId, role: Role, outcome: Outcome) {
        let now = self.now();
        let Some(link) = self.links.get_mut(id) else { return };
        let slot = link.slot(role);
        slot.running = None;
        let row = slot.row.clone();
        let mut found = Done::default();
        let input = outcome.settle(&row, |done| {
            found = done;
            Input::Succeeded
        });
        let members: Vec<TreeId> = link.members.keys().cloned().collect();
        let next = std::mem::take(&mut link.slot(role.other()).waits);
        if next {
            self.run_exchange(id, role.other(), now);
        }
        self.drive(&Key::Link(id.clone(), role), input);
        if found.push_again {
            self.feed_link(id, Role::Push, Input::Dirty);
        }
        if found.is_stale {
            members.iter().for_each(|tree| self.look_for_remotes(tree));
        }
        self.notice_identity();
    }
}
