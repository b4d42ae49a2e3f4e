// A terminal over the whole window and back. It stays where it is in the page, so it goes on playing.

export class FullWindow {
  #inert = [];

  constructor(view, changed) {
    this.view = view;
    this.changed = changed;
  }

  get on() {
    return this.view.hasAttribute("data-full");
  }

  toggle(on = !this.on) {
    if (on === this.on) return;
    if (on) this.#enter();
    else this.leave();
    this.changed(on);
  }

  #enter() {
    this.view.toggleAttribute("data-full", true);
    // The top layer: no container, clipping or stacking of the page around it holds it back.
    this.view.popover = "manual";
    this.view.showPopover();
    // What was said before is still to be seen.
    document.querySelector("toast-region").raise();
    for (let inner = this.view; inner !== document.body; inner = inner.parentElement) {
      for (const other of inner.parentElement.children) {
        if (other === inner || other.inert || other.matches("dialog, script, toast-region, svg")) continue;
        other.inert = true;
        this.#inert.push(other);
      }
    }
  }

  leave() {
    if (!this.on) return;
    for (const other of this.#inert.splice(0)) other.inert = false;
    this.view.removeAttribute("data-full");
    if (this.view.isConnected) this.view.hidePopover();
    this.view.removeAttribute("popover");
  }
}
