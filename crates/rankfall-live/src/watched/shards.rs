//! Shards of one run or sweep, and what they come to together.

use super::experiments::{Experiments, Reader, Ready};
use super::folder::{Found, PartOf, current, empty};
use super::series::of_dynamics;
use super::sweeps::Swept;
use crate::protocol::{WatchedDynamics, WatchedFolder};
use rankfall::Failure;
use rankfall::checkpoint::{self, RunCheckpoint};
use rankfall::difference::same_but_for_places;
use rankfall::run_folder::SHARD;
use rankfall_core::ensemble::statistics::Statistics;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Shards that are named as missing, at most.
const MOST_NAMED: usize = 8;

/// One shard, and where it is.
pub struct Member {
    /// Among all folders.
    place: usize,
    path: PathBuf,
    part: PartOf,
    found: Found,
}

/// Shards of one division of one experiment.
pub struct Whole {
    members: Vec<Member>,
    found: Found,
}

/// Shards that belong together, each group in its order.
pub fn grouped(found: impl Iterator<Item = (usize, PathBuf, Found)>) -> Vec<Vec<Member>> {
    let mut groups: Vec<Vec<Member>> = Vec::new();
    for (place, path, found) in found {
        let Some(part) = found.part.clone() else {
            continue;
        };
        let belongs = |group: &&mut Vec<Member>| {
            let first = &group[0].part;
            first.shard.count == part.shard.count
                && same_but_for_places(&first.experiment, &part.experiment)
        };
        let home = groups.iter_mut().find(belongs);
        let member = Member {
            place,
            path,
            part,
            found,
        };
        match home {
            Some(group) => group.push(member),
            None => groups.push(vec![member]),
        }
    }
    for group in &mut groups {
        group.sort_by_key(|member| member.part.shard.index);
    }
    groups
}

impl Whole {
    /// What these shards come to; read anew where one of them is other than `before`.
    pub fn of(members: Vec<Member>, before: &[Whole], experiments: &mut Experiments) -> Self {
        let stamps = stamps(&members);
        let known = before
            .iter()
            .find(|whole| self::stamps(&whole.members) == stamps);
        let read = match known {
            Some(whole) => Ok((
                whole.found.picture.dynamics.clone(),
                whole.found.swept.clone(),
            )),
            None => together(&members, experiments),
        };
        let mut found = Found::of(picture(&members));
        match read {
            Ok((dynamics, swept)) => {
                found.picture.dynamics = dynamics;
                found.swept = swept;
            }
            Err(failure) => found.picture.trouble = Some(failure.message),
        }
        Self { members, found }
    }

    /// The place of the first of its shards among all folders.
    pub fn place(&self) -> usize {
        let places = self.members.iter().map(|member| member.place);
        places.min().unwrap_or(0)
    }

    /// The whole, and then its shards.
    pub fn found(&self) -> impl Iterator<Item = &Found> {
        let shards = self.members.iter().map(|member| &member.found);
        std::iter::once(&self.found).chain(shards)
    }
}

/// Which folders there are, and how old each is.
fn stamps(members: &[Member]) -> Vec<(&Path, Option<SystemTime>)> {
    let members = members.iter();
    members
        .map(|member| (member.path.as_path(), member.found.changed))
        .collect()
}

/// How far all shards are together.
fn picture(members: &[Member]) -> WatchedFolder {
    let count = members[0].part.shard.count;
    let pictures = || members.iter().map(|member| &member.found.picture);
    let all = |state: &str| pictures().all(|picture| picture.state == state);
    let lacking = missing(members);
    let state = match () {
        () if pictures().any(|picture| picture.state == "running") => "running",
        () if all("finished") && lacking.is_empty() => "finished",
        () if all("finished") => "waiting",
        () => "stopped",
    };
    let left = pictures().map(|picture| picture.seconds_left);
    // They run side by side: the slowest decides.
    let left = left.collect::<Option<Vec<f64>>>();
    let note = match &lacking[..] {
        [] => format!("all {count} shards"),
        names => format!(
            "{} of {count} shards; missing: {}",
            members.len(),
            names.join(", ")
        ),
    };
    let folders: Vec<String> = pictures().map(|picture| picture.folder.clone()).collect();
    let together = match &folders[..] {
        [one] => format!("{one}, together"),
        [first, .., last] => format!("{first} … {last}, together"),
        [] => String::new(),
    };
    WatchedFolder {
        folder: together,
        name: pictures()
            .next()
            .map_or(String::new(), |first| first.name.clone()),
        note: Some(note),
        counts: pictures()
            .next()
            .map_or(String::new(), |first| first.counts.clone()),
        done: pictures().map(|picture| picture.done).sum::<f64>() / count.max(1) as f64,
        seconds_left: left
            .filter(|_| lacking.is_empty())
            .map(|all| all.into_iter().fold(0.0, f64::max)),
        ..empty(Path::new(""), state, None)
    }
}

/// The numbers of the shards that are not there.
fn missing(members: &[Member]) -> Vec<String> {
    let there = |index: &u64| members.iter().any(|m| m.part.shard.index == *index);
    let count = members[0].part.shard.count;
    let mut names: Vec<String> = (1..=count)
        .filter(|index| !there(index))
        .take(MOST_NAMED + 1)
        .map(|index| index.to_string())
        .collect();
    if names.len() > MOST_NAMED {
        names[MOST_NAMED] = "…".to_owned();
    }
    names
}

type Together = (Vec<WatchedDynamics>, Option<Swept>);

fn together(members: &[Member], experiments: &mut Experiments) -> Result<Together, Failure> {
    if let Some(twice) = members
        .windows(2)
        .find(|pair| pair[0].part.shard == pair[1].part.shard)
    {
        let shown = twice.iter().map(|member| member.path.display().to_string());
        let both: Vec<String> = shown.collect();
        let (which, both) = (twice[0].part.shard, both.join(" and "));
        return Err(Failure::input(format!(
            "shard {which} is there twice: {both}"
        )));
    }
    let swept = members.iter().filter_map(|m| m.found.swept.as_ref());
    if let Some(swept) = Swept::together(swept) {
        let nothing = empty(Path::new(""), "", None);
        return Ok((swept.picture(nothing, None).dynamics, Some(swept)));
    }
    let first = &members[0];
    let Ready::Run(reader) = experiments.ready(&first.part.experiment, &first.path)? else {
        return Err(Failure::input("the shards are none of a run"));
    };
    let labels = reader.labels();
    let of = |index| of_dynamics_together(members, reader.as_ref(), index);
    let dynamics = (0..labels.len()).map(of).collect::<Result<Vec<_>, _>>()?;
    Ok((dynamics.into_iter().flatten().collect(), None))
}

/// One dynamics on the trajectories that all shards have finished; none where there are none.
fn of_dynamics_together(
    members: &[Member],
    reader: &dyn Reader,
    index: usize,
) -> Result<Option<WatchedDynamics>, Failure> {
    let of_shard = |member: &Member| {
        let dynamics = member.found.picture.dynamics.get(index);
        dynamics.map_or(0, |one| one.done)
    };
    let done = members.iter().map(of_shard).sum();
    if done == 0 {
        return Ok(None);
    }
    let mut parts = members
        .iter()
        .filter_map(|member| measured(member, reader, index).transpose());
    let made = reader.results(index, &mut parts)?;
    Ok(Some(WatchedDynamics {
        done,
        of: reader.trajectories(index, None),
        ..of_dynamics(&made.summary()?, &made.series)
    }))
}

/// What a shard has measured of a dynamics so far.
fn measured(
    member: &Member,
    reader: &dyn Reader,
    index: usize,
) -> Result<Option<Statistics>, Failure> {
    let path = &member.path;
    if path.join(SHARD).exists() {
        return reader.kept(path, index).map(Some);
    }
    let progress = checkpoint::seen::<RunCheckpoint>(path)?.content;
    match (index as u64).cmp(&progress.finished) {
        std::cmp::Ordering::Less => reader.kept(path, index).map(Some),
        std::cmp::Ordering::Equal => Ok(current(&progress).map(|(statistics, _)| statistics)),
        std::cmp::Ordering::Greater => Ok(None),
    }
}
