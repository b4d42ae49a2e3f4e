// <copy-button text="…"><button>…</button></copy-button>

const SHOWN_MS = 1_500;

class CopyButton extends HTMLElement {
  connectedCallback() {
    this.button = this.querySelector("button");
    this.button.addEventListener("click", this);
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    this.button.removeEventListener("click", this);
  }

  async handleEvent(event) {
    // The button may stand inside a summary or a row that is a link.
    event.preventDefault();
    event.stopPropagation();
    await copyText(this.getAttribute("text"));
    this.button.dataset.copied = "";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => delete this.button.dataset.copied, SHOWN_MS);
  }
}

export async function copyText(text) {
  // Plain http on a LAN is no secure context, and there is no navigator.clipboard in it.
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else copyBySelection(text);
}

function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

customElements.define("copy-button", CopyButton);
