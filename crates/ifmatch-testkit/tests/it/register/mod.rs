//! A correct register under concurrent clients that may lose its answers.

use ifmatch_testkit::history::{Call, History, Operation, Outcome, Tag, Version};
use proptest::prelude::*;

/// What one step of the simulation draws: a client, what it does, and how it ends.
pub(crate) type Draw = (usize, u8, u8);

pub(crate) fn draws(clients: usize, steps: usize) -> impl Strategy<Value = Vec<Draw>> {
    proptest::collection::vec((0..clients, any::<u8>(), any::<u8>()), 0..steps)
}

/// What a client is about.
enum Client {
    Idle,
    /// Sent, not yet at the register.
    Sent {
        invoked: u64,
        call: Call,
    },
    /// Answered by the register, the answer not yet here.
    Answered {
        invoked: u64,
        call: Call,
    },
}

/// A correct register under concurrent clients that may lose its answers.
pub(crate) struct Simulation {
    register: Option<Version>,
    clock: u64,
    tags: u32,
    clients: Vec<Client>,
    /// Per client: the tag it saw last, which may be old.
    known: Vec<Option<Tag>>,
    /// Writes whose client gave up, still on their way.
    late: Vec<Call>,
    history: History,
}

impl Simulation {
    pub(crate) fn run(clients: usize, draws: &[Draw]) -> History {
        let initial = Some(Version { tag: "t0".into(), value: "v0".into() });
        let mut simulation = Self {
            register: initial.clone(),
            clock: 0,
            tags: 0,
            clients: (0..clients).map(|_| Client::Idle).collect(),
            known: vec![Some("t0".into()); clients],
            late: Vec::new(),
            history: History { initial, operations: Vec::new() },
        };
        for &(client, what, ending) in draws {
            simulation.step(client, what, ending);
        }
        for client in 0..clients {
            for _ in 0..2 {
                if !matches!(simulation.clients[client], Client::Idle) {
                    simulation.step(client, 0, 255);
                }
            }
        }
        simulation.history
    }

    fn step(&mut self, index: usize, what: u8, ending: u8) {
        self.clock += 1;
        if ending.is_multiple_of(7)
            && let Some(mut call) = self.late.pop()
        {
            self.take_effect(&mut call, true);
        }
        self.clients[index] = match std::mem::replace(&mut self.clients[index], Client::Idle) {
            Client::Idle => Client::Sent { invoked: self.clock, call: self.choose(index, what) },
            Client::Sent { invoked, mut call } => {
                let is_write = !matches!(call, Call::Read { .. });
                match ending % 10 {
                    0 if is_write => self.give_up(index, invoked, call.clone()),
                    1 if is_write => {
                        self.late.push(call.clone());
                        self.give_up(index, invoked, call)
                    }
                    2 if is_write => {
                        let mut applied = call.clone();
                        self.take_effect(&mut applied, true);
                        self.give_up(index, invoked, call)
                    }
                    draw => {
                        self.take_effect(&mut call, draw != 3);
                        Client::Answered { invoked, call }
                    }
                }
            }
            Client::Answered { invoked, call } => {
                let seen = match &call {
                    Call::Read { saw } => saw.as_ref().map(|version| version.tag.clone()),
                    call => match call.outcome() {
                        Some(Outcome::Applied { tag }) => tag.clone(),
                        _ => self.known[index].clone(),
                    },
                };
                self.known[index] = seen;
                self.record(index, invoked, call);
                Client::Idle
            }
        };
    }

    fn choose(&self, index: usize, what: u8) -> Call {
        // Contents repeat, so that they alone do not tell versions apart.
        let value = format!("v{}", what % 3);
        let outcome = Outcome::Unknown;
        match (what / 3 % 8, self.known[index].clone()) {
            (0..=3, Some(expected)) => Call::Put { expected, value, outcome },
            (4, Some(expected)) => Call::Delete { expected, outcome },
            (5, _) => Call::Create { value, outcome },
            _ => Call::Read { saw: None },
        }
    }

    fn take_effect(&mut self, call: &mut Call, tell: bool) {
        let current = self.register.as_ref().map(|version| version.tag.clone());
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        let told = Outcome::Applied { tag: tell.then(|| tag.clone()) };
        match call {
            Call::Read { saw } => saw.clone_from(&self.register),
            Call::Put { expected, value, outcome } if current.as_ref() == Some(expected) => {
                self.register = Some(Version { tag, value: value.clone() });
                *outcome = told;
            }
            Call::Create { value, outcome } if current.is_none() => {
                self.register = Some(Version { tag, value: value.clone() });
                *outcome = told;
            }
            Call::Delete { expected, outcome } if current.as_ref() == Some(expected) => {
                self.register = None;
                *outcome = Outcome::Applied { tag: None };
            }
            Call::Put { outcome, .. } | Call::Create { outcome, .. } | Call::Delete { outcome, .. } => {
                *outcome = Outcome::Refused;
            }
        }
    }

    fn give_up(&mut self, index: usize, invoked: u64, call: Call) -> Client {
        self.record(index, invoked, call);
        Client::Idle
    }

    fn record(&mut self, index: usize, invoked: u64, call: Call) {
        let operation = Operation { client: format!("c{index}"), invoked, returned: self.clock, call };
        self.history.operations.push(operation);
    }
}
