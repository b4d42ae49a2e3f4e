// <hot-keys> holds the list of keys from dashboard/shortcuts.py as JSON and acts on them: silent while typing, while
// a dialog is open, and when switched off in this browser (the box on the help sheet).

const OFF_KEY = "scrollback.keys";
const SEQUENCE_MS = 1_200;
// xterm.js keeps a text box of its own, into which nobody types here.
const TYPING = 'input:not([type="range"], [type="checkbox"]), textarea:not(.xterm-helper-textarea), select, [contenteditable]';
const PRESSING = 'button, summary, a, label, input[type="checkbox"]';
const SLIDING = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];

class HotKeys extends HTMLElement {
  connectedCallback() {
    this.bindings = JSON.parse(this.querySelector('script[type="application/json"]').textContent);
    this.pending = [];
    document.addEventListener("keydown", this);
    this.box = document.querySelector("[data-keys-switch]");
    if (!this.box) return;
    this.box.checked = localStorage.getItem(OFF_KEY) !== "off";
    this.box.addEventListener("change", this);
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this);
    this.box?.removeEventListener("change", this);
    clearTimeout(this.timer);
  }

  handleEvent(event) {
    if (event.type === "change") localStorage.setItem(OFF_KEY, this.box.checked ? "on" : "off");
    else this.pressed(event);
  }

  pressed(event) {
    if (event.defaultPrevented || event.isComposing || event.altKey) return;
    const together = event.ctrlKey || event.metaKey;
    if (!together && (this.isOff() || this.isBusy(event))) return;
    const key = together ? `Ctrl+${event.key.toLowerCase()}` : event.key;
    const matches = (keys) => this.bindings.filter(({ keys: bound }) => keys.every((each, i) => bound[i] === each));
    this.pending.push(key);
    if (!matches(this.pending).length) this.pending = [key];
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.pending = []), SEQUENCE_MS);
    const whole = matches(this.pending).find(({ keys }) => keys.length === this.pending.length);
    if (!whole) return;
    this.pending = [];
    this.act(whole, event);
  }

  act({ href, focus, event: name }, event) {
    const { key, target: from } = event;
    const used = name && !document.dispatchEvent(new CustomEvent(name, { cancelable: true, detail: { key, from } }));
    if (used) event.preventDefault();
    else if (href) location.assign(href);
    else if (focus) {
      const target = document.querySelector(focus);
      event.preventDefault();
      if (!target) return location.assign("/search/");
      target.focus();
      target.select();
    }
  }

  isOff() {
    return localStorage.getItem(OFF_KEY) === "off";
  }

  isBusy({ target, key }) {
    if (document.querySelector("dialog:modal")) return true;
    if (key === " " && target.closest(PRESSING)) return true;
    if (SLIDING.includes(key) && target.matches('input[type="range"]')) return true;
    return Boolean(target.closest(TYPING));
  }
}

customElements.define("hot-keys", HotKeys);
