//! Fault doors: what may befall a command while it is at work.

use super::acts::{Act, Again};
use super::disk::Disk;
use super::processes::{ended, is_stopped, pause, signal, spawn};
use super::world::{World, cluster};
use crate::support::Answer;
use std::process::Child;
use std::time::Duration;

/// How long a frozen process sleeps while others want its place.
const FROZEN_MS: u64 = 700;

/// How faults find their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    /// At a counted effect, read, write or byte: whatever else the machine does, a number plays the same days.
    Counted,
    /// By the clock, too, as in life: every play of a number meets them elsewhere.
    Timed,
}

/// A fault, and where it meets the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// Nothing happens.
    Open,
    /// SIGKILL, so long after the start.
    Killed { after_ms: u64 },
    /// Death right before or after the n-th durable effect.
    DiesAt { place: u64 },
    /// Stopped after so long, woken when somebody else has been at work.
    Frozen { after_ms: u64 },
    /// Stopped right before its first commit, and woken later.
    FrozenAtCommit,
    /// The disk fails at the n-th read or write.
    Disk { disk: Disk, at: u64 },
    /// A second process does the same at the same moment.
    Twice,
    /// The machine's clock is so many days ahead (or, below 0, behind).
    Clock { days: i64 },
    /// Whoever works the home is killed so long after it was asked.
    WorkerKilled { after_ms: u64 },
    /// The database or the bucket hangs up after so long, and is away for a moment.
    Gone { after_ms: u64, for_ms: u64 },
    /// The database server falls after so long, and is started again: it recovers first.
    Falls { after_ms: u64, for_ms: u64 },
    /// The database or the bucket does it, and its answer is lost.
    AnswerLost { after_bytes: u64 },
    /// The mail relay is away.
    NoRelay,
}

impl Door {
    /// A fault for an act.
    pub fn draw(world: &mut World, act: &Act) -> Self {
        let drawn = Self::drawn(world, act);
        if world.faults == Faults::Timed {
            return drawn;
        }
        if world.worker.is_some() {
            return Self::Open; // it is the worker that dies, at an effect of its own
        }
        let places = world.places(&act.args[0]);
        match drawn {
            Self::Killed { .. } => Self::DiesAt { place: world.dice.within(1, places) },
            Self::Frozen { .. } => Self::FrozenAtCommit,
            Self::Gone { .. } | Self::Falls { .. } => {
                Self::AnswerLost { after_bytes: world.dice.within(0, 60_000) }
            }
            other => other,
        }
    }

    fn drawn(world: &mut World, act: &Act) -> Self {
        let (takes_ms, places) = (world.takes_ms(&act.args[0]), world.places(&act.args[0]));
        let (has_line, has_worker, has_relay) =
            (world.line().is_some(), world.worker.is_some(), world.relay.is_some());
        let has_server = !world.is_sqlite();
        let dice = &mut world.dice;
        if has_worker && dice.chance(40) {
            return Self::WorkerKilled { after_ms: dice.within(0, takes_ms) };
        }
        if has_line && dice.chance(40) {
            return match dice.within(0, 6) {
                0 if has_server => {
                    Self::Falls { after_ms: dice.within(0, takes_ms), for_ms: dice.within(0, 500) }
                }
                0..=2 => Self::Gone { after_ms: dice.within(0, takes_ms), for_ms: dice.within(0, 1_500) },
                _ => Self::AnswerLost { after_bytes: dice.within(0, 60_000) },
            };
        }
        if has_relay && dice.chance(15) {
            return Self::NoRelay;
        }
        match dice.within(0, 15) {
            0..=2 => Self::Killed { after_ms: dice.within(0, takes_ms) },
            3..=6 => Self::DiesAt { place: dice.within(1, places) },
            7 | 8 => Self::Frozen { after_ms: dice.within(0, takes_ms) },
            9 => Self::FrozenAtCommit,
            10..=12 => match *dice.pick(&Disk::ALL) {
                disk @ Disk::Flipped => Self::Disk { disk, at: dice.within(1, 8) },
                disk => Self::Disk { disk, at: dice.within(1, 150) },
            },
            13 if !act.is_by_the_clock => Self::Clock { days: *dice.pick(&[400, 40, -40, -400]) },
            // A second act is no repeat of the first.
            _ if act.again == Again::Quiet => Self::Twice,
            _ => Self::DiesAt { place: dice.within(1, places) },
        }
    }

    /// As the tally and the diary name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "none",
            Self::Killed { .. } => "killed",
            Self::DiesAt { .. } => "died at an effect",
            Self::Frozen { .. } | Self::FrozenAtCommit => "frozen and woken late",
            Self::Disk { disk, .. } => disk.name(),
            Self::Twice => "twice at once",
            Self::Clock { days: 1.. } => "clock ahead",
            Self::Clock { .. } => "clock behind",
            Self::WorkerKilled { .. } => "worker killed",
            Self::Gone { .. } => "server gone for a while",
            Self::Falls { .. } => "database server fell",
            Self::AnswerLost { .. } => "server's answer lost",
            Self::NoRelay => "relay gone",
        }
    }

    /// Runs a command through the door; whether the fault befell it. A process that died has the code -1.
    pub fn meet(&self, world: &mut World, act: &Act) -> (Answer, bool) {
        let command = world.command(&act.args);
        match self {
            Self::Open => (world.undisturbed(command, &act.args[0]), true),
            Self::Killed { after_ms } => {
                let child = spawn(command);
                pause(*after_ms);
                signal(&child, "KILL");
                died(ended(child))
            }
            Self::DiesAt { place } => {
                let mut command = command;
                command.env("TALLYBOOK_CRASH_AT", place.to_string());
                died(ended(spawn(command)))
            }
            Self::Frozen { after_ms } => {
                let mut child = spawn(command);
                pause(*after_ms);
                signal(&child, "STOP");
                let befell = child.try_wait().unwrap().is_none();
                (overtaken(world, child, act), befell)
            }
            Self::FrozenAtCommit => {
                let mut command = command;
                command.env("TALLYBOOK_FREEZE_AT", "store.commit");
                let mut child = spawn(command);
                while child.try_wait().unwrap().is_none() && !is_stopped(&child) {
                    pause(10);
                }
                let befell = child.try_wait().unwrap().is_none();
                (overtaken(world, child, act), befell)
            }
            Self::Disk { disk, at } => world.on_a_faulty_disk(command, *disk, *at),
            Self::Twice => {
                let (one, two) = (spawn(command), spawn(world.command(&act.args)));
                let two = std::thread::spawn(move || ended(two));
                let one = ended(one);
                let two = two.join().unwrap();
                // Whichever has done it: a refusal of one is the other's doing.
                (if one.code == 1 { two } else { one }, true)
            }
            Self::Clock { days } => {
                let mut command = command;
                command.env("TALLYBOOK_NOW", world.noon(*days));
                (ended(spawn(command)), true)
            }
            Self::WorkerKilled { after_ms } => {
                let child = spawn(command);
                pause(*after_ms);
                world.worker = None;
                (ended(child), true)
            }
            Self::Gone { after_ms, for_ms } => {
                let child = spawn(command);
                pause(*after_ms);
                let line = world.line().unwrap();
                line.cut();
                pause(*for_ms);
                line.mend();
                (ended(child), true)
            }
            Self::Falls { after_ms, for_ms } => {
                let child = spawn(command);
                pause(*after_ms);
                cluster().falls_for(Duration::from_millis(*for_ms));
                let answer = ended(child);
                world.until_the_server_answers();
                (answer, true)
            }
            Self::AnswerLost { after_bytes } => {
                let line = world.line().unwrap();
                line.lose_after(*after_bytes);
                let answer = ended(spawn(command));
                (answer, line.mend())
            }
            Self::NoRelay => {
                let mut command = command;
                // The discard port: nobody listens there.
                command.env("TALLYBOOK_MAIL_PORT", "9");
                (ended(spawn(command)), true)
            }
        }
    }
}

fn died(answer: Answer) -> (Answer, bool) {
    let befell = answer.code == -1;
    (answer, befell)
}

/// Others work while it sleeps; then it is woken and goes on, or finds that it may not.
fn overtaken(world: &World, frozen: Child, act: &Act) -> Answer {
    let other = match act.again {
        Again::Quiet => spawn(world.command(&act.args)),
        Again::Look => spawn(world.command(&["doctor".to_owned()])),
    };
    let other = std::thread::spawn(move || ended(other));
    let mut slept = 0;
    while slept < FROZEN_MS && !other.is_finished() {
        pause(20);
        slept += 20;
    }
    signal(&frozen, "CONT");
    let answer = ended(frozen);
    other.join().unwrap();
    answer
}
