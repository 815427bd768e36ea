//! A session in real time: how far it goes between two frames, and what it is told on the way.

use crate::mailbox::Mailbox;
use crate::protocol::{Message, Refusal};
use crate::session::Session;
use rankfall::Failure;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// From one frame to the next.
const FRAME: Duration = Duration::from_millis(33);
/// How much of it is spent on steps.
const WORK: Duration = Duration::from_millis(22);
/// How often a client that is told nothing else is written to, to find out whether it is still there.
const HEARTBEAT: Duration = Duration::from_millis(1000);
/// Matrices are told in every so manyth frame.
const WEIGHTS_EVERY: u64 = 6;
/// How long a single frame may be worked on.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far a single frame goes where time goes as fast as it can, in t.
const SINGLE: f64 = 1.0;
/// The fastest, in t per second.
const FASTEST: f64 = 1e9;

/// Simulates for whoever reads, until they are gone: there is never more than one frame in memory.
///
/// # Errors
/// The client that is gone, or reads no longer.
pub fn play(
    session: &mut Session,
    name: String,
    mailbox: &Mailbox,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut speed = session.speed();
    let (mut paused, mut singles) = (session.paused(), 0_u32);
    let mut goal = session.time();
    let mut pace = Pace::new(session.time());
    let mut frames = 0_u64;
    let mut last = Instant::now();
    send(out, &Message::of_beginning(session.beginning(name)))?;
    send(out, &Message::of_frame(session.frame(None, true)))?;
    loop {
        let told = mailbox.take();
        let mut show = told.shown.is_some();
        if let Some(shown) = told.shown {
            session.show(shown);
        }
        for (run, motion) in told.motions.iter().enumerate() {
            match motion.as_ref().map(|motion| session.change(run, motion)) {
                Some(Ok(Some(mark))) => {
                    send(out, &Message::of_mark(mark))?;
                    show = true;
                }
                Some(Err(failure)) => send(out, &Message::of_refusal(refusal(&failure)))?,
                _ => {}
            }
        }
        if let Some(new) = told.speed {
            speed = (new > 0.0).then_some(new.min(FASTEST));
        }
        paused = told.paused.unwrap_or(paused);
        singles += told.frames;
        if paused && singles == 0 {
            if show {
                send(out, &Message::of_frame(session.frame(None, true)))?;
            }
            mailbox.wait(HEARTBEAT);
            // A line without a message.
            out.write_all(b"\n")?;
            out.flush()?;
            last = Instant::now();
            goal = session.time();
            pace = Pace::new(goal);
            singles = 0;
            continue;
        }
        let now = Instant::now();
        let (until, passed) = match paused {
            // A single frame is as long as any, whatever the clock says: the same ones show the same.
            true => (now + PATIENCE, FRAME),
            false => (now + WORK, (now - last).min(2 * FRAME)),
        };
        singles = singles.saturating_sub(1);
        last = now;
        goal = match speed {
            Some(speed) => goal.max(session.time()) + speed * passed.as_secs_f64(),
            None if paused => session.time() + SINGLE,
            None => session.time() + FASTEST,
        };
        if paused {
            goal = goal.max(session.next_time());
        }
        let before = session.time();
        session.advance(goal, until);
        if session.time() != before || show {
            frames += 1;
            let pace = pace.note(session.time());
            let weights = show || paused || frames.is_multiple_of(WEIGHTS_EVERY);
            send(out, &Message::of_frame(session.frame(pace, weights)))?;
        } else {
            out.write_all(b"\n")?;
            out.flush()?;
        }
        // What could not be done in time is not owed.
        goal = goal.min(session.next_time());
        let rest = FRAME.saturating_sub(now.elapsed());
        std::thread::sleep(rest);
    }
}

fn send(out: &mut impl Write, message: &Message) -> io::Result<()> {
    let mut line = serde_json::to_vec(message).map_err(io::Error::other)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
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
