// tokio: tasks, its locks, channels, timers. TOKIO_THREADS says which runtime: 1 is the current-thread runtime, as the
// loops that it stands beside are; 0 the multi-thread runtime with its default number of threads. Everything runs in
// spawned tasks, because the future that block_on is given is polled less often.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, Mutex, Notify};
use tokio::task::{spawn, yield_now, JoinSet};
use tokio::time::{sleep_until, Instant, Sleep};

const MANY: usize = 1000;
const FIRST_RANDOM: u64 = 88172645463325252;

// The processor time of this process, all its threads, in nanoseconds.
fn now() -> f64 {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }
    const PROCESS_CPUTIME: i32 = 2;
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    unsafe { clock_gettime(PROCESS_CPUTIME, &mut time) };
    time.seconds as f64 * 1e9 + time.nanoseconds as f64
}

// The same numbers as in bench.h.
fn next_random(state: &mut u64) -> u64 {
    let mut x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    x
}

// Nanoseconds that two tasks take together.
async fn together<A, B>(one: A, other: B) -> f64
where
    A: Future<Output = ()> + Send + 'static,
    B: Future<Output = ()> + Send + 'static,
{
    let begin = now();
    let (one, other) = (spawn(one), spawn(other));
    one.await.unwrap();
    other.await.unwrap();
    now() - begin
}

async fn yield_among(n: usize, count: usize) -> f64 {
    let rounds = count / n;
    let begin = now();
    let tasks: Vec<_> = (0..n)
        .map(|_| {
            spawn(async move {
                for _ in 0..rounds {
                    yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    (now() - begin) / (rounds * n) as f64
}

async fn spawn_join(count: usize) -> f64 {
    let begin = now();
    for _ in 0..count {
        spawn(async {}).await.unwrap();
    }
    (now() - begin) / count as f64
}

// Once both want it, every release hands it to the other, because a newcomer stands behind who waits.
async fn lock_rounds(lock: Arc<Mutex<()>>, rounds: usize) {
    for i in 0..rounds {
        let _guard = lock.lock().await;
        if i == 0 {
            yield_now().await;
        }
    }
}

async fn lock_handoff(count: usize) -> f64 {
    let lock = Arc::new(Mutex::new(()));
    let rounds = count / 2;
    together(lock_rounds(lock.clone(), rounds), lock_rounds(lock, rounds)).await / (2 * rounds) as f64
}

async fn contended_rounds(lock: Arc<Mutex<()>>, rounds: usize) {
    for _ in 0..rounds {
        let _guard = lock.lock().await;
        yield_now().await;
    }
}

async fn lock_contended(count: usize) -> f64 {
    let lock = Arc::new(Mutex::new(()));
    let rounds = count / 2;
    together(contended_rounds(lock.clone(), rounds), contended_rounds(lock, rounds)).await / (2 * rounds) as f64
}

async fn event_rounds(mine: Arc<Notify>, theirs: Arc<Notify>, rounds: usize) {
    for _ in 0..rounds {
        mine.notified().await;
        theirs.notify_one();
    }
}

async fn event_wake(count: usize) -> f64 {
    let (ping, pong) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let rounds = count / 2;
    ping.notify_one();
    together(event_rounds(ping.clone(), pong.clone(), rounds), event_rounds(pong, ping, rounds)).await
        / (2 * rounds) as f64
}

async fn event_broadcast_1000(count: usize) -> f64 {
    let rounds = count / MANY;
    let event = Arc::new(Notify::new());
    // A waiter counts when it stands in the list: it is polled once before it says so.
    let waiting = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..MANY)
        .map(|_| {
            let (event, waiting) = (event.clone(), waiting.clone());
            spawn(async move {
                for _ in 0..rounds {
                    let notified = event.notified();
                    tokio::pin!(notified);
                    notified.as_mut().enable();
                    waiting.fetch_add(1, Ordering::Relaxed);
                    notified.await;
                }
            })
        })
        .collect();
    while waiting.load(Ordering::Relaxed) < MANY {
        yield_now().await;
    }
    let begin = now();
    for i in 2..=rounds {
        event.notify_waiters();
        while waiting.load(Ordering::Relaxed) < i * MANY {
            yield_now().await;
        }
    }
    event.notify_waiters();
    for task in tasks {
        task.await.unwrap();
    }
    (now() - begin) / (rounds * MANY) as f64
}

async fn pass(mut from: mpsc::UnboundedReceiver<usize>, to: mpsc::UnboundedSender<usize>, rounds: usize) {
    for _ in 0..rounds {
        let item = from.recv().await.unwrap();
        // The last one may find the other gone.
        let _ = to.send(item);
    }
}

async fn queue_put_get(count: usize) -> f64 {
    let (to_there, there) = mpsc::unbounded_channel();
    let (to_back, back) = mpsc::unbounded_channel();
    let rounds = count / 2;
    to_back.send(1).unwrap();
    together(pass(there, to_back, rounds), pass(back, to_there, rounds)).await / (2 * rounds) as f64
}

async fn queue_1(count: usize) -> f64 {
    let (to, mut from) = mpsc::channel::<usize>(1);
    let producer = async move {
        for i in 0..count {
            to.send(i).await.unwrap();
        }
    };
    let consumer = async move { while from.recv().await.is_some() {} };
    together(producer, consumer).await / count as f64
}

async fn queue_unbounded(count: usize) -> f64 {
    let (to, mut from) = mpsc::unbounded_channel::<usize>();
    let bursts = count / MANY;
    let producer = async move {
        for _ in 0..bursts {
            for i in 0..MANY {
                to.send(i).unwrap();
            }
            yield_now().await;
        }
    };
    let consumer = async move { while from.recv().await.is_some() {} };
    together(producer, consumer).await / (bursts * MANY) as f64
}

// What is handed over is where the answer goes.
struct Answer(oneshot::Sender<Answer>);

async fn answers(mut from: oneshot::Receiver<Answer>, rounds: usize) {
    for _ in 0..rounds {
        let Answer(to) = match from.await {
            Ok(answer) => answer,
            Err(_) => return,
        };
        let (sender, receiver) = oneshot::channel();
        from = receiver;
        // The last one may find the other gone.
        let _ = to.send(Answer(sender));
    }
}

async fn future_pingpong(count: usize) -> f64 {
    let rounds = count / 2;
    let (to_one, one) = oneshot::channel();
    let (to_other, other) = oneshot::channel();
    to_one.send(Answer(to_other)).ok();
    together(answers(one, rounds), answers(other, rounds)).await / (2 * rounds) as f64
}

async fn create_and_run() -> f64 {
    static RAN: AtomicUsize = AtomicUsize::new(0);
    let begin = now();
    RAN.store(0, Ordering::Relaxed);
    for _ in 0..MANY {
        spawn(async {
            RAN.fetch_add(1, Ordering::Relaxed);
        });
    }
    while RAN.load(Ordering::Relaxed) < MANY {
        yield_now().await;
    }
    now() - begin
}

async fn spawn_1000(count: usize) -> f64 {
    let mut sum = 0.0;
    for _ in 0..count / MANY {
        sum += create_and_run().await;
    }
    sum / (count / MANY * MANY) as f64
}

async fn gather_1000(count: usize) -> f64 {
    let mut sum = 0.0;
    for _ in 0..count / MANY {
        sum -= create_and_run().await;
        let begin = now();
        let tasks: Vec<_> = (0..MANY).map(|i| spawn(async move { i })).collect();
        let mut results = Vec::with_capacity(MANY);
        for task in tasks {
            results.push(task.await.unwrap());
        }
        sum += now() - begin;
    }
    sum / (count / MANY * MANY) as f64
}

async fn as_completed_1000(count: usize) -> f64 {
    let mut sum = 0.0;
    for _ in 0..count / MANY {
        sum -= create_and_run().await;
        let begin = now();
        let mut tasks = JoinSet::new();
        for i in 0..MANY {
            tasks.spawn(async move { i });
        }
        while tasks.join_next().await.is_some() {}
        sum += now() - begin;
    }
    sum / (count / MANY * MANY) as f64
}

// A thread that is none of the runtime's sends through a channel.
async fn cross_thread(count: usize, at_a_time: usize) -> f64 {
    let (to, mut from) = mpsc::unbounded_channel::<usize>();
    let (done, all_have_run) = std::sync::mpsc::sync_channel::<()>(1);
    let bursts = count / at_a_time;
    let begin = now();
    let thread = std::thread::spawn(move || {
        for _ in 0..bursts {
            for i in 0..at_a_time {
                to.send(i).unwrap();
            }
            all_have_run.recv().unwrap();
        }
    });
    let mut called = 0;
    while from.recv().await.is_some() {
        called += 1;
        if called % at_a_time == 0 {
            done.send(()).unwrap();
        }
    }
    thread.join().unwrap();
    (now() - begin) / called as f64
}

// Jobs for the pool of threads that may block, all of a burst before any is awaited.
async fn to_thread(count: usize, at_a_time: usize) -> f64 {
    tokio::task::spawn_blocking(|| 0).await.unwrap();
    let bursts = count / at_a_time;
    let begin = now();
    for _ in 0..bursts {
        let jobs: Vec<_> = (0..at_a_time).map(|i| tokio::task::spawn_blocking(move || i)).collect();
        for job in jobs {
            job.await.unwrap();
        }
    }
    (now() - begin) / (bursts * at_a_time) as f64
}

// Arms timers by polling each once. One task has them all, which is the cheapest way; its budget would make it yield
// all the time.
struct Arm<'a>(&'a mut Vec<Pin<Box<Sleep>>>);

impl Future for Arm<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        for timer in self.0.iter_mut() {
            let _ = timer.as_mut().poll(context);
        }
        Poll::Ready(())
    }
}

async fn armed(deadlines: impl Iterator<Item = Instant>) -> Vec<Pin<Box<Sleep>>> {
    let mut timers: Vec<_> = deadlines.map(|deadline| Box::pin(sleep_until(deadline))).collect();
    tokio::task::unconstrained(Arm(&mut timers)).await;
    timers
}

async fn arm_and_cancel(count: usize) {
    let start = Instant::now() + Duration::from_secs(60);
    let mut state = FIRST_RANDOM;
    drop(armed((0..count).map(|_| start + Duration::from_millis(next_random(&mut state) % 3540000))).await);
}

async fn timers_arm_cancel(count: usize) -> f64 {
    arm_and_cancel(count).await;
    let begin = now();
    arm_and_cancel(count).await;
    (now() - begin) / count as f64
}

async fn timers_fire(count: usize) -> f64 {
    let start = Instant::now() + Duration::from_secs(1);
    let mut state = FIRST_RANDOM;
    let timers = armed((0..count).map(|_| start + Duration::from_nanos(next_random(&mut state) % 1000000000))).await;
    std::thread::sleep(start + Duration::from_millis(1001) - Instant::now());
    let begin = now();
    tokio::task::unconstrained(async {
        for timer in timers {
            timer.await;
        }
    })
    .await;
    (now() - begin) / count as f64
}

async fn run(name: String, count: usize) -> Option<f64> {
    Some(match name.as_str() {
        "yield_2" => yield_among(2, count).await,
        "yield_10000" => yield_among(10000, count).await,
        "spawn_join" => spawn_join(count).await,
        "lock_handoff" => lock_handoff(count).await,
        "lock_contended" => lock_contended(count).await,
        "event_wake" => event_wake(count).await,
        "event_broadcast_1000" => event_broadcast_1000(count).await,
        "queue_put_get" => queue_put_get(count).await,
        "queue_1" => queue_1(count).await,
        "queue_unbounded" => queue_unbounded(count).await,
        "future_pingpong" => future_pingpong(count).await,
        "spawn_1000" => spawn_1000(count).await,
        "gather_1000" => gather_1000(count).await,
        "as_completed_1000" => as_completed_1000(count).await,
        "cross_thread_1" => cross_thread(count, 1).await,
        "cross_thread_1000" => cross_thread(count, 1000).await,
        "to_thread_1" => to_thread(count, 1).await,
        "to_thread_100" => to_thread(count, 100).await,
        "timers_arm_cancel" => timers_arm_cancel(count).await,
        "timers_fire" => timers_fire(count).await,
        _ => return None,
    })
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let runtime = if std::env::var("TOKIO_THREADS").map_or(false, |threads| threads == "1") {
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()
    } else {
        tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(4).build()
    }
    .unwrap();
    if words.len() != 3 {
        eprintln!("usage: tokio_micro NAME COUNT");
        std::process::exit(2);
    }
    let (name, count) = (words[1].clone(), words[2].parse().unwrap());
    match runtime.block_on(async { spawn(run(name, count)).await.unwrap() }) {
        Some(figure) => println!("{:.3}", figure),
        None => {
            eprintln!("tokio_micro: no benchmark '{}'", words[1]);
            std::process::exit(2);
        }
    }
}
