//! Values that are absent, not errors, when they are of another type than expected.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Text; empty when absent or of another type.
#[derive(Clone, Debug, Default)]
pub(in crate::source::claude) struct Text<'a>(pub(in crate::source::claude) Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Text<'_> {
    /// The text, unless it is empty.
    pub(in crate::source::claude) fn some(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(&*self.0)
    }
}

/// A truth; false when absent or of another type.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::source::claude) struct Flag(pub(in crate::source::claude) bool);

/// A number of tokens; `None` when absent or of another type.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::source::claude) struct Count(pub(in crate::source::claude) Option<u64>);

/// An object; `None` when absent or of another type.
#[derive(Debug)]
pub(in crate::source::claude) struct Object<T>(pub(in crate::source::claude) Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// What a message says.
#[derive(Debug, Default)]
pub(in crate::source::claude) enum Content<'a> {
    /// Nothing that is understood.
    #[default]
    None,
    /// Plain text.
    Text(Cow<'a, str>),
    /// Blocks.
    Blocks(Vec<super::Block<'a>>),
}

/// Ignores what the visitor has no use for.
macro_rules! otherwise {
    ($absent:expr; $($visit:ident $type:ty),*) => {
        $(fn $visit<E>(self, _value: $type) -> Result<Self::Value, E> {
            Ok($absent)
        })*
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($absent)
        }
    };
}

macro_rules! skip_seq {
    ($absent:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok($absent)
        }
    };
}

macro_rules! skip_map {
    ($absent:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($absent)
        }
    };
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_owned())))
            }

            otherwise!(Text::default(); visit_bool bool, visit_i64 i64, visit_u64 u64, visit_f64 f64);
            skip_seq!(Text::default());
            skip_map!(Text::default());
        }
        deserializer.deserialize_any(Seen)
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true or false")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }

            otherwise!(Flag(false); visit_str &str, visit_i64 i64, visit_u64 u64, visit_f64 f64);
            skip_seq!(Flag(false));
            skip_map!(Flag(false));
        }
        deserializer.deserialize_any(Seen)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_u64<E>(self, value: u64) -> Result<Count, E> {
                Ok(Count(i64::try_from(value).is_ok().then_some(value)))
            }

            otherwise!(Count(None); visit_str &str, visit_i64 i64, visit_bool bool, visit_f64 f64);
            skip_seq!(Count(None));
            skip_map!(Count(None));
        }
        deserializer.deserialize_any(Seen)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Seen<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(|value| Object(Some(value)))
            }

            otherwise!(Object(None); visit_str &str, visit_bool bool, visit_i64 i64, visit_u64 u64, visit_f64 f64);
            skip_seq!(Object(None));
        }
        deserializer.deserialize_any(Seen(std::marker::PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Content<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or blocks")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Content<'de>, E> {
                Ok(Content::Text(Cow::Borrowed(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Content<'de>, E> {
                Ok(Content::Text(Cow::Owned(value.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content<'de>, A::Error> {
                let mut blocks = Vec::new();
                while let Some(block) = seq.next_element::<Object<super::Block<'de>>>()? {
                    // One entry an element, so that places can be found again in the raw array.
                    blocks.push(block.0.unwrap_or_default());
                }
                Ok(Content::Blocks(blocks))
            }

            otherwise!(Content::None; visit_bool bool, visit_i64 i64, visit_u64 u64, visit_f64 f64);
            skip_map!(Content::None);
        }
        deserializer.deserialize_any(Seen)
    }
}
