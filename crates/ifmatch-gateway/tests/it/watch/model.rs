//! Clients on a register, in random order, where it is known who overwrote what unseen.

use super::{ClientId, KEY, Kind, Limits, Outcome, PUT, Put, Read, Told, Write, anonymous, user};
use ifmatch_gateway::watch::Credentials;

/// Numbers that look random, the same ones for the same seed.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let _settled = (0..8).map(|_| dice.below(2)).count();
        dice
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What may happen in a run.
#[derive(Clone, Copy, Default, Debug)]
struct World {
    clients: u64,
    steps: u64,
    /// Requests overlap.
    overlap: bool,
    /// A client sends some requests before the one before is answered.
    impatient: bool,
    /// Contents come again.
    repeats: bool,
    /// PATCH, POST, DELETE and writes that are not applied too.
    all_kinds: bool,
    /// Some answers are lost.
    doubts: bool,
    /// Writes without a read before.
    blind: bool,
    /// Which digests are told: none, or all.
    digests: bool,
    /// How clients are known.
    identity: Identity,
}

#[derive(Clone, Copy, Default, Debug)]
enum Identity {
    #[default]
    Users,
    /// Credentials that are renewed now and then.
    Renewed,
    /// One place each, a new connection for each request.
    Places,
    /// One place for all, a connection each.
    Connections,
    /// One place each, some connections to read and others to write. With the same ones for both a client that reads
    /// on two and then writes on two could not be told from two clients.
    Pools,
}

/// One request: when it began, took effect and ended, in steps of the clock; all different.
#[derive(Clone, Copy, Debug)]
struct Request {
    who: u64,
    number: u64,
    began: u64,
    effect: u64,
    ended: u64,
    write: Option<Put>,
}

struct Counts {
    counted: u64,
    truth: u64,
    setbacks: i64,
    /// Writes that were acknowledged, and how many the last state is built upon.
    applied: i64,
    visible: i64,
}

fn schedule(dice: &mut Dice, world: World) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut free = vec![1u64; usize::try_from(world.clients).unwrap()];
    let mut clock = 1u64;
    for number in 0..world.steps {
        let who = dice.below(world.clients);
        let slot = usize::try_from(who).unwrap();
        let begin = if world.overlap { free[slot] + 1 + dice.below(40) } else { clock + 1 };
        let effect = begin + 1 + if world.overlap { dice.below(30) } else { 0 };
        let end = effect + 1 + if world.overlap { dice.below(30) } else { 0 };
        let mine = requests.iter().rev().find(|r: &&Request| r.who == who);
        let has_read = mine.is_some_and(|r| r.write.is_none());
        let writes = if world.blind { dice.one_in(2) } else { has_read && dice.one_in(2) };
        let write = writes.then(|| any_write(dice, world, number));
        requests.push(Request { who, number, began: begin, effect, ended: end, write });
        free[slot] = if world.impatient && dice.one_in(4) { begin } else { end };
        clock = end;
    }
    // Different moments, in the same order.
    for request in &mut requests {
        let spread = |at: u64| at * world.steps + request.number;
        request.began = spread(request.began);
        request.effect = spread(request.effect);
        request.ended = spread(request.ended);
    }
    requests
}

fn any_write(dice: &mut Dice, world: World, number: u64) -> Put {
    let content = Some(if world.repeats { 1 + dice.below(3) } else { 1000 + number });
    let put = Put { content, ..PUT };
    if !world.all_kinds {
        return put;
    }
    match dice.below(10) {
        0 => Put { kind: Kind::Delete, content: None, ..put },
        1 => Put { kind: Kind::Modify, ..put },
        2 => Put { kind: Kind::Append, ..put },
        3 => Put { applied: false, ..put },
        4 if world.doubts => Put { outcome: Some(0), ..put },
        _ => put,
    }
}

fn identity(dice: &mut Dice, world: World, request: &Request) -> ClientId {
    let (who, number) = (request.who, request.number);
    match world.identity {
        Identity::Users => user(who),
        Identity::Renewed => {
            let hash = who * 1000 + number / 20;
            ClientId { credentials: Some(Credentials { hash, lasting: false }), ..user(who) }
        }
        Identity::Places => anonymous(who, 10_000 + number),
        Identity::Connections => anonymous(1, who),
        Identity::Pools => {
            let writes = if request.write.is_some() { 50 } else { 0 };
            anonymous(who, who * 100 + writes + dice.below(2 + who % 3))
        }
    }
}

/// The state of the register: who wrote it, and by which request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct State {
    /// Its place in the order of states.
    index: usize,
    by: Option<u64>,
    kind: Kind,
    digest: u64,
    depth: i64,
}

fn run(dice: &mut Dice, world: World, limits: Limits) -> Counts {
    let requests = schedule(dice, world);
    let told = Told::new(limits);
    let mut counts = Counts { counted: 0, truth: 0, setbacks: 0, applied: 0, visible: 0 };
    let truth = Truth::of(&requests, &mut counts);
    let mut by_end = requests;
    by_end.sort_by_key(|request| request.ended);
    let tag = http::HeaderValue::from_static("\"t\"");
    for request in &by_end {
        let client = identity(dice, world, request);
        let (began, ended) = (told.at(request.began), told.at(request.ended));
        let Some(put) = request.write else {
            let digest = truth.read_digest(request).filter(|_| world.digests);
            told.watch.read(KEY, &Read { client, target: 1, began, ended, digest, tag: Some(&tag) });
            continue;
        };
        let outcome = match put.outcome {
            // It has landed already, but nobody was told.
            Some(_) => Outcome::Unknown { until: told.at(request.ended + 500) },
            None if put.applied => Outcome::Applied,
            None => Outcome::NotApplied,
        };
        let write = Write {
            client,
            name: "",
            target: 1,
            began,
            ended,
            outcome,
            kind: put.kind,
            conditional: put.conditional,
            tag: None,
            content: put.content.filter(|_| world.digests),
            event_id: request.number.into(),
        };
        if let Some(lost) = told.watch.wrote(KEY, &write).lost {
            counts.counted += 1;
            counts.setbacks += lost.setback.unwrap_or(0);
        }
    }
    counts
}

/// What happened to the register.
struct Truth {
    /// The state that each read saw, by the number of the request.
    reads: Vec<(u64, State)>,
}

impl Truth {
    fn of(requests: &[Request], counts: &mut Counts) -> Self {
        let mut by_effect: Vec<_> = requests.iter().collect();
        by_effect.sort_by_key(|request| request.effect);
        let mut state = State { index: 0, by: None, kind: Kind::Replace, digest: 7, depth: 0 };
        let mut truth = Self { reads: Vec::new() };
        let mut index = 0;
        // What each client knows from requests that were answered, as (answered, state).
        let mut known: Vec<(u64, u64, State)> = Vec::new();
        for request in by_effect {
            let Some(put) = request.write else {
                truth.reads.push((request.number, state));
                known.push((request.who, request.ended, state));
                continue;
            };
            if !put.applied {
                continue;
            }
            let mine = known.iter().filter(|k| k.0 == request.who && k.1 <= request.began).map(|k| k.2);
            let basis = mine.max_by_key(|state| state.index);
            let seen = basis.is_some_and(|basis| basis.index >= state.index);
            let others = state.by.is_some_and(|by| by != request.who);
            let replaces = matches!(put.kind, Kind::Replace | Kind::Delete);
            let nothing = put.kind == Kind::Delete && state.kind == Kind::Delete;
            if put.outcome.is_none() && replaces && others && !seen && !nothing {
                counts.truth += 1;
            }
            if put.kind == Kind::Append {
                // What was there is still there, and something more.
                state = State { digest: 1_000_000 + request.number, depth: state.depth + 1, ..state };
                counts.applied += 1;
                known.push((request.who, request.ended, state));
                continue;
            }
            index += 1;
            let digest =
                if put.kind == Kind::Replace { put.content.unwrap_or(0) } else { 1_000_000 + request.number };
            let below = if replaces { basis.map_or(0, |basis| basis.depth) } else { state.depth };
            state = State { index, by: Some(request.who), kind: put.kind, digest, depth: below + 1 };
            counts.applied += 1;
            known.push((request.who, request.ended, state));
        }
        counts.visible = state.depth;
        truth
    }

    fn read_digest(&self, request: &Request) -> Option<u64> {
        self.reads.iter().find(|(number, _)| *number == request.number).map(|(_, state)| state.digest)
    }
}

fn worlds(base: World) -> impl Iterator<Item = World> {
    (0..64u64).map(move |bits| World {
        impatient: base.overlap && bits & 1 != 0,
        repeats: bits & 2 != 0,
        all_kinds: bits & 4 != 0,
        doubts: base.doubts,
        blind: bits & 8 != 0,
        digests: bits & 16 != 0,
        clients: if bits & 32 == 0 { 3 } else { 8 },
        ..base
    })
}

const BASE: World = World {
    clients: 3,
    steps: 60,
    overlap: false,
    impatient: false,
    repeats: false,
    all_kinds: false,
    doubts: false,
    blind: false,
    digests: false,
    identity: Identity::Users,
};

const IDENTITIES: [Identity; 5] =
    [Identity::Users, Identity::Renewed, Identity::Places, Identity::Connections, Identity::Pools];

#[test]
fn nothing_is_counted_that_did_not_happen() {
    let tiny = Limits { keys_max: 1, readers_max: 2, writes_max: 2, records_max: 4 };
    let mut found = 0;
    for identity in IDENTITIES {
        for world in worlds(World { overlap: true, doubts: true, identity, ..BASE }) {
            // One that reads on several connections before it writes on them cannot be told from several clients.
            // And credentials that change between two requests under way at once make two clients.
            let world = World {
                blind: world.blind && !matches!(identity, Identity::Connections),
                impatient: world.impatient && !matches!(identity, Identity::Renewed),
                ..world
            };
            for seed in 1..=20 {
                for limits in [Limits::default(), tiny] {
                    let mut dice = Dice::new(seed);
                    let counts = run(&mut dice, world, limits);
                    assert!(
                        counts.counted <= counts.truth,
                        "{} counted, {} lost, seed {seed}, {limits:?} {world:?}",
                        counts.counted,
                        counts.truth
                    );
                    found += counts.counted;
                }
            }
        }
    }
    assert!(found > 1000, "the detector sleeps: {found}");
}

#[test]
fn everything_is_counted_where_nothing_overlaps() {
    for identity in [Identity::Users, Identity::Places, Identity::Connections] {
        for world in worlds(World { identity, ..BASE }) {
            let blind = world.blind && matches!(identity, Identity::Users | Identity::Places);
            let world = World { blind, ..world };
            for seed in 1..=20 {
                let mut dice = Dice::new(seed);
                let counts = run(&mut dice, world, Limits { writes_max: 64, ..Limits::default() });
                assert_eq!(counts.counted, counts.truth, "seed {seed} {world:?}");
            }
        }
    }
}

#[test]
fn on_a_counter_the_setbacks_are_what_was_acknowledged_and_is_not_there() {
    for identity in [Identity::Users, Identity::Connections] {
        for seed in 1..=200 {
            let mut dice = Dice::new(seed);
            let world = World { clients: 2 + seed % 7, steps: 200, identity, digests: true, ..BASE };
            let counts = run(&mut dice, world, Limits::default());
            assert_eq!(counts.setbacks, counts.applied - counts.visible, "seed {seed} {world:?}");
        }
    }
}

#[test]
fn in_rounds_of_reads_and_then_writes_all_but_one_of_each_are_lost() {
    for writers in 2..=16u64 {
        let mut told = super::told();
        let mut lost = 0;
        for round in 0..10u64 {
            let base = round * 1000;
            for who in 0..writers {
                told.read(anonymous(1, who), base + who, base + 100 + who);
            }
            for who in 0..writers {
                let content = Some(base + who + 1);
                let seen = told.wrote_so(
                    anonymous(1, who),
                    base + 200 + who,
                    base + 300 + who,
                    Put { content, ..PUT },
                );
                lost += u64::from(seen.lost.is_some());
            }
        }
        // Acknowledged, less what is left.
        assert_eq!(lost, 10 * writers - 10);
    }
}
