//! Programs with one instruction less, again and again.

/// The smallest program, task by task, of which `fails` still holds.
pub fn smallest<I: Clone>(
    mut program: Vec<Vec<I>>,
    fails: impl Fn(&Vec<Vec<I>>) -> bool,
) -> Vec<Vec<I>> {
    let one_less = |program: &Vec<Vec<I>>| {
        let places = (0..program.len())
            .flat_map(|task| (0..program[task].len()).map(move |place| (task, place)));
        let without = places.map(|(task, place)| {
            let mut fewer = program.clone();
            fewer[task].remove(place);
            fewer
        });
        without.collect::<Vec<_>>()
    };
    while let Some(smaller) = one_less(&program).into_iter().find(&fails) {
        program = smaller;
    }
    program
}
