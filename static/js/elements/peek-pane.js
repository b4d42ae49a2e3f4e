// <peek-pane class="split__aside" id="peek">: what a row's [data-peek] link loads beside the list. A [data-close-peek] button or Escape
// empties it, and the list has the whole width again.

class PeekPane extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", this);
    document.addEventListener("keydown", this);
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this);
  }

  handleEvent(event) {
    const closes = event.type === "click" ? event.target.closest("[data-close-peek]") : event.key === "Escape";
    if (!closes || !this.firstChild || document.querySelector("dialog[open]")) return;
    this.replaceChildren();
  }
}

customElements.define("peek-pane", PeekPane);
