//! A session in real time: how far it goes from one request to the next, and what it is told on the
//! way.

use crate::folder;
use crate::protocol::{Frame, Message, Refusal, Request};
use crate::session::Session;
use rankfall::Failure;
use std::time::{Duration, Instant};

/// From one frame to the next, as a page asks for them.
const FRAME: Duration = Duration::from_millis(33);
/// How much of it is spent on steps.
const WORK: Duration = Duration::from_millis(22);
/// Time that passed since the last request counts up to here: a page that comes back after a while
/// goes on where it was.
const LONGEST: Duration = Duration::from_millis(100);
/// How long a single frame may be worked on.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far a single frame goes where time goes as fast as it can, in t.
const SINGLE: f64 = 1.0;
/// Matrices are told in every so manyth frame.
const WEIGHTS_EVERY: u64 = 6;
/// The fastest, in t per second.
const FASTEST: f64 = 1e9;
/// Most single frames of one request.
const MOST_SINGLE: u32 = 100;

/// A session and its clock.
pub struct Player {
    session: Session,
    speed: Option<f64>,
    paused: bool,
    /// Where t should be by the clock.
    goal: f64,
    pace: Pace,
    frames: u64,
    last: Instant,
}

impl Player {
    /// At the start of a session.
    pub fn new(session: Session) -> Self {
        Self {
            speed: session.settings().speed.filter(|&speed| speed > 0.0),
            paused: session.settings().paused,
            goal: session.time(),
            pace: Pace::new(session.time()),
            frames: 0,
            last: Instant::now(),
            session,
        }
    }

    /// What a page is told first; `name` is what it calls the session by.
    pub fn begin(&mut self, name: String) -> Vec<Message> {
        let beginning = Message {
            beginning: Some(self.session.beginning(name)),
            ..Message::default()
        };
        let frame = of_frame(self.session.frame(None, true));
        self.last = Instant::now();
        vec![beginning, frame]
    }

    /// Goes on by the time that passed since the last request, with what this one changes.
    pub fn answer(&mut self, request: &Request) -> Vec<Message> {
        let mut out = Vec::new();
        let mut show = request.shown.is_some();
        if let Some(shown) = request.shown {
            self.session.show(shown);
        }
        for (run, motion) in [&request.first, &request.second].into_iter().enumerate() {
            let Some(motion) = motion else { continue };
            let (mark, refusal) = match self.session.change(run, motion) {
                Ok(None) => continue,
                Ok(mark) => (mark, None),
                Err(failure) => (None, Some(refusal(&failure))),
            };
            show |= mark.is_some();
            out.push(Message {
                mark,
                refusal,
                ..Message::default()
            });
        }
        if let Some(new) = request.speed {
            self.speed = (new > 0.0).then_some(new.min(FASTEST));
        }
        let passed = self.last.elapsed().min(LONGEST);
        self.last = Instant::now();
        if request.paused.is_some_and(|paused| paused != self.paused) {
            self.paused = !self.paused;
            self.goal = self.session.time();
            self.pace = Pace::new(self.goal);
            show = true;
        }
        if self.paused {
            let singles = request.frames.unwrap_or(0).min(MOST_SINGLE);
            for _ in 0..singles {
                out.push(self.single());
            }
            if show && singles == 0 {
                out.push(of_frame(self.session.frame(None, true)));
            }
        } else {
            out.extend(self.go_on(passed, show));
        }
        out
    }

    /// The run so far as a run folder, in one archive.
    ///
    /// # Errors
    /// Exit code 2 at t = 0.
    pub fn folder(&mut self) -> Result<Vec<u8>, Failure> {
        folder::zipped(&mut self.session)
    }

    fn go_on(&mut self, passed: Duration, show: bool) -> Option<Message> {
        let before = self.session.time();
        self.goal = match self.speed {
            Some(speed) => self.goal.max(before) + speed * passed.as_secs_f64(),
            None => before + FASTEST,
        };
        self.session.advance(self.goal, Instant::now() + WORK);
        let now = self.session.time();
        // What could not be done in time is not owed.
        self.goal = self.goal.min(self.session.next_time());
        (now != before || show).then(|| {
            self.frames += 1;
            let weights = show || self.frames.is_multiple_of(WEIGHTS_EVERY);
            let pace = self.pace.note(now);
            of_frame(self.session.frame(pace, weights))
        })
    }

    /// A single frame is as long as any, whatever the clock says: the same ones show the same.
    fn single(&mut self) -> Message {
        let length = match self.speed {
            Some(speed) => speed * FRAME.as_secs_f64(),
            None => SINGLE,
        };
        self.goal = (self.goal + length).max(self.session.next_time());
        self.session.advance(self.goal, Instant::now() + PATIENCE);
        of_frame(self.session.frame(None, true))
    }
}

fn of_frame(frame: Frame) -> Message {
    Message {
        frame: Some(frame),
        ..Message::default()
    }
}

/// A failure as a page is told it.
pub fn refusal(failure: &Failure) -> Refusal {
    Refusal {
        message: failure.message.clone(),
        hint: failure.hints.join("; "),
    }
}

/// How fast time passed of late.
struct Pace {
    since: Instant,
    from: f64,
    last: Option<f64>,
}

impl Pace {
    fn new(time: f64) -> Self {
        Self {
            since: Instant::now(),
            from: time,
            last: None,
        }
    }

    /// Over windows of half a second.
    fn note(&mut self, time: f64) -> Option<f64> {
        let passed = self.since.elapsed().as_secs_f64();
        if passed >= 0.5 {
            self.last = Some((time - self.from) / passed);
            (self.since, self.from) = (Instant::now(), time);
        }
        self.last
    }
}
