//! The cells that are small enough to be repeated. `cargo bench -p lockwalk-bench`.
#![allow(missing_docs)]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lockwalk_bench::{Size, Variant, engine_names, exhaust_with};

fn engines(criterion: &mut Criterion) {
    for (variant, size) in [
        (Variant::FixedPlain, Size::new(2, 2, 1)),
        (Variant::FixedAtomic, Size::new(2, 2, 1)),
        (Variant::NoAssert, Size::new(1, 1, 1)),
    ] {
        let mut group = criterion.benchmark_group(format!("exhaust {variant} {size}"));
        group.sample_size(10);
        for name in engine_names() {
            let once = || {
                exhaust_with(name, variant, size, Duration::from_millis(500))
                    .expect("the engine is in the list")
            };
            // What does not finish has no time.
            if once().finished() {
                group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                    bencher.iter(once)
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, engines);
criterion_main!(benches);
