// The quiet plot on the bar: output over time, one column for each few pixels, and a thin line where nothing happened.

const COLUMN_PX = 3;
const LOWEST = 0.08;
// A listing writes a thousand times more than a prompt; both are to be seen.
const FLATNESS = 0.4;
const SVG = "http://www.w3.org/2000/svg";

/** Fills `plot` (an svg of `width` by `height` pixels) for `axis`; `activity` as for TimeAxis. */
export function drawActivity(plot, { axis, activity, width, height }) {
  plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const columns = columnsOf(axis, activity, Math.max(1, Math.floor(width / COLUMN_PX)));
  const most = columns.reduce((one, other) => Math.max(one, other), 0);
  let bars = "";
  columns.forEach((bytes, column) => {
    if (!bytes) return;
    const high = Math.max(LOWEST, (bytes / most) ** FLATNESS) * (height - 2);
    bars += `M${column * COLUMN_PX} ${height}v${-high.toFixed(1)}h${COLUMN_PX - 1}V${height}z`;
  });
  const pauses = axis.pauses.map(([from, to]) => line(axis.place(from) * width, axis.place(to) * width, height));
  let lively = "";
  let before = 0;
  for (const [from, to] of [...axis.pauses, [axis.endUs, axis.endUs]]) {
    lively += line(axis.place(before) * width, axis.place(from) * width, height);
    before = to;
  }
  plot.replaceChildren(path("timeline__pauses", pauses.join("")), path("timeline__lively", lively), path("timeline__bars", bars));
}

/** Bytes in each of `count` columns; what lasts over several is shared out among them. */
function columnsOf(axis, activity, count) {
  const columns = new Float64Array(count);
  for (const { atUs, untilUs, bytes } of activity) {
    const first = Math.min(count - 1, Math.floor(axis.place(atUs) * count));
    const last = Math.max(first, Math.min(count - 1, Math.ceil(axis.place(untilUs) * count) - 1));
    for (let column = first; column <= last; column++) columns[column] += bytes / (last - first + 1);
  }
  return columns;
}

function line(from, to, height) {
  return to > from ? `M${from.toFixed(1)} ${height - 0.5}H${to.toFixed(1)}` : "";
}

function path(name, shape) {
  const element = document.createElementNS(SVG, "path");
  element.setAttribute("class", name);
  element.setAttribute("d", shape);
  return element;
}
