// <session-terminals started-ms> around the links to a session's terminals, the newest first: where the clock comes to rest while
// another one was open than the one that is shown, that one takes its place, and the address names it. The one that is shown
// stays while it was open itself, and where none was. Nothing but the <terminal-view> is replaced.

import { clockText } from "scrollback/elements/time-scrubber";
import { isSignedOut, tellOfFetch } from "scrollback/failures";

class SessionTerminals extends HTMLElement {
  connectedCallback() {
    document.addEventListener("clock:settled", this);
    // Drawn anew as terminals start and end, by a server that does not know which one was chosen here.
    const shown = this.parentElement.querySelector("terminal-view")?.getAttribute("terminal");
    this.querySelector(`[data-terminal="${CSS.escape(shown)}"]`)?.setAttribute("aria-current", "true");
  }

  disconnectedCallback() {
    document.removeEventListener("clock:settled", this);
    this.asked?.abort();
  }

  handleEvent({ detail }) {
    this.asked?.abort();
    const at = detail.at_ms + Number(this.getAttribute("started-ms"));
    const isOpen = ({ dataset }) => at >= Number(dataset.fromMs) && at <= Number(dataset.fromMs) + Number(dataset.forMs ?? Infinity);
    const links = [...this.querySelectorAll("[data-terminal]")];
    const shown = links.find((link) => link.hasAttribute("aria-current"));
    if (shown && isOpen(shown)) return this.name(shown);
    const wanted = links.find(isOpen);
    if (wanted) this.open(wanted, detail.at_ms);
  }

  async open(link, at) {
    this.asked = new AbortController();
    const { signal } = this.asked;
    const url = new URL(link.href);
    url.searchParams.set("t", clockText(at, true));
    try {
      const response = await fetch(url, { signal });
      if (!response.ok || isSignedOut(response)) throw response;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const view = page.querySelector("terminal-view");
      if (signal.aborted || !view) return;
      this.parentElement.querySelector("terminal-view").replaceWith(document.adoptNode(view));
      this.querySelector("[aria-current]")?.removeAttribute("aria-current");
      link.setAttribute("aria-current", "true");
      this.name(link);
    } catch (problem) {
      if (!signal.aborted) tellOfFetch(problem instanceof Response ? problem : null, document.activeElement, () => this.open(link, at));
    }
  }

  /** Of several that were open at a moment the link is to open this one. */
  name({ dataset }) {
    const url = new URL(location.href);
    url.searchParams.set("terminal", dataset.terminal);
    history.replaceState(history.state, "", url);
  }
}

customElements.define("session-terminals", SessionTerminals);
