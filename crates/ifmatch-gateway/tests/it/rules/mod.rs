//! Every rule of the gateway, over real sockets, before an origin that does what a test says.
//!
//! The modules are named after what the rules are about, the tests after the rules. What has to be waited for is waited
//! for; times that run out are short only where a test needs them to run out.

mod adversary;
mod ambiguous;
mod answers;
mod s1_evaluate;
mod s2_identity;
mod s2_reads;
mod s2_tags;
mod s2_variants;
mod s2_written;
mod s3_names;
mod s4_methods;
mod s5_check;
mod s5_demand;
mod s5_forward;
mod s5_order;
mod s6_clients;
mod s6_outcome;
mod s7_modes;
mod s7_observe;
mod s9_process;
mod s9_settings;

use answers::*;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use ifmatch_core::Mode;
use ifmatch_gateway::settings::{Evaluate, Origin, RouteSettings, Settings, Writers};
use ifmatch_gateway::state::{Kind, State};
use ifmatch_gateway::{Gateway, Stats};
use ifmatch_guard::{Decision, DecisionResult, Limits, Observe, Peer, Pipeline, Spool};
use ifmatch_testkit::raw::{self, Connection, Response};
use ifmatch_testkit::upstream::{Habits, Scripted};
use parking_lot::{Condvar, Mutex};
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::watch;

/// Nothing that goes well takes so long.
const LONG: Duration = Duration::from_secs(30);
/// What is to run out in a test.
const SHORT: Duration = Duration::from_millis(50);
/// How long an answer is waited for where a test needs that to run out: long enough for answers that do come.
const PATIENCE: Duration = Duration::from_millis(700);

/// A field of a request.
type Field<'a> = (&'a str, &'a str);

/// How a gateway is run.
struct Plan {
    settings: Settings,
    limits: Limits,
    /// Content beyond it is spooled.
    memory_bytes_max: usize,
    /// Cores: threads with a runtime each.
    cores: usize,
}

impl Plan {
    /// One route for everything.
    fn route(&mut self, set: impl FnOnce(&mut RouteSettings)) {
        let mut route = RouteSettings::new("all", "/{*path}");
        set(&mut route);
        self.settings.routes.push(route);
    }

    /// A route of its own.
    fn add(&mut self, name: &str, template: &str, set: impl FnOnce(&mut RouteSettings)) {
        let mut route = RouteSettings::new(name, template);
        set(&mut route);
        self.settings.routes.push(route);
    }
}

/// What was decided about a request.
#[derive(Clone, Debug)]
struct Seen {
    method: String,
    result: &'static str,
}

/// Remembers all decisions.
#[derive(Default)]
struct Recorder {
    seen: Mutex<Vec<Seen>>,
    more: Condvar,
}

impl Observe for Recorder {
    fn decided(&self, decision: &Decision<'_>) {
        let result = match decision.result {
            DecisionResult::Read => "read",
            DecisionResult::Applied => "applied",
            DecisionResult::NotApplied => "not applied",
            // Nobody hears of it, so it has no code of its own.
            DecisionResult::Refused(refusal)
                if refusal.own_detail().is_some_and(|detail| detail.contains("client left")) =>
            {
                "left"
            }
            DecisionResult::Refused(refusal) => refusal.code().name(),
            DecisionResult::Unknown => "unknown",
        };
        self.seen.lock().push(Seen { method: decision.method.to_string(), result });
        self.more.notify_all();
    }
}

type Guarded = Pipeline<Gateway, Arc<Recorder>>;

/// A gateway and its origin.
struct Rig {
    upstream: Scripted,
    at: SocketAddr,
    plan: Plan,
    recorder: Arc<Recorder>,
    running: Option<Running>,
    folder: TempDir,
}

struct Running {
    pipeline: Guarded,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    fn end(self) {
        self.stop.send_replace(true);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.end();
        }
    }
}

/// An origin that behaves, and a gateway in front of it that is set like this.
fn rigged(set: impl FnOnce(&mut Plan)) -> Rig {
    let upstream = Scripted::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin { host: "127.0.0.1".into(), port: upstream.address().port() };
    let mut settings = Settings::new(origin, folder.path().join("state"));
    settings.mode = Mode::Enforce;
    settings.counters = 1 << 16;
    let mut plan = Plan { settings, limits: Limits::default(), memory_bytes_max: 1 << 20, cores: 1 };
    set(&mut plan);
    let at = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut rig = Rig { upstream, at, plan, recorder: Arc::default(), running: None, folder };
    rig.start();
    rig
}

/// All defaults, in enforce mode.
fn enforced() -> Rig {
    rigged(|_| {})
}

/// All defaults, in another mode.
fn in_mode(mode: Mode) -> Rig {
    rigged(|plan| plan.settings.mode = mode)
}

/// Only clients of the gateway write.
fn gateway_only() -> Rig {
    rigged(|plan| plan.route(|route| route.writers = Writers::GatewayOnly))
}

/// The origin evaluates conditions itself.
fn upstream_evaluates() -> Rig {
    let rig = rigged(|plan| plan.route(|route| route.evaluate = Evaluate::Upstream));
    rig.upstream.habits("/a", Habits { evaluates: true, ..Habits::default() });
    rig
}

impl Rig {
    fn start(&mut self) {
        let gateway = Gateway::open(self.plan.settings.clone()).unwrap();
        let spool = Spool::new(self.folder.path().to_owned(), self.plan.memory_bytes_max, 1 << 30);
        let pipeline = Pipeline::spooling(gateway, Arc::clone(&self.recorder), self.plan.limits, spool);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        self.at = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let threads = (0..self.plan.cores).map(|_| {
            let (listener, pipeline) = (listener.try_clone().unwrap(), pipeline.clone());
            let stopped = stopped.clone();
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(serve(listener, pipeline, stopped));
            })
        });
        let threads = threads.collect();
        self.running = Some(Running { pipeline, stop, threads });
    }

    /// Ends the process, as a kill would: what is under way is dropped, and nothing is put in order.
    fn kill(&mut self) {
        self.running.take().unwrap().end();
    }

    /// Ends it in good order.
    fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.pipeline.authority().state().close();
        running.end();
    }

    fn gateway(&self) -> &Gateway {
        self.running.as_ref().unwrap().pipeline.authority()
    }

    fn stats(&self) -> &Stats {
        self.gateway().stats()
    }

    fn state(&self) -> &State {
        self.gateway().state()
    }

    /// The count of a path under its plain turn key.
    fn count(&self, key: &str) -> u64 {
        self.state().count(self.state().counter(key))
    }

    fn connect(&self) -> Connection {
        Connection::open(self.at, LONG).unwrap()
    }

    /// One exchange on a connection of its own.
    #[track_caller]
    fn ask(&self, method: &str, target: &str, fields: &[Field<'_>], content: &str) -> Response {
        self.try_ask(method, target, fields, content).unwrap()
    }

    fn try_ask(
        &self,
        method: &str,
        target: &str,
        fields: &[Field<'_>],
        content: &str,
    ) -> Result<Response, raw::Error> {
        ask(self.at, method, target, fields, content)
    }

    /// One exchange beside the test.
    fn beside(
        &self,
        method: &str,
        target: &str,
        fields: &[Field<'_>],
        content: &str,
    ) -> JoinHandle<Response> {
        let (at, method, target) = (self.at, method.to_owned(), target.to_owned());
        let owned = |text: &str| text.to_owned();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (owned(name), owned(value))).collect();
        let content = content.to_owned();
        thread::spawn(move || {
            let fields: Vec<Field<'_>> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            ask(at, &method, &target, &fields, &content).unwrap()
        })
    }

    /// A read that is waited for until it succeeds.
    #[track_caller]
    fn get(&self, target: &str) -> Response {
        let response = self.ask("GET", target, &[], "");
        assert_eq!(response.status, 200, "{}", response.text());
        response
    }

    /// The tag a reader gets.
    #[track_caller]
    fn tag(&self, target: &str) -> String {
        tag_of(&self.get(target))
    }

    #[track_caller]
    fn put(&self, target: &str, tag: &str, content: &str) -> Response {
        self.ask("PUT", target, &[("If-Match", tag)], content)
    }

    #[track_caller]
    fn create(&self, target: &str, content: &str) -> Response {
        self.ask("PUT", target, &[("If-None-Match", "*")], content)
    }

    /// A write of `/a` whose answer is lost, so that other writes wait.
    #[track_caller]
    fn lose(&self, method: &str, target: &str, fields: &[Field<'_>], content: &str) {
        use ifmatch_testkit::upstream::{Course, Point};
        self.upstream.next(method, "*", Course::cut_at(Point::Applied));
        refused(&self.ask(method, target, fields, content), 504, "outcome_unknown");
    }

    /// Lets the one core of the gateway do all that it can do about what was sent before: exchanges that came later have
    /// been answered.
    fn fence(&self) {
        assert_eq!(self.plan.cores, 1);
        for _ in 0..5 {
            // Answered without the origin.
            assert_eq!(self.ask("TRACE", "/", &[], "").status, 405);
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until so many requests of a method ended like this.
    #[track_caller]
    fn decided(&self, method: &str, result: &str, count: usize) {
        let fits = |seen: &&Seen| seen.method == method && seen.result == result;
        let mut seen = self.recorder.seen.lock();
        let end = Instant::now() + LONG;
        while seen.iter().filter(fits).count() < count {
            assert!(!self.recorder.more.wait_until(&mut seen, end).timed_out(), "{seen:?}");
        }
    }

    /// Waits until no write is under way or in doubt.
    #[track_caller]
    fn settled(&self) {
        until("nothing is in doubt", || self.state().in_use() == 0);
    }

    fn is_held(&self, key: &str) -> bool {
        self.state().held(self.state().key(key), Kind::Exclusive).is_some()
    }
}

async fn serve(listener: TcpListener, pipeline: Guarded, mut stopped: watch::Receiver<bool>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut server = auto::Builder::new(TokioExecutor::new());
    // A client that ends its side has left, as before the real listener.
    server.http1().timer(TokioTimer::new());
    for connection in 0.. {
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        stream.set_nodelay(true).unwrap();
        let pipeline = pipeline.clone();
        let peer = Peer { address, connection };
        let service = service_fn(move |request| {
            let pipeline = pipeline.clone();
            async move { Ok::<_, Infallible>(pipeline.handle_from(Some(peer), request).await.unwrap()) }
        });
        // How it ends is the client's business.
        drop(tokio::spawn(server.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned()));
    }
}
