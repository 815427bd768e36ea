//! Folders that other processes write, or wrote: what runs, sweeps, shards and monitored trainings
//! hold so far.

mod experiments;
mod folder;
mod series;
mod shards;
mod sweeps;

use crate::protocol::{WatchReply, WatchRequest};
use experiments::ExperimentCache;
use folder::{Folder, FolderContents};
use shards::{Member, ShardGroup};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Most folders that are looked at.
const MOST_FOLDERS: usize = 1000;

/// Folders that are looked at again and again.
pub struct Watcher {
    given: Vec<PathBuf>,
    known: Mutex<Known>,
}

/// What earlier looks found, so that nothing is read twice.
#[derive(Default)]
struct Known {
    experiments: ExperimentCache,
    folders: BTreeMap<PathBuf, Folder>,
    wholes: Vec<ShardGroup>,
}

impl Watcher {
    /// Of these folders, which need not be there yet; one that is none itself stands for those in
    /// it.
    pub fn new(folders: &[PathBuf]) -> Self {
        Self {
            given: folders.to_vec(),
            known: Mutex::default(),
        }
    }

    /// What they hold now, and of a sweep the numbers that are asked for.
    pub fn look(&self, ask: &WatchRequest) -> WatchReply {
        let paths = self.paths();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut alone = known.found(&paths);
        let parts = alone.extract_if(.., |(_, found)| found.part.is_some());
        let members = parts
            .filter_map(|(place, found)| Member::new(place, paths[place].clone(), found))
            .collect();
        known.put_together(members);
        let all = known.in_order(&alone);
        let asked = ask.sweep.as_ref();
        WatchReply {
            folders: all.iter().map(|found| found.picture.clone()).collect(),
            sweep: asked.and_then(|choice| all.iter().find_map(|found| found.swept(choice))),
        }
    }

    fn paths(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = Vec::new();
        for path in self.given.iter().flat_map(|given| stands_for(given)) {
            if !paths.contains(&path) && paths.len() < MOST_FOLDERS {
                paths.push(path);
            }
        }
        paths
    }
}

impl Known {
    /// What each of these folders holds, with its place among them.
    fn found(&mut self, paths: &[PathBuf]) -> Vec<(usize, FolderContents)> {
        self.folders.retain(|path, _| paths.contains(path));
        let look = |(place, path): (usize, &PathBuf)| {
            let folder = self.folders.entry(path.clone()).or_default();
            (place, folder.look(path, &mut self.experiments))
        };
        paths.iter().enumerate().map(look).collect()
    }

    fn put_together(&mut self, members: Vec<Member>) {
        let before = std::mem::take(&mut self.wholes);
        let groups = shards::grouped(members).into_iter();
        let wholes = groups.map(|members| ShardGroup::of(members, &before, &mut self.experiments));
        self.wholes = wholes.collect();
    }

    /// Folders as they were given; shards where the first of them was, after their whole.
    fn in_order<'a>(&'a self, alone: &'a [(usize, FolderContents)]) -> Vec<&'a FolderContents> {
        let alone = alone.iter().map(|(place, found)| (*place, vec![found]));
        let wholes = self.wholes.iter();
        let wholes = wholes.map(|whole| (whole.place(), whole.found().collect()));
        let mut all: Vec<(usize, Vec<&FolderContents>)> = alone.chain(wholes).collect();
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().flat_map(|(_, found)| found).collect()
    }
}

/// A folder of a run itself; the folders of runs in one that is none; or the folder where there is
/// nothing yet.
fn stands_for(given: &Path) -> Vec<PathBuf> {
    if folder::deciding(given).is_none()
        && let Ok(entries) = given.read_dir()
    {
        let entries = entries.flatten().map(|entry| entry.path());
        let mut inner: Vec<PathBuf> = entries
            .filter(|path| folder::deciding(path).is_some())
            .take(MOST_FOLDERS)
            .collect();
        inner.sort();
        if !inner.is_empty() {
            return inner;
        }
    }
    vec![given.to_owned()]
}
