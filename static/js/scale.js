// Scales that are straight between two knots.

/** The value among `values` at which `at` stands among the ascending `places`. */
export function between(places, values, at) {
  let low = 0;
  let high = places.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (places[middle] <= at) low = middle;
    else high = middle;
  }
  const length = places[high] - places[low];
  return length ? values[low] + ((at - places[low]) / length) * (values[high] - values[low]) : values[high];
}
