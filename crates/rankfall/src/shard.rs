//! A share of the work, `--shard i/m`: what one of m processes, on any machines, is to do.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The `index`-th of `count` shards, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    /// Which one, from 1.
    pub index: u64,
    /// How many there are.
    pub count: u64,
}

/// Most shards: more files than that nobody could handle.
const MOST: u64 = 1_000_000;

impl Shard {
    /// Its part of so many things: a contiguous range, as long as any other's to within one. The
    /// ranges of all shards follow each other without gaps; they are empty where there are more
    /// shards than things.
    pub fn range(self, things: u64) -> Range<u64> {
        let cut = |index: u64| {
            let cut = u128::from(things) * u128::from(index) / u128::from(self.count);
            u64::try_from(cut).unwrap_or(things)
        };
        cut(self.index - 1)..cut(self.index)
    }

    /// Whether thing number `at`, from 0, is its own when things are dealt out like cards, so that
    /// every shard gets some of the dear ones and some of the cheap ones.
    pub fn is_dealt(self, at: u64) -> bool {
        at % self.count == self.index - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(i, m)| Some((i.trim().parse().ok()?, m.trim().parse().ok()?)));
        let Some((index, count)) = numbers else {
            return Err("write it as i/m, for instance 2/16".to_owned());
        };
        if count == 0 || count > MOST {
            return Err(format!("m is {count}, but must be from 1 to {MOST}"));
        }
        if index == 0 || index > count {
            return Err(format!("i is {index}, but must be from 1 to m = {count}"));
        }
        Ok(Shard { index, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_read_and_nonsense_is_refused() {
        assert_eq!(
            "2/16".parse(),
            Ok(Shard {
                index: 2,
                count: 16
            })
        );
        assert_eq!("2/16".parse::<Shard>().unwrap().to_string(), "2/16");
        for (text, why) in [
            ("0/3", "i is 0"),
            ("4/3", "i is 4"),
            ("1/0", "m is 0"),
            ("1/1000001", "m is 1000001"),
            ("1", "i/m"),
            ("-1/3", "i/m"),
            ("1/3/4", "i/m"),
            ("1/99999999999999999999", "i/m"),
            ("", "i/m"),
        ] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn ranges_follow_each_other_and_are_of_equal_length() {
        for things in [0, 1, 7, 16, 125_000_000, u64::MAX] {
            for count in [1, 3, 16, MOST] {
                let mut end = 0;
                for index in (1..=count).filter(|i| *i < 40 || *i > count - 3) {
                    let range = Shard { index, count }.range(things);
                    assert!(range.start == end || index > 39);
                    let length = range.end - range.start;
                    assert!(length == things / count || length == things / count + 1);
                    end = range.end;
                }
                assert_eq!(end, things);
            }
        }
    }

    #[test]
    fn every_thing_is_dealt_once() {
        for at in 0..100 {
            let owners = (1..=7).filter(|&index| Shard { index, count: 7 }.is_dealt(at));
            assert_eq!(owners.count(), 1);
        }
    }
}
