// <toast-region>: toasts leave after some seconds, not while the pointer or the focus is on them; one with
// data-stays only when it is dismissed. A server adds one with the response
// header HX-Trigger: {"scrollback:toast": {"html": …}} holding components/toast.html.

const STAY_MS = 8_000;

class ToastRegion extends HTMLElement {
  connectedCallback() {
    this.timers = new Map();
    document.addEventListener("scrollback:toast", this);
    this.addEventListener("click", this);
    for (const toast of this.querySelectorAll("[data-toast]")) this.watch(toast);
  }

  disconnectedCallback() {
    document.removeEventListener("scrollback:toast", this);
    for (const timer of this.timers.values()) clearTimeout(timer);
  }

  handleEvent(event) {
    if (event.type === "click") {
      const toast = event.target.closest("[data-toast]");
      if (!toast || !event.target.closest("button")) return;
      // Undo is a request of the toast's own form: it leaves the page only when its time has come.
      if (event.target.closest("[data-dismiss]")) toast.remove();
      else setTimeout(() => { toast.hidden = true; });
      return;
    }
    this.raise();
    this.insertAdjacentHTML("beforeend", event.detail.html);
    window.htmx.process(this.lastElementChild);
    this.watch(this.lastElementChild);
  }

  /** Above all else of the top layer. */
  raise() {
    this.hidePopover();
    this.showPopover();
  }

  watch(toast) {
    if ("stays" in toast.dataset) return;
    clearTimeout(this.timers.get(toast));
    const leave = () => {
      if (toast.matches(":hover, :focus-within")) return this.watch(toast);
      this.timers.delete(toast);
      toast.remove();
    };
    this.timers.set(toast, setTimeout(leave, STAY_MS));
  }
}

customElements.define("toast-region", ToastRegion);
