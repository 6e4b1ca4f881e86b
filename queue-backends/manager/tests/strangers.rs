//! Many who have no key, some who have one and misbehave, and an honest client among them.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use fixture::{
    raw::{LONG, Raw, rest, secure},
    tcp::{Fort, client, key, place},
};
use skep_manager::{
    Grant, Manager, Role,
    link::prelude::Prelude,
    server::Config,
    wire::{self, Frame, Frames, Request, VERSIONS, frame::MORE},
};
use skep_queue::{
    Admin, Block, Clock, Random, Submission,
    admin::Filter,
    clock::{SystemClock, SystemRandom},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{codec::Encoder, sync::CancellationToken, task::TaskTracker};

/// Whether the long forms are wanted.
fn long() -> bool {
    std::env::var_os("SKEP_LONG").is_some()
}

/// What this process has in memory, in bytes.
fn memory() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// As many descriptors as there may be: strangers need some.
fn descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// Strangers that come again some seconds after they were sent away. They run on a thread of their own that gives way
/// to others, since in earnest they are on machines of their own.
struct Crowd {
    thread: thread::JoinHandle<()>,
    stop: CancellationToken,
    connections: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
}

impl Crowd {
    /// So many; each says the next of these bytes every second, or nothing.
    fn gather(at: SocketAddr, most: usize, says: &'static [u8]) -> Self {
        let (stop, connections, answered) = (CancellationToken::new(), Arc::default(), Arc::default());
        let (token, came, told) = (stop.clone(), Arc::clone(&connections), Arc::clone(&answered));
        let strangers = move || {
            let _ = rustix::process::setpriority_process(None, 19);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let tasks = TaskTracker::new();
            for one in 0..most {
                let stranger = stranger(one, at, says, Arc::clone(&came), Arc::clone(&told));
                let token = token.clone();
                tasks.spawn_on(async move { token.run_until_cancelled(stranger).await }, runtime.handle());
            }
            tasks.close();
            runtime.block_on(tasks.wait());
        };
        Self { thread: thread::spawn(strangers), stop, connections, answered }
    }

    fn disperse(self) -> (usize, usize) {
        self.stop.cancel();
        self.thread.join().unwrap();
        (self.connections.load(Relaxed), self.answered.load(Relaxed))
    }
}

/// One of them, from one of 50 addresses.
async fn stranger(one: usize, at: SocketAddr, says: &[u8], came: Arc<AtomicUsize>, told: Arc<AtomicUsize>) {
    let from = SocketAddr::from(([127, 0, 1, (one % 50) as u8 + 1], 0));
    // Not all at the same moment.
    let pause = || Duration::from_secs_f64(10.0 * SystemRandom.fraction());
    sleep(pause() / 10).await;
    loop {
        if let Ok(stream) = connect(from, at).await {
            came.fetch_add(1, Relaxed);
            told.fetch_add(linger(stream, says).await, Relaxed);
        }
        sleep(pause()).await;
    }
}

async fn connect(from: SocketAddr, at: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(from)?;
    socket.connect(at).await
}

/// Stays until it is sent away; how many bytes it was told.
async fn linger(stream: TcpStream, says: &[u8]) -> usize {
    let (mut reader, mut writer) = stream.into_split();
    let saying = async {
        for byte in says {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut told = Vec::new();
    tokio::select! {
        _ = reader.read_to_end(&mut told) => {}
        () = saying => {}
    }
    told.len()
}

/// The 99th percentile of so many pings, one after the other.
async fn p99(honest: &Manager, pings: usize) -> Duration {
    let mut times = Vec::with_capacity(pings);
    for _ in 0..pings {
        let begun = SystemClock.elapsed();
        timeout(LONG, honest.drones()).await.expect("an honest client is answered").unwrap();
        times.push(SystemClock.elapsed() - begun);
    }
    times.sort_unstable();
    times[pings * 99 / 100]
}

/// The honest client neither loses its link nor fails to get another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_strangers_keep_nobody_out() {
    descriptors();
    let fort = Fort::new(Config::default());
    let honest = client(place(fort.at, &fort.key));
    let pings = if long() { 20_000 } else { 1_000 };
    let rounds = async || {
        let mut rounds = Vec::new();
        for _ in 0..3 {
            rounds.push(p99(&honest, pings).await);
        }
        rounds
    };
    p99(&honest, 200).await;
    let mut alone = rounds().await;
    // Those who say something begin as if they had a key.
    let says: &[u8] = b"skeplnk1\x42\x01\x01\x00";
    let crowds = [Crowd::gather(fort.at, 1_000, b""), Crowd::gather(fort.at, 1_000, says)];
    let seen = |crowds: &[Crowd; 2]| crowds.iter().map(|c| c.connections.load(Relaxed)).sum::<usize>();
    let gathered = async {
        while seen(&crowds) < 2_000 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG * 3, gathered).await.expect("the strangers come");
    let mut among = rounds().await;
    for _ in 0..20 {
        p99(&client(place(fort.at, &fort.key)), 1).await;
    }
    let [half_open, slow] = crowds;
    let ((first, told), (second, also_told)) = (half_open.disperse(), slow.disperse());
    alone.extend(rounds().await);
    alone.sort_unstable();
    among.sort_unstable();
    let ratio = among[1].as_secs_f64() / alone[2].as_secs_f64();
    eprintln!(
        "p99 of rounds of {pings} requests: {alone:?} alone, {among:?} among strangers (ratio of medians {ratio:.2}); \
         {first} + {second} came"
    );
    assert_eq!(told + also_told, 0, "not a byte to a stranger");
}

/// From one address at most eight wait, from all 64: those that came first are sent away.
#[tokio::test]
async fn the_oldest_stranger_goes_for_the_next() {
    let fort = Fort::new(Config::default());
    let from = |address: u8| SocketAddr::from(([127, 0, 2, address], 0));
    let mut oldest = connect(from(1), fort.at).await.unwrap();
    let begun = SystemClock.elapsed();
    let mut others = Vec::new();
    for _ in 0..8 {
        others.push(connect(from(1), fort.at).await.unwrap());
    }
    assert_eq!(rest(&mut oldest).await, b"");
    for address in 2..9 {
        for _ in 0..8 {
            others.push(connect(from(address), fort.at).await.unwrap());
        }
    }
    others.push(connect(from(9), fort.at).await.unwrap());
    assert_eq!(rest(&mut others[0]).await, b"");
    let took = SystemClock.elapsed() - begun;
    eprintln!("sent away after {took:?}, before the two seconds of the handshake");
    // The one that came last is let alone until its time is over.
    assert_eq!(rest(others.last_mut().unwrap()).await, b"");
    assert!(SystemClock.elapsed() - begun > Duration::from_millis(1_900));
}

/// Who asks and never reads is not read any more, and then let go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_costs_little() {
    let fort = Fort::new(Config { write_timeout: Duration::from_secs(1), ..Config::default() });
    let honest = client(place(fort.at, &fort.key));
    let block = Block::one("a".parse().unwrap(), vec![b'1'; 100_000], &SystemClock, &SystemRandom);
    let id = block.id.task(0);
    skep_queue::Queue::submit(&*honest, Submission::whole(vec![block])).await.unwrap();
    let mut stream = secure(fort.at, &fort.key).await.unwrap();
    let (before, mut most) = (memory(), 0);
    let question = wire::encode(&Request::Task { id }).unwrap();
    let asking = async {
        // Answers of 100 GB in all, had they been made.
        for id in 1..1_000_000 {
            let mut frame = BytesMut::new();
            Frames.encode(Frame { id, flags: 0, bytes: question.clone() }, &mut frame).unwrap();
            if stream.write_all(&frame).await.is_err() || stream.flush().await.is_err() {
                return id;
            }
            most = most.max(memory());
        }
        unreachable!("it was let go");
    };
    let asked = timeout(LONG * 3, asking).await.expect("the link ends");
    let grown = most.saturating_sub(before) >> 20;
    eprintln!("{asked} requests of {} bytes were taken, and memory grew by {grown} MiB", question.len());
    assert!(grown < 64, "{grown} MiB");
    honest.drones().await.unwrap();
}

/// Frames of every kind of nonsense, from strangers and from who has a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_borne() {
    let frames: usize = if long() { 1_000_000 } else { 20_000 };
    let fort = Fort::new(Config::default());
    let mut chance = Chance(0x5eed);
    let good = [
        wire::encode(&Request::Ping).unwrap(),
        wire::encode(&Request::Find(Filter { limit: 1, ..Filter::default() })).unwrap(),
        wire::encode(&Request::Submit(Submission::whole(vec![]))).unwrap(),
    ];
    let (mut link, mut links, mut told, mut warm) = (None, 0, 0, None);
    for number in 0..frames {
        if number % 100 == 0 {
            told += strange(&fort, &mut chance).await;
        }
        if number == frames / 4 {
            warm = Some(memory());
        }
        let raw = match &mut link {
            Some(raw) => raw,
            none => {
                links += 1;
                none.insert(Raw::tcp(fort.at, &fort.key).await)
            }
        };
        let nonsense = chance.nonsense(&good);
        if !chance.next().is_multiple_of(10) {
            // Well framed: it is answered, in words.
            raw.sender.send(1, 0, nonsense, None);
            let answer = timeout(LONG, raw.receiver.next()).await.expect("an answer").unwrap();
            assert_eq!(answer.expect("the link lives").id, 1);
            continue;
        }
        // Badly framed: a flag that there is not, or another message within one.
        let flags = [0x80, MORE][chance.next() as usize % 2];
        raw.sender.send(2, flags, nonsense, None);
        raw.sender.send(3, flags, Bytes::new(), None);
        while let Ok(Some(_)) = timeout(LONG, raw.receiver.next()).await.expect("the link ends") {}
        link = None;
    }
    let grown = memory().saturating_sub(warm.unwrap()) >> 20;
    eprintln!(
        "{frames} frames over {links} links, and {} strangers: memory grew by {grown} MiB",
        frames / 100
    );
    assert_eq!(told, 0, "not a byte to a stranger");
    assert!(grown < 32, "{grown} MiB");
    Raw::tcp(fort.at, &fort.key).await.ask(&Request::Ping).await.unwrap();
}

/// One stranger who says something odd; what it was told.
async fn strange(fort: &Fort, chance: &mut Chance) -> usize {
    let mut stream = TcpStream::connect(fort.at).await.unwrap();
    let (versions, key) = (VERSIONS.to_vec(), fort.key.id);
    let prelude = Prelude { versions, key, role: Role::Admin, server: "skep".into() };
    let mut says = prelude.to_bytes();
    says.extend((0..48).map(|_| chance.next() as u8));
    for _ in 0..chance.next() % 3 {
        let at = chance.next() as usize % says.len();
        // Not the length: what is missing would be waited for.
        if at != 8 {
            says[at] = chance.next() as u8;
        }
    }
    let _ = stream.write_all(&says).await;
    rest(stream).await.len()
}

/// Numbers that look like chance, and are the same every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    /// A message that is cut, lengthened or changed.
    fn nonsense(&mut self, good: &[Bytes]) -> Bytes {
        let mut bytes = good[self.next() as usize % good.len()].to_vec();
        match self.next() % 3 {
            0 => bytes.truncate(self.next() as usize % bytes.len()),
            1 => bytes.extend((0..self.next() % 64).map(|at| at as u8)),
            _ => {
                let at = self.next() as usize % bytes.len();
                bytes[at] = self.next() as u8;
            }
        }
        bytes.into()
    }
}

/// One whose key is good for little is bounded like any other.
#[tokio::test]
async fn a_message_that_never_ends_is_cut_off() {
    let fort = Fort::new(Config::default());
    let key = key(fort.folder(), Grant::of(Role::Submit));
    let Raw { mut receiver, sender, .. } = Raw::tcp(fort.at, &key).await;
    let before = memory();
    let part = Bytes::from(vec![0; 1 << 20]);
    for _ in 0..64 {
        sender.send(1, MORE, part.clone(), None);
    }
    let ended = timeout(LONG, receiver.next()).await.expect("the link ends");
    assert!(!matches!(ended, Ok(Some(_))));
    eprintln!("memory grew by {} MiB", memory().saturating_sub(before) >> 20);
}
