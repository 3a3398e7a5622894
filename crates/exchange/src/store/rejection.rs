//! Why a file at a remote is not used.

use carry_kernel::db::rusqlite::types::Type;
use carry_kernel::db::rusqlite::{self, Row};

/// Characters of the words that are kept.
const WORDS_KEPT: usize = 400;

/// Why a file at a remote is not used, as it was found when it was looked at last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It is not there.
    Absent,
    /// It is not what its name says, or cannot be read; says how. A copy may be good, and so may the file be later.
    Damaged(String),
    /// It is as its author made it, and cannot be used; says why. No copy will be better.
    Wrong(String),
    /// The same of a segment whose header is larger than any may be. It was read to its end and is the one that was named, which
    /// may be a gigabyte: that is so of every copy, whatever becomes of the file.
    WrongHeader(String),
    /// Only a later version of the program can read it. No copy will be better.
    Later,
    /// Its log goes on in more ways than are followed.
    TooManyWays,
    /// What logs that are not approved bring unpacks to as much as it may, all together.
    UnpackedTooMuch,
    /// It is a head, and there is no room for its log.
    NoRoom,
    /// It is a head, and where it belongs cannot be told yet; says what is known of its log. When that changes, it is looked at
    /// again.
    Unclear(String),
    /// It is a head that was judged, and more heads of its log are newer than are remembered; says which version of the program judged
    /// it, as another one may judge otherwise.
    Older(String),
}

impl Rejection {
    /// Of a file whose bytes are not those that its name is made of.
    pub(crate) fn not_as_named() -> Self {
        Self::Damaged("it is not what its name says".to_owned())
    }

    /// Whether it is so of every copy.
    pub fn is_of_every_copy(&self) -> bool {
        match self {
            Self::Wrong(_) | Self::WrongHeader(_) | Self::Later => true,
            Self::Absent
            | Self::Damaged(_)
            | Self::TooManyWays
            | Self::UnpackedTooMuch
            | Self::NoRoom
            | Self::Unclear(_)
            | Self::Older(_) => false,
        }
    }

    /// As two columns of a row: its kind, and what it says besides.
    pub(super) fn as_row(&self) -> (&'static str, String) {
        let (kind, words) = match self {
            Self::Absent => ("absent", ""),
            Self::Damaged(how) => ("damaged", how.as_str()),
            Self::Wrong(why) => ("wrong", why.as_str()),
            Self::WrongHeader(why) => ("wrong_header", why.as_str()),
            Self::Later => ("later", ""),
            Self::TooManyWays => ("ways", ""),
            Self::UnpackedTooMuch => ("unpacked", ""),
            Self::NoRoom => ("no_room", ""),
            Self::Unclear(known) => ("unclear", known.as_str()),
            Self::Older(version) => ("older", version.as_str()),
        };
        (kind, words.chars().take(WORDS_KEPT).collect())
    }

    /// What two columns of a row say, from `at` on.
    pub(super) fn of_row(row: &Row<'_>, at: usize) -> rusqlite::Result<Self> {
        let words: String = row.get(at + 1)?;
        Ok(match row.get_ref(at)?.as_str()? {
            "absent" => Self::Absent,
            "damaged" => Self::Damaged(words),
            "wrong" => Self::Wrong(words),
            "wrong_header" => Self::WrongHeader(words),
            "later" => Self::Later,
            "ways" => Self::TooManyWays,
            "unpacked" => Self::UnpackedTooMuch,
            "no_room" => Self::NoRoom,
            "unclear" => Self::Unclear(words),
            "older" => Self::Older(words),
            _ => return Err(rusqlite::Error::FromSqlConversionFailure(at, Type::Text, "it is none of ours".into())),
        })
    }
}
