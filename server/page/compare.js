// Comparison of rankings, and number formats.

// kendall returns Kendall's tau of two orders of the same items: 1 if they are equal, -1 if
// one is the reverse of the other. A merge sort counts the inversions.
export function kendall(first, second) {
  const n = first.length;
  if (n < 2) return 1;
  const place = new Map(first.map((x, i) => [x, i]));
  let swapped = 0;
  const sort = (list) => {
    if (list.length < 2) return list;
    const middle = list.length >> 1;
    const left = sort(list.slice(0, middle)), right = sort(list.slice(middle));
    const merged = [];
    let l = 0, r = 0;
    while (l < left.length && r < right.length) {
      if (left[l] < right[r]) merged.push(left[l++]);
      else {
        swapped += left.length - l;
        merged.push(right[r++]);
      }
    }
    return [...merged, ...left.slice(l), ...right.slice(r)];
  };
  sort(second.map((x) => place.get(x)));
  return 1 - (4 * swapped) / (n * (n - 1));
}

// number formats a score so that small ones, such as 2e-5 and 1e-5, stay distinguishable.
export function number(x) {
  if (x !== 0 && Math.abs(x) < 0.001) return x.toExponential(2);
  return x.toFixed(4);
}

export const count = (n, thing) => `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;

// share returns the length of a bar, from 0 to 1. Logits are scaled from the list's lowest,
// whose bar stays visible, to its highest.
export function share(result, range, by) {
  if (by === "probability") return Math.min(1, Math.max(0, result.score));
  if (range.high === range.low) return 1;
  return 0.03 + (0.97 * (result.logit - range.low)) / (range.high - range.low);
}
