// <fold-output>: shows the first --fold-height of its first child and a button for the rest. Without script all of it shows.

class FoldOutput extends HTMLElement {
  connectedCallback() {
    const content = this.firstElementChild;
    if (this.button || !content) return;
    this.dataset.folded = "";
    // Laid out first, measured after: only what is really cut gets a button.
    if (content.scrollHeight <= content.clientHeight + 8) {
      delete this.dataset.folded;
      return;
    }
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "button button--quiet button--small";
    this.button.addEventListener("click", () => this.toggle());
    this.append(this.button);
    this.label();
  }

  toggle() {
    this.toggleAttribute("data-folded");
    this.label();
  }

  label() {
    const folded = this.hasAttribute("data-folded");
    const size = this.getAttribute("size");
    this.button.textContent = folded ? `Show all${size ? ` ${size}` : ""}` : "Show less";
    this.button.setAttribute("aria-expanded", String(!folded));
  }
}

customElements.define("fold-output", FoldOutput);
