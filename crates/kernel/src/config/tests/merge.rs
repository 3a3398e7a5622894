//! The merge against a model that is too simple to be wrong.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, Default)]
struct Layer {
    large_file: Option<u64>,
    quiet: Option<u64>,
    enabled: Option<bool>,
    ignore: Vec<String>,
}

impl Layer {
    fn to_toml(&self) -> String {
        let mut lines = Vec::new();
        lines.extend(self.large_file.map(|n| format!("limits.large_file = {n}")));
        lines.extend(self.quiet.map(|n| format!("code.quiet = {n}")));
        lines.extend(self.enabled.map(|b| format!("code.enabled = {b}")));
        if !self.ignore.is_empty() {
            lines.push(format!("files.ignore = {:?}", self.ignore));
        }
        lines.join("\n")
    }
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        pairs.extend(self.large_file.map(|n| ("limits.large_file", n.to_string())));
        pairs.extend(self.quiet.map(|n| ("code.quiet", n.to_string())));
        pairs.extend(self.enabled.map(|b| ("code.enabled", b.to_string())));
        if !self.ignore.is_empty() {
            pairs.push(("files.ignore", self.ignore.join(",")));
        }
        pairs
    }
}

fn layer() -> impl Strategy<Value = Layer> {
    let number = || prop::option::of(0..6u64);
    (number(), number(), any::<Option<bool>>(), prop::collection::vec("!?[a-d]", 0..4))
        .prop_map(|(large_file, quiet, enabled, ignore)| Layer { large_file, quiet, enabled, ignore })
}

fn load(user: &Layer, repository: Option<&Layer>, environment: &Layer, flags: &Layer) -> Config {
    let mut place = Place::new().user(&user.to_toml());
    if let Some(repository) = repository {
        place = place.repository(&repository.to_toml());
    }
    for (name, value) in environment.pairs() {
        place = place.env(&format!("CARRY_{}", name.replace('.', "_").to_uppercase()), &value);
    }
    for (name, value) in flags.pairs() {
        place = place.flag(name, &value);
    }
    place.load()
}

fn without_repeats<'a>(items: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for item in items {
        if !kept.contains(item) {
            kept.push(item.clone());
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_nearest_layer_wins_and_lists_append_in_order(user in layer(), environment in layer(), flags in layer()) {
        let config = load(&user, None, &environment, &flags);
        let nearest = |of: fn(&Layer) -> Option<u64>| of(&flags).or(of(&environment)).or(of(&user));
        prop_assert_eq!(config.size("limits.large_file"), Some(nearest(|l| l.large_file).unwrap_or(100 << 20)));
        prop_assert_eq!(config.duration("code.quiet"), Some(Duration::from_secs(nearest(|l| l.quiet).unwrap_or(2))));
        prop_assert_eq!(config.bool("code.enabled"), flags.enabled.or(environment.enabled).or(user.enabled).unwrap_or(true));
        let items = without_repeats(user.ignore.iter().chain(&environment.ignore).chain(&flags.ignore));
        prop_assert_eq!(config.list("files.ignore"), items);
        let origins = &config.get("files.ignore").unwrap().origins;
        prop_assert_eq!(origins.len(), config.list("files.ignore").len());
        prop_assert!(origins.is_sorted());
        prop_assert_eq!(config.warnings(), []);
    }

    #[test]
    fn a_repository_never_widens_and_never_beats_a_nearer_layer(
        user in layer(), repository in layer(), environment in layer(), flags in layer(),
    ) {
        let none = Layer::default();
        let (before, after) = (load(&user, None, &none, &none), load(&user, Some(&repository), &none, &none));
        prop_assert!(after.size("limits.large_file") <= before.size("limits.large_file"));
        prop_assert!(after.duration("code.quiet") >= before.duration("code.quiet"));
        prop_assert!(before.bool("code.enabled") || !after.bool("code.enabled"));
        let (items, longer) = (before.list("files.ignore"), after.list("files.ignore"));
        prop_assert!(longer.starts_with(items));
        prop_assert!(longer[items.len()..].iter().all(|item| !item.starts_with('!')));

        let (without, with) = (load(&user, None, &environment, &flags), load(&user, Some(&repository), &environment, &flags));
        for name in ["limits.large_file", "code.quiet", "code.enabled"] {
            if without.layer(name) > 2 {
                prop_assert_eq!(&with.get(name).unwrap().value, &without.get(name).unwrap().value);
            }
        }
    }
}
