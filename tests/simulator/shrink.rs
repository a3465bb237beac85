//! Making a history that fails shorter: what can be left out without its coming right is left out.

use crate::history::Op;

/// The operations that are left when leaving out any one more makes it right: halves first, single ones last. Where chance
/// of the machine has a part in it, such as the moment of a death, more may be left.
pub async fn shrink(history: Vec<Op>, fails: impl AsyncFn(&[Op]) -> bool) -> Vec<Op> {
    let mut ops = history;
    let mut size = ops.len().div_ceil(2);
    while size > 0 {
        let mut is_shorter = false;
        let mut at = 0;
        while at < ops.len() {
            let mut without = ops.clone();
            without.drain(at..ops.len().min(at + size));
            if fails(without.as_slice()).await {
                ops = without;
                is_shorter = true;
            } else {
                at += size;
            }
        }
        // Single ones are tried until none can be left out.
        if size > 1 || !is_shorter {
            size /= 2;
        }
    }
    ops
}

#[tokio::test]
async fn what_does_not_matter_is_left_out() {
    let step = |seconds| Op::Step { seconds };
    let history: Vec<Op> = (0..23).map(step).collect();
    let matters = |ops: &[Op]| ops.contains(&step(3)) && ops.contains(&step(17));
    let shrunk = shrink(history.clone(), async |ops: &[Op]| matters(ops)).await;
    assert_eq!(shrunk, [step(3), step(17)]);
    let all = shrink(history.clone(), async |ops: &[Op]| ops.len() == 23).await;
    assert_eq!(all, history);
    let none = shrink(history, async |_ops: &[Op]| true).await;
    assert_eq!(none, []);
}
