// <theme-switch><button data-theme-choice="system|light|dark">…</theme-switch>: remembered in this browser.

const KEY = "scrollback.theme";

class ThemeSwitch extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", this);
    this.show();
  }

  disconnectedCallback() {
    this.removeEventListener("click", this);
  }

  handleEvent({ target }) {
    const choice = target.closest("[data-theme-choice]")?.dataset.themeChoice;
    if (!choice) return;
    const root = document.documentElement;
    if (choice === "system") {
      delete root.dataset.theme;
      localStorage.removeItem(KEY);
    } else {
      root.dataset.theme = choice;
      localStorage.setItem(KEY, choice);
    }
    this.show();
    document.dispatchEvent(new CustomEvent("scrollback:theme", { detail: { choice } }));
  }

  show() {
    const chosen = document.documentElement.dataset.theme ?? "system";
    for (const button of this.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen));
    }
  }
}

customElements.define("theme-switch", ThemeSwitch);
