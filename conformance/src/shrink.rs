//! Shrinking: the shortest part of a script that still differs.

/// The shortest part of `script` that is still `interesting`, as far as leaving out one piece or
/// another gets: delta debugging, ending with single operations. `script` itself must be
/// interesting.
pub fn shrink<T: Clone>(script: &[T], mut interesting: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut kept = script.to_vec();
    let mut size = kept.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let before = kept.len();
        while at < kept.len() {
            let mut without = kept.clone();
            without.drain(at..(at + size).min(kept.len()));
            if !without.is_empty() && interesting(&without) {
                kept = without;
            } else {
                at += size;
            }
        }
        if size > 1 {
            size = size.div_ceil(2);
        } else if kept.len() == before {
            return kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::shrink;

    #[test]
    fn what_is_needed_is_left() {
        let script: Vec<u32> = (0..40).collect();
        let needs = |part: &[u32]| [3, 17, 38].iter().all(|needed| part.contains(needed));
        assert_eq!(shrink(&script, needs), [3, 17, 38]);
    }
}
