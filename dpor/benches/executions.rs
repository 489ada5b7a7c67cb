//! What an execution costs under this crate and under shuttle's own schedulers, for the same
//! protocol: one walker, `t` adjusters of `k` rounds, a lock. Executions per second, side by side.
#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dpor::memory::Word;
use dpor::{Access, Budget, Explorer, JoinHandle, Memory, ObjectId, Strategy};
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, UrwRandomScheduler};
use shuttle::sync::Mutex;
use shuttle::{Config, Runner};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

#[path = "../tests/common/mod.rs"]
mod common;

/// The same protocol with shuttle's primitives.
fn shuttle_family(n: usize, t: usize, k: usize) -> impl Fn() + Send + Sync + 'static {
    move || {
        let page = Arc::new(Mutex::new(()));
        let anon = Arc::new(Mutex::new(vec![(0i64, 2i64); n]));
        let mut tasks = Vec::new();
        {
            let (page, anon) = (Arc::clone(&page), Arc::clone(&anon));
            tasks.push(shuttle::thread::spawn(move || {
                let _page = page.lock().unwrap();
                let vmas = anon.lock().unwrap();
                assert!(vmas.iter().all(|(start, end)| start + 1 < *end));
            }));
        }
        for adjuster in 0..t {
            let anon = Arc::clone(&anon);
            tasks.push(shuttle::thread::spawn(move || {
                for round in 0..k as i64 {
                    anon.lock().unwrap()[adjuster % n] = (round + 1, round + 3);
                }
            }));
        }
        for task in tasks {
            task.join().unwrap();
        }
    }
}

fn executions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("executions");
    group.sample_size(20);
    for (t, k, count) in [(2, 1, 6), (3, 2, 630)] {
        let program = format!("T{t}K{k}");
        group.throughput(Throughput::Elements(count));
        let mut ours = |name: &str, strategy: Strategy| {
            group.bench_function(BenchmarkId::new(name, &program), |bencher| {
                bencher.iter(|| {
                    let explorer = Explorer::new(strategy.clone())
                        .budget(Budget { executions: Some(count), time: None });
                    let report = explorer.run(common::family(common::Variant::FixedPlain, 2, t, k));
                    assert_eq!(report.executions, count);
                });
            });
        };
        ours("dpor", Strategy::Dpor);
        ours("dpor: random", Strategy::Random { seed: 1, iterations: count });
        ours("dpor: dfs", Strategy::Dfs);
        let theirs = |scheduler: Box<dyn shuttle::scheduler::Scheduler + Send>| {
            let mut config = Config::new();
            config.failure_persistence = shuttle::FailurePersistence::None;
            Runner::new(scheduler, config).run(shuttle_family(2, t, k));
        };
        let most = count as usize;
        group.bench_function(BenchmarkId::new("shuttle: random", &program), |bencher| {
            bencher.iter(|| theirs(Box::new(RandomScheduler::new_from_seed(1, most))));
        });
        group.bench_function(BenchmarkId::new("shuttle: dfs", &program), |bencher| {
            bencher.iter(|| theirs(Box::new(DfsScheduler::new(Some(most), false))));
        });
        group.bench_function(BenchmarkId::new("shuttle: pct", &program), |bencher| {
            bencher.iter(|| theirs(Box::new(PctScheduler::new_from_seed(1, 3, most))));
        });
        group.bench_function(BenchmarkId::new("shuttle: urw", &program), |bencher| {
            bencher.iter(|| theirs(Box::new(UrwRandomScheduler::new_from_seed(1, most))));
        });
    }
    group.finish();
}

/// What three tasks that store, load and exchange take, a cell of shared memory at a time.
trait Shared: Clone + 'static {
    fn new() -> Self;
    fn store(&self, value: u64);
    fn load(&self) -> u64;
    fn swap(&self, value: u64) -> u64;
}

/// One that announces its steps itself.
#[derive(Clone)]
struct Stepped(ObjectId, Rc<Cell<u64>>);

impl Shared for Stepped {
    fn new() -> Self {
        Self(dpor::object(), Rc::default())
    }

    fn store(&self, value: u64) {
        dpor::step(self.0, Access::Write);
        self.1.set(value);
    }

    fn load(&self) -> u64 {
        dpor::step(self.0, Access::Read);
        dpor::observed(self.1.get());
        self.1.get()
    }

    fn swap(&self, value: u64) -> u64 {
        dpor::step(self.0, Access::Rmw);
        dpor::observed(self.1.get());
        self.1.replace(value)
    }
}

/// One that a memory model may make something else of.
impl Shared for Word {
    fn new() -> Self {
        Word::new(0)
    }

    fn store(&self, value: u64) {
        Word::store(self, value, Relaxed);
    }

    fn load(&self) -> u64 {
        Word::load(self, Relaxed)
    }

    fn swap(&self, value: u64) -> u64 {
        Word::swap(self, value, Relaxed)
    }
}

fn accesses<S: Shared>() {
    let cells: [S; 3] = std::array::from_fn(|_| S::new());
    let tasks: Vec<_> = (0..3)
        .map(|task| {
            let cells = cells.clone();
            dpor::spawn("task", move || {
                cells[task].store(1);
                let seen = cells[(task + 1) % 3].load();
                cells[0].swap(seen);
                cells[(task + 2) % 3].load();
            })
        })
        .collect();
    tasks.into_iter().for_each(JoinHandle::join);
}

/// What it costs that a word could be weaker, where it is not and where it is.
fn words(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("words");
    let mut all = |name: &str, memory: Memory, program: fn()| {
        let explore = move || Explorer::new(Strategy::Dpor).memory(memory).run(program);
        let report = explore();
        assert!(report.exhausted, "{report}");
        group.throughput(Throughput::Elements(report.executions));
        group.bench_function(name, |bencher| bencher.iter(explore));
    };
    all("steps", Memory::Sc, accesses::<Stepped>);
    all("words", Memory::Sc, accesses::<Word>);
    all("words: tso", Memory::Tso, accesses::<Word>);
    all("words: pso", Memory::Pso, accesses::<Word>);
    all("words: weak", Memory::Weak, accesses::<Word>);
    group.finish();
}

criterion_group!(benches, executions, words);
criterion_main!(benches);
