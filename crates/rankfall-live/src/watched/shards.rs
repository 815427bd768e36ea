//! Shards of one run or sweep, and what they come to together.

use super::experiments::{ExperimentCache, FolderExperiment, Reader};
use super::folder::{FolderContents, PartOf, current, empty};
use super::series::of_dynamics;
use super::sweeps::SweepPoints;
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
    found: FolderContents,
}

/// Shards of one division of one experiment.
pub struct ShardGroup {
    members: Vec<Member>,
    found: FolderContents,
}

impl Member {
    /// What was found in a folder, at its place among all; none where it is no shard.
    pub fn new(place: usize, path: PathBuf, found: FolderContents) -> Option<Self> {
        let part = found.part.clone()?;
        Some(Self {
            place,
            path,
            part,
            found,
        })
    }
}

/// Shards that belong together, each group in its order.
pub fn grouped(members: Vec<Member>) -> Vec<Vec<Member>> {
    let mut groups: Vec<Vec<Member>> = Vec::new();
    for member in members {
        let part = &member.part;
        let belongs = |group: &&mut Vec<Member>| {
            let first = &group[0].part;
            first.shard.count == part.shard.count
                && same_but_for_places(&first.experiment, &part.experiment)
        };
        match groups.iter_mut().find(belongs) {
            Some(group) => group.push(member),
            None => groups.push(vec![member]),
        }
    }
    for group in &mut groups {
        group.sort_by_key(|member| member.part.shard.index);
    }
    groups
}

impl ShardGroup {
    /// What these shards come to; read anew where one of them is other than `before`.
    pub fn of(
        members: Vec<Member>,
        before: &[ShardGroup],
        experiments: &mut ExperimentCache,
    ) -> Self {
        let stamps = stamps(&members);
        let known = before
            .iter()
            .find(|whole| self::stamps(&whole.members) == stamps);
        let mut found = FolderContents::of(picture(&members));
        let picture = &mut found.picture;
        match known {
            Some(ShardGroup { found: before, .. }) => {
                picture.dynamics.clone_from(&before.picture.dynamics);
                picture.trouble.clone_from(&before.picture.trouble);
                found.swept.clone_from(&before.swept);
            }
            None => match together(&members, experiments) {
                Ok((dynamics, swept)) => (picture.dynamics, found.swept) = (dynamics, swept),
                Err(failure) => picture.trouble = Some(failure.message),
            },
        }
        Self { members, found }
    }

    /// The place of the first of its shards among all folders.
    pub fn place(&self) -> usize {
        let places = self.members.iter().map(|member| member.place);
        places.min().unwrap_or(0)
    }

    /// The whole, and then its shards.
    pub fn found(&self) -> impl Iterator<Item = &FolderContents> {
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
    let first = &members[0].found.picture;
    let count = members[0].part.shard.count;
    let lacking = missing(members);
    let pictures = || members.iter().map(|member| &member.found.picture);
    // They run side by side: the slowest decides.
    let slowest = pictures().try_fold(0.0, |most: f64, one| Some(most.max(one.seconds_left?)));
    WatchedFolder {
        folder: folders(members),
        name: first.name.clone(),
        note: Some(match &lacking[..] {
            [] => format!("all {count} shards"),
            names => {
                let (there, names) = (members.len(), names.join(", "));
                format!("{there} of {count} shards; missing: {names}")
            }
        }),
        counts: first.counts.clone(),
        done: pictures().map(|picture| picture.done).sum::<f64>() / count as f64,
        seconds_left: slowest.filter(|_| lacking.is_empty()),
        ..empty(Path::new(""), state(members, lacking.is_empty()), None)
    }
}

fn state(members: &[Member], are_all: bool) -> &'static str {
    let states = || members.iter().map(|m| m.found.picture.state.as_str());
    let (some, all) = (
        states().any(|state| state == "running"),
        states().all(|state| state == "finished"),
    );
    match (some, all) {
        (true, _) => "running",
        (_, true) if are_all => "finished",
        (_, true) => "waiting",
        _ => "stopped",
    }
}

/// What to call their folders together.
fn folders(members: &[Member]) -> String {
    let named = |member: &Member| member.found.picture.folder.clone();
    match members {
        [first, .., last] => format!("{} … {}, together", named(first), named(last)),
        _ => members.iter().map(named).collect::<String>() + ", together",
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

type Together = (Vec<WatchedDynamics>, Option<SweepPoints>);

fn together(members: &[Member], experiments: &mut ExperimentCache) -> Result<Together, Failure> {
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
    if let Some(swept) = SweepPoints::together(swept) {
        let nothing = empty(Path::new(""), "", None);
        return Ok((swept.picture(nothing, None).dynamics, Some(swept)));
    }
    let first = &members[0];
    let FolderExperiment::Run(reader) = experiments.ready(&first.part.experiment, &first.path)?
    else {
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
