// <selection-count>2</selection-count> in a form with boxes (.list__select): how many are ticked. A button with data-clear in the same form
// takes the ticks away; a click with Shift ticks all rows in between.

class SelectionCount extends HTMLElement {
  connectedCallback() {
    this.form = this.closest("form");
    this.form.addEventListener("click", this);
    this.form.addEventListener("change", this);
    this.show();
  }

  disconnectedCallback() {
    this.form.removeEventListener("click", this);
    this.form.removeEventListener("change", this);
  }

  handleEvent({ type, target, shiftKey }) {
    if (type === "click" && target.matches(".list__select")) this.extend(target, shiftKey);
    if (type === "click" && target.closest("[data-clear]")) for (const box of this.boxes) box.checked = false;
    this.show();
  }

  extend(box, toHere) {
    const boxes = this.boxes;
    const [from, to] = [boxes.indexOf(this.last), boxes.indexOf(box)].sort((a, b) => a - b);
    if (toHere && from >= 0) for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
    this.last = box;
  }

  get boxes() {
    return [...this.form.querySelectorAll(".list__select")];
  }

  show() {
    this.textContent = this.boxes.filter((box) => box.checked).length;
  }
}

customElements.define("selection-count", SelectionCount);
