// <relative-time><time datetime>…</time></relative-time>: keeps "4 min ago" true and shows the exact stamp in the
// reader's own zone. The words are those of dashboard/lib/formatting.py.

const exact = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZoneName: undefined });
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const elements = new Set();
let timer = 0;

export function relativeTime(at, now) {
  const distance = Math.abs(now - at);
  if (distance < 45_000) return "just now";
  if (distance >= 14 * 86_400_000) {
    const sameYear = new Date(at).getUTCFullYear() === new Date(now).getUTCFullYear();
    const parts = { day: "numeric", month: "short", timeZone: "UTC", ...(sameYear ? {} : { year: "numeric" }) };
    return new Intl.DateTimeFormat("en-GB", parts).format(at).replace("Sept", "Sep");
  }
  const [size, unit] = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"]].find(([size]) => distance >= size) ?? [
    distance, "min",
  ];
  const amount = Math.round(distance / size);
  return at <= now ? `${amount} ${unit} ago` : `in ${amount} ${unit}`;
}

function refresh() {
  for (const element of elements) element.refresh();
}

class RelativeTime extends HTMLElement {
  connectedCallback() {
    this.time = this.querySelector("time");
    this.at = Date.parse(this.time.dateTime);
    this.time.title = `${exact.format(this.at)} ${zone}`;
    elements.add(this);
    timer ||= setInterval(refresh, 20_000);
    this.refresh();
  }

  disconnectedCallback() {
    elements.delete(this);
    if (elements.size) return;
    clearInterval(timer);
    timer = 0;
  }

  refresh() {
    const words = relativeTime(this.at, Date.now());
    if (this.time.textContent !== words) this.time.textContent = words;
  }
}

customElements.define("relative-time", RelativeTime);
