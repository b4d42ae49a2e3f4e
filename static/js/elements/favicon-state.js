// <favicon-state needs-me="2" live="1">: the icon in the browser's tab, the count in the title, the counts of the rail. The server
// sets them on load, the live connection keeps them.

import { consoleConnection } from "scrollback/live";

const TITLE_COUNT = /^\(\d+\+?\) /;
// The server counts no further than to know that there are more.
const MOST_SHOWN = 99;

class FaviconState extends HTMLElement {
  connectedCallback() {
    document.addEventListener("scrollback:counts", this);
    this.show();
    consoleConnection();
  }

  disconnectedCallback() {
    document.removeEventListener("scrollback:counts", this);
  }

  handleEvent({ detail: counts }) {
    for (const [name, number] of Object.entries(counts)) {
      for (const count of document.querySelectorAll(`[data-count="${CSS.escape(name)}"]`)) {
        count.textContent = shown(number);
        count.hidden = !number;
      }
    }
    this.setAttribute("needs-me", counts.needs_me);
    this.setAttribute("live", counts.live_terminals);
    this.show();
  }

  show() {
    const waiting = Number(this.getAttribute("needs-me"));
    const icon = document.querySelector('link[rel="icon"]');
    const state = waiting ? "waiting" : Number(this.getAttribute("live")) ? "live" : "idle";
    icon.href = waiting ? withCount(waiting) : icon.dataset[state];
    document.title = (waiting ? `(${shown(waiting)}) ` : "") + document.title.replace(TITLE_COUNT, "");
  }
}

function shown(number) {
  return number > MOST_SHOWN ? `${MOST_SHOWN}+` : String(number);
}

// The mark with its cursor grown into a disc that bears the count; as static/img/favicon-waiting.svg.
function withCount(number) {
  const text = number > 9 ? "9+" : String(number);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#24262b"/>
    <path d="M7 24h5M11.5 6 6.5 11l5 5M7 11h10" fill="none" stroke="#f3f0ea" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/>
    <circle cx="21.5" cy="21.5" r="9.5" fill="#f2b950"/><text x="21.5" y="26.3" text-anchor="middle" fill="#24262b"
    font-family="system-ui,sans-serif" font-weight="700" font-size="${text.length > 1 ? 11 : 14}">${text}</text></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

customElements.define("favicon-state", FaviconState);
