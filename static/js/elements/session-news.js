// <session-news session through> on a page about a session that shows no transcript: says session:grown on the document when there is
// news of it. `through` is the last place on the timeline that the page was drawn with. Sets data-live on itself, as live-session.

import { SessionSocket } from "scrollback/session-socket";

class SessionNews extends HTMLElement {
  connectedCallback() {
    this.connection = new SessionSocket(this.getAttribute("session"), {
      cursor: () => this.getAttribute("through"),
      news: () => document.dispatchEvent(new CustomEvent("session:grown")),
      show: (state) => (this.dataset.live = state),
    });
    this.connection.start();
  }

  disconnectedCallback() {
    this.connection.stop();
  }
}

customElements.define("session-news", SessionNews);
