//! Times what `sealwire_compute::speed` prepares: the best of some runs, as a table.
//!
//! `cargo run --release -p sealwire-compute --example speed [THREADS [PART OF A NAME]]`
//!
//! On one thread (the default) under Linux it is the thread's own time on a processor, so that a busy
//! machine doesn't make it look slow; else it is time by the clock.

use std::time::{Duration, Instant};

use rand::{SeedableRng as _, rngs::StdRng};
use sealwire_compute::speed;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let threads = arguments
        .next()
        .map_or(1, |text| text.parse().expect("a number of threads"));
    let only = arguments.next().unwrap_or_default();
    let tasks = speed::tasks(|| StdRng::seed_from_u64(1));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads");
    println!("{threads} threads");
    let chosen = tasks
        .into_iter()
        .filter(|task| format!("{} {}", task.set, task.what).contains(&only));
    pool.install(|| chosen.for_each(|task| measure(task, threads == 1)));
}

/// Time that this thread has run on a processor, where the system says it.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// A sample is so long at least: the system counts a thread's time in ticks of some milliseconds.
const SAMPLE: Duration = Duration::from_millis(100);

fn measure(mut task: speed::Task, alone: bool) {
    let (mut best, started) = (Duration::MAX, Instant::now());
    for sample in 0.. {
        let before = processor_time().filter(|_| alone);
        let (start, mut runs) = (Instant::now(), 0);
        while runs == 0 || start.elapsed() < SAMPLE {
            task.run();
            runs += 1;
        }
        let by_clock = start.elapsed();
        let used = before.and_then(|before| Some(processor_time()? - before));
        best = best.min(used.unwrap_or(by_clock) / runs);
        if sample >= 2 && started.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    let each = best.as_nanos() as f64 / 1e3 / task.count as f64;
    let target = task
        .target_us
        .map_or(String::new(), |us| format!("  target {} ms", us / 1000));
    println!(
        "{:15} {:24} {:7} {:11} {:9.2} ms  {each:9.2} us each{target}",
        task.set,
        task.what,
        task.count,
        task.unit,
        best.as_secs_f64() * 1e3,
    );
}
