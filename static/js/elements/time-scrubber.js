// <time-scrubber>: the session's one clock. Moving it, or pressing any link with data-seek, dispatches on the document
//   clock:seek {at_ms}
// and whoever shows something on the clock follows; clock:at {at_ms} moves the playhead without seeking. The address
// gets ?t=00:12:31.250, so that copying the link copies the moment. Its marks are one stop of the Tab key.

import { moveAmong, settle } from "scrollback/roving";

export function clockText(at, withFraction = false) {
  const pad = (number, width = 2) => String(number).padStart(width, "0");
  const seconds = Math.floor(at / 1000);
  const text = `${pad(Math.floor(seconds / 3600))}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
  return withFraction ? `${text}.${pad(Math.floor(at % 1000), 3)}` : text;
}

class TimeScrubber extends HTMLElement {
  connectedCallback() {
    this.range = this.querySelector('input[type="range"]');
    this.clock = this.querySelector("[data-clock]");
    this.marks = [...this.querySelectorAll(".scrubber__mark")];
    settle(this.marks);
    this.addEventListener("keydown", (event) => moveAmong(event, this.marks));
    this.range.addEventListener("input", this);
    this.range.addEventListener("change", this);
    document.addEventListener("click", this);
    document.addEventListener("clock:at", this);
  }

  disconnectedCallback() {
    document.removeEventListener("click", this);
    document.removeEventListener("clock:at", this);
  }

  handleEvent(event) {
    if (event.type === "input") this.seek(Number(this.range.value));
    else if (event.type === "change") this.address(Number(this.range.value));
    else if (event.type === "clock:at") this.show(event.detail.at_ms);
    else this.clicked(event);
  }

  clicked(event) {
    const link = event.target.closest("[data-seek]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const at = Number(link.dataset.seek);
    this.seek(at);
    this.address(at);
  }

  seek(at) {
    this.show(at);
    document.dispatchEvent(new CustomEvent("clock:seek", { detail: { at_ms: at } }));
  }

  show(at) {
    this.range.value = at;
    this.range.setAttribute("aria-valuetext", clockText(at));
    this.clock.textContent = clockText(at);
  }

  address(at) {
    const url = new URL(location.href);
    url.searchParams.set("t", clockText(at, true));
    // They would open the transcript elsewhere than at this moment.
    for (const name of ["at", "before", "after"]) url.searchParams.delete(name);
    url.hash = "";
    history.replaceState(history.state, "", url);
  }
}

customElements.define("time-scrubber", TimeScrubber);
