// <nav-list> around rows with [data-row]: j/k and the arrow keys choose one (aria-selected), Enter follows its link, x ticks its
// box, o follows its [data-peek] link. The chosen row is kept by its data-id when htmx replaces the rows. With data-grid
// the rows are tiles: all four arrows move among them, and the chosen one has aria-current.

class NavList extends HTMLElement {
  connectedCallback() {
    this.moves = {
      "rows:next": () => this.move(1),
      "rows:previous": () => this.move(-1),
      "rows:select": () => this.current?.querySelector('input[type="checkbox"]')?.click(),
      "rows:peek": () => this.current?.querySelector("[data-peek]")?.click(),
    };
    for (const type of Object.keys(this.moves)) document.addEventListener(type, this);
    this.addEventListener("keydown", this);
    this.addEventListener("focusin", this);
    this.addEventListener("htmx:afterSwap", this);
  }

  disconnectedCallback() {
    for (const type of Object.keys(this.moves)) document.removeEventListener(type, this);
  }

  handleEvent(event) {
    if (event.type === "keydown") this.pressed(event);
    else if (event.type === "focusin") this.choose(event.target.closest("[data-row]"));
    else if (event.type === "htmx:afterSwap") this.restore();
    else if (this.isFirstVisible()) this.moves[event.type]();
  }

  pressed(event) {
    if (!event.target.matches(".list__link") || event.ctrlKey || event.altKey || event.metaKey) return;
    const isGrid = this.hasAttribute("data-grid");
    const step = (isGrid ? { ArrowRight: 1, ArrowLeft: -1 } : { ArrowDown: 1, ArrowUp: -1 })[event.key];
    const way = isGrid && { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step && !way) return;
    event.preventDefault();
    if (step) this.move(step);
    else this.go(this.below(way));
  }

  /** The nearest tile of the next line that has one; with -1 of the line before. */
  below(way) {
    const from = this.current?.getBoundingClientRect();
    const places = this.rows.map((row) => [row, row.getBoundingClientRect()]);
    const beyond = places.filter(([, { top }]) => from && (top - from.top) * way > 1);
    const distance = ([, { top, left }]) => Math.abs(top - from.top) * 1000 + Math.abs(left - from.left);
    return beyond.sort((one, other) => distance(one) - distance(other))[0]?.[0];
  }

  get rows() {
    return [...this.querySelectorAll("[data-row]")];
  }

  /** Rows of a table can be selected; an article, as a tile is one, can only be the current one. */
  get mark() {
    return this.hasAttribute("data-grid") ? "aria-current" : "aria-selected";
  }

  get current() {
    return this.querySelector(`[data-row][${this.mark}="true"]`);
  }

  move(step) {
    const rows = this.rows;
    const at = rows.indexOf(this.current);
    this.go(rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step))]);
  }

  go(row) {
    row?.querySelector(".list__link")?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  }

  choose(row) {
    if (!row || row === this.current) return;
    this.current?.removeAttribute(this.mark);
    row.setAttribute(this.mark, "true");
    this.chosen = row.dataset.id;
  }

  restore() {
    if (!this.chosen || this.current) return;
    const row = this.querySelector(`[data-row][data-id="${CSS.escape(this.chosen)}"]`);
    if (!row) return;
    row.setAttribute(this.mark, "true");
    if (document.activeElement === document.body) row.querySelector(".list__link")?.focus({ preventScroll: true });
  }

  // A page may hold several lists; keys that say nothing of a place mean the one in use, else the first. The list
  // itself has no box (display: contents), so its rows are asked.
  isFirstVisible() {
    const lists = [...document.querySelectorAll("nav-list")].filter((list) => list.rows[0]?.checkVisibility());
    return this === (lists.find((list) => list.contains(document.activeElement)) ?? lists[0]);
  }
}

customElements.define("nav-list", NavList);
