//! What a key of an experiment file is: its name, the values it takes, its default, and the kinds
//! it applies to.

/// One key of a section.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What values it takes.
    pub takes: ValueType,
    /// The value that stands for a missing one, as TOML; empty where there is none.
    pub default: &'static str,
    /// What a missing value means where no one value says it.
    pub otherwise: &'static str,
    /// A value to show, as TOML; empty where the default is one.
    pub example: &'static str,
    /// Whether it must be there, in the kinds it applies to.
    pub required: bool,
    /// What it is about, in one line.
    pub about: &'static str,
    /// The kinds it applies to; empty for all.
    pub kinds: &'static [&'static str],
    /// Why it applies to no other kind; empty where there is nothing to say.
    pub why: &'static str,
    /// The engine that alone has what it asks for: `exact`, `dense`, or empty for both.
    pub engine: &'static str,
}

/// What values a key takes.
#[derive(Clone, Copy, Debug)]
pub enum ValueType {
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Whole(u64, u64),
    /// A finite number.
    Number(Bound),
    /// Text.
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// One of the kinds of its section.
    Kind,
    /// A list.
    List(&'static ValueType),
    /// A table.
    Table(&'static SectionKeys),
    /// A table with whatever keys.
    AnyTable,
    /// One of these.
    Either(&'static [ValueType]),
}

/// Which numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// All.
    Any,
    /// Above zero.
    Positive,
    /// Zero and above.
    NonNegative,
    /// Above zero and below one.
    Share,
}

/// One section of the file with its keys, and its kinds if it has a `kind`.
#[derive(Debug)]
pub struct SectionKeys {
    /// How messages name the place, e.g. `[run]`.
    pub place: &'static str,
    /// Its dotted path, as `--set` takes it, with 0 for positions; empty for the top level.
    pub path: &'static str,
    /// The values of its `kind` key; empty where it has none.
    pub kinds: &'static [&'static str],
    /// The keys.
    pub keys: &'static [Key],
}

/// A list of keys; in braces, so that each stays on the few lines it is written on.
macro_rules! keys {
    ($($key:expr),* $(,)?) => {
        &[$($key),*]
    };
}
pub(super) use keys;

/// A key of every kind, without a default.
pub(super) const fn key(name: &'static str, takes: ValueType, about: &'static str) -> Key {
    Key {
        name,
        takes,
        default: "",
        otherwise: "",
        example: "",
        required: false,
        about,
        kinds: &[],
        why: "",
        engine: "",
    }
}

impl Key {
    pub(super) const fn required(self, example: &'static str) -> Key {
        Key {
            required: true,
            example,
            ..self
        }
    }

    pub(super) const fn default(self, default: &'static str) -> Key {
        Key { default, ..self }
    }

    pub(super) const fn example(self, example: &'static str) -> Key {
        Key { example, ..self }
    }

    pub(super) const fn otherwise(self, otherwise: &'static str) -> Key {
        Key { otherwise, ..self }
    }

    /// Of some kinds, and why of no others.
    pub(super) const fn of(self, kinds: &'static [&'static str], why: &'static str) -> Key {
        Key { kinds, why, ..self }
    }

    pub(super) const fn exact(self) -> Key {
        Key {
            engine: "exact",
            ..self
        }
    }

    pub(super) const fn dense(self) -> Key {
        Key {
            engine: "dense",
            ..self
        }
    }

    /// A value to show: the example, else the default.
    pub fn shown(&self) -> &'static str {
        match self.example {
            "" => self.default,
            example => example,
        }
    }
}

impl ValueType {
    /// This, or the alternatives it is made of.
    pub fn alternatives(&self) -> &[ValueType] {
        match self {
            ValueType::Either(all) => all,
            one => std::slice::from_ref(one),
        }
    }

    /// The keys of the table it takes, if it takes one.
    pub fn table(&self) -> Option<&'static SectionKeys> {
        self.alternatives().iter().find_map(|one| match one {
            ValueType::Table(keys) => Some(*keys),
            _ => None,
        })
    }

    /// The texts it takes, if it takes some only.
    pub fn choices(&self) -> &'static [&'static str] {
        let choices = self.alternatives().iter().find_map(|one| match one {
            ValueType::Choice(texts) => Some(*texts),
            _ => None,
        });
        choices.unwrap_or_default()
    }

    /// Which numbers it takes.
    pub fn bound(&self) -> Bound {
        let bound = self.alternatives().iter().find_map(|one| match one {
            ValueType::Number(bound) => Some(*bound),
            _ => None,
        });
        bound.unwrap_or(Bound::Any)
    }

    /// What an item of the list it takes takes.
    pub fn item(&self) -> ValueType {
        let item = self.alternatives().iter().find_map(|one| match one {
            ValueType::List(item) => Some(**item),
            _ => None,
        });
        item.unwrap_or(*self)
    }
}

impl SectionKeys {
    /// The names of the keys.
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|k| k.name).collect()
    }

    /// The key of that name.
    pub fn find(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|k| k.name == name)
    }
}

/// The largest whole number that every double can hold exactly.
pub const LARGEST_EXACT: u64 = 1 << 53;
/// Most rows that are held in memory.
pub const MOST_ROWS: u64 = 1 << 32;

pub(super) const SIZES: ValueType = ValueType::List(&ValueType::Number(Bound::NonNegative));
