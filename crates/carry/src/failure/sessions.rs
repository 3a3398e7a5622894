//! Failures of the session archive.

use carry_kernel::db::DbError;
use carry_kernel::db::rusqlite::ErrorCode;
use carry_sessions::archive::{ArchiveError, FindError, PREFIX_MIN};
use carry_sessions::mask::MaskError;
use carry_sessions::search::SearchError;
use carry_timeline::TimelineError;

use super::{Failure, Kind};

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        let hint = match error {
            ArchiveError::Db(error) => {
                let is_foreign = match &error {
                    DbError::Foreign { .. } => true,
                    DbError::Sqlite { source, .. } => source.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt),
                    _ => false,
                };
                let mut failure = Self::from(error);
                if is_foreign {
                    // What is said of the registry does not fit here.
                    failure.hints = vec![
                        "Move the file away, but keep it, and run `carry sessions index`: what agents still have is archived anew. Stars, labels, names, pins and sessions that are only here stay behind in the old file."
                            .to_owned(),
                    ];
                }
                return failure;
            }
            ArchiveError::Disk(error) => return error.into(),
            ArchiveError::Out { source } => return source.into(),
            ArchiveError::Refused(_) => "Say it in fewer words.",
            ArchiveError::Damaged { .. } => "`carry sessions verify` says what is damaged.",
        };
        Self::new(Kind::Failed, error).hint(hint)
    }
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        match &error {
            FindError::Archive(_) => match error {
                FindError::Archive(error) => error.into(),
                other => Self::new(Kind::Failed, other),
            },
            FindError::None { spec } => {
                let hint = match spec.len() < PREFIX_MIN {
                    true => format!("The beginning of an id needs {PREFIX_MIN} characters or more."),
                    false => "`carry sessions list --all` lists every session with its id.".to_owned(),
                };
                Self::new(Kind::Failed, error).hint(hint)
            }
            FindError::Ambiguous { ids, .. } => {
                let ids: Vec<String> = ids.iter().map(|(ours, agents)| format!("{ours} ({agents})")).collect();
                Self::new(Kind::Failed, error).hint(format!("Give more of the id: {}.", ids.join(", ")))
            }
        }
    }
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Archive(error) => error.into(),
            error @ SearchError::Query { .. } => {
                Self::new(Kind::Usage, error).hint("--substring searches for a text as it stands.")
            }
        }
    }
}

impl From<MaskError> for Failure {
    fn from(error: MaskError) -> Self {
        let hint = match &error {
            MaskError::Key(_) => {
                "Bring the key's file back from a backup. Moving it away gives every secret another placeholder from now on."
            }
            MaskError::Allow { .. } => {
                "`carry config set sessions.allow '[]'` empties the list; `carry config edit` opens the file."
            }
        };
        Self::new(Kind::Failed, error).hint(hint)
    }
}

impl From<TimelineError> for Failure {
    fn from(error: TimelineError) -> Self {
        let hint = match error {
            TimelineError::Archive(error) => return error.into(),
            TimelineError::NoTurn { .. } => "`carry sessions diff ID --turns` lists the turns.",
            TimelineError::NotRegistered { .. } => "`carry up` there captures it from now on.",
            TimelineError::NoSnapshots { .. } => "Changes are known only from when the repository was captured on.",
            _ => return Self::new(Kind::Failed, error),
        };
        Self::new(Kind::Failed, error).hint(hint)
    }
}
