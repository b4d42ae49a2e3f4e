// Everything around the screen of a <terminal-view>, put together: bar, clock, buttons, keys, search, text, selection.

import { signInAddress } from "scrollback/failures";
import { ClockEntry } from "scrollback/terminal/clock-entry";
import { Controls } from "scrollback/terminal/controls";
import { EarlierScreen } from "scrollback/terminal/earlier-screen";
import { FullWindow } from "scrollback/terminal/full-window";
import { HitMark } from "scrollback/terminal/hit-mark";
import { shortClock } from "scrollback/terminal/moments";
import { Peek } from "scrollback/terminal/peek";
import { listenToKeys } from "scrollback/terminal/player-keys";
import { ScreenText } from "scrollback/terminal/screen-text";
import { SearchPanel } from "scrollback/terminal/search-panel";
import { SelectionBar } from "scrollback/terminal/selection-bar";
import { momentOf } from "scrollback/terminal/terminal-search";
import { Timeline } from "scrollback/terminal/timeline";

const STEP_US = 5_000_000;
const NOTHING = [];
// What helps where the terminal cannot be read: {words, address()}. An empty address is the page's own.
const HELPS = {
  "sign-in": { words: "Sign in", address: signInAddress },
  reload: { words: "Load again", address: () => "" },
};

export class ViewParts {
  #hits = NOTHING;
  #wantsEarlier = false;
  #landing = false;
  // Raised with whatever goes elsewhere than to the hit that is asked for.
  #turn = 0;
  // Of the hit whose moment is being asked for.
  #lookup;

  constructor(view) {
    this.view = view;
    const part = (this.part = (name) => view.querySelector(`[data-${name}]`));
    const { signal } = view.abort;
    const { terminal } = view.screen;
    const inFront = () => this.earlier?.terminal ?? terminal;
    const ways = { go: (us) => view.go(us), seek: (us) => view.seek(us) };
    this.mark = new HitMark(terminal);
    this.peek = new Peek(part("peek"), { terminal: view.id_, version: () => view.player.map?.version ?? "" });
    this.timeline = new Timeline(part("timeline"), { ...ways, peek: this.peek, signal });
    this.clock = new ClockEntry(part("player"), ways.go);
    this.full = new FullWindow(view, (on) => part("full").setAttribute("aria-pressed", String(on)));
    this.text = new ScreenText(part("text-region"), part("said"), inFront, signal);
    this.search = this.#makeSearch();
    this.earlier = this.#makeEarlier();
    this.controls = new Controls(view, view.player, this.#acts());
    this.selection = new SelectionBar(part("selection"), part("copy"), {
      inFront,
      id: view.id_,
      atUs: () => view.atUs,
      offsetAt: (us) => view.player.offsetAt(us),
      find: (query) => this.search.show(query),
      land: (hit) => this.#land(hit),
      tell: (words) => this.tell(words),
    });
    this.selection.watch(terminal);
    view.addEventListener("screen:sized", ({ target, detail }) => target === part("screen") && this.#sized(detail));
    view.addEventListener("screen:above", () => this.#offerEarlier(true));
    view.addEventListener("screen:moved", ({ target }) => target === part("screen") && view.show());
    view.addEventListener("terminal:state", () => this.#refreshState());
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#escape(event), { signal });
    part("above").addEventListener("click", () => {
      const above = view.screen.above(this.shownFrom);
      if (above) this.earlier.open(above);
    });
    listenToKeys(view, this.#commands(), { alone: !view.hasAttribute("clock-ms"), signal });
  }

  stop() {
    this.#turn += 1;
    this.#lookup?.abort();
    this.search.stop();
    this.earlier.dispose();
    this.full.leave();
  }

  // What is shown

  show() {
    const { view } = this;
    const { player, following, ended, atUs, endUs, does } = view;
    const { activity = NOTHING, events = NOTHING } = player.map ?? {};
    const hits = this.#hits;
    this.timeline.show({ atUs, endUs, activity, events, hits, shortensPauses: player.skipsPauses });
    this.clock.show(atUs, endUs);
    this.controls.show({ does, following: following && !view.connection.isRefused, isScrolledUp: !view.screen.atBottom, ended, atUs, endUs });
    this.part("moment").setAttribute("text", view.address);
    this.text.moved(does !== "pause" && !player.busy, `At ${shortClock(atUs)}${ended ? ` of ${shortClock(endUs)}` : ""}`);
    this.#offerEarlier(false);
  }

  /** The screen goes to another moment: what was about the one before is out of date. */
  left() {
    if (this.#landing) return;
    this.leftHit();
    this.#wantsEarlier = false;
    this.earlier.close();
  }

  /** It goes on from the hit that was opened, or elsewhere than to the one that is asked for: its cells will hold other text. */
  leftHit() {
    this.#turn += 1;
    this.mark.clear();
    this.search.left();
  }

  get shownFrom() {
    return (this.view.following ? this.view.shownFrom : this.view.player.shownFrom) ?? 0;
  }

  /** Who wanted to go beyond the top keeps the offer for as long as they stay there, whatever is written meanwhile. */
  #offerEarlier(wanted) {
    const { player, following, screen } = this.view;
    const possible = screen.atTop && !this.earlier.on && screen.above(this.shownFrom);
    this.#wantsEarlier = Boolean(possible) && (wanted || this.#wantsEarlier);
    this.part("above").hidden = !possible || !(this.#wantsEarlier || (!player.playing && !following));
  }

  gap({ offset, to }) {
    if (to <= offset || !offset) return;
    this.notify(`${((to - offset) / 1e6).toFixed(1)} MB were left out to catch up.`, { loads: to });
  }

  /** With `loads`, an offset, what was left out before it can be loaded; with `help`, sign-in or reload, it leads there. */
  notify(text, { loads = 0, help = "" } = {}) {
    this.part("notice-text").textContent = text;
    this.part("notice").hidden = !text;
    const load = this.part("load");
    load.hidden = !loads;
    const link = this.part("help");
    link.hidden = !help;
    link.textContent = HELPS[help]?.words ?? "";
    link.setAttribute("href", HELPS[help]?.address() ?? "");
    load.onclick = () => this.earlier.open({ offset: loads });
  }

  tell(text) {
    this.part("connection").textContent = text;
  }

  #sized({ cols, rows }) {
    this.part("window").textContent = `${cols}×${rows}`;
    this.part("window").title = `The recorded window has ${cols} columns and ${rows} rows; the letters are scaled to fit`;
  }

  async #refreshState() {
    const response = await fetch(`/terminals/${this.view.id_}/`).catch(() => null);
    if (!response?.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const state = page.querySelector("terminal-view [data-state]");
    if (state) this.part("state").replaceChildren(...state.childNodes);
  }

  // What is done

  #makeSearch() {
    const { view } = this;
    return new SearchPanel(this.part("search-panel"), {
      terminal: view.id_,
      atUs: () => view.atUs,
      land: (hit) => this.#land(hit),
      changed: ({ hits }) => {
        this.#hits = hits.map(({ at_us }) => at_us);
        if (this.search) view.show();
      },
      toggled: (open) => {
        this.part("find").setAttribute("aria-expanded", String(open));
        if (!open) this.#turn += 1;
        if (!open) this.mark.clear();
        if (!open && view.contains(document.activeElement)) this.part("find").focus();
      },
      keepsAddress: !view.hasAttribute("clock-ms"),
    });
  }

  #makeEarlier() {
    const { view } = this;
    return new EarlierScreen(this.part("earlier"), {
      makeScreen: (host) => this.#watched(view.makeScreen(host)),
      earlier: (offset) => view.player.earlier(offset),
      words: () => "What came before",
      opened: (on) => {
        this.part("screen").inert = on;
        this.#offerEarlier(false);
        this.selection.show();
        if (!on) this.part("screen").focus({ preventScroll: true });
      },
    });
  }

  #watched(screen) {
    this.selection.watch(screen.terminal);
    return screen;
  }

  async #land(hit) {
    const { view } = this;
    const turn = ++this.#turn;
    this.#lookup?.abort();
    this.#lookup = new AbortController();
    // The list says where the output has the line; what the screen showed is looked up for the one that is opened.
    const moment = await momentOf(view.id_, hit, this.#lookup.signal);
    if (turn !== this.#turn) return;
    this.#landing = true;
    const arrived = view.move(() => view.player.seekOffset((moment ?? hit).offset));
    this.#landing = false;
    this.mark.clear();
    this.earlier.close();
    if (!(await arrived) || turn !== this.#turn) return;
    view.player.pause();
    this.search.landed(hit);
    if (!this.mark.show(hit)) this.tell("The hit is not on the screen any more at this moment.");
    else if (!moment) this.tell("The first moment of this hit was not found; here it is on the screen.");
  }

  #acts() {
    const { view } = this;
    return {
      toggle: () => view.toggle(),
      previous: () => view.step(() => view.player.previousWrite()),
      next: () => view.step(() => view.player.nextWrite()),
      follow: () => (this.left(), view.follow()),
      full: () => this.full.toggle(),
      text: () => this.#toggleText(),
      find: () => (this.search.open ? this.search.close() : this.search.show()),
      larger: () => this.#toggleLetters(),
    };
  }

  #commands() {
    const { view } = this;
    const acts = this.#acts();
    return {
      "player:toggle": acts.toggle,
      "player:back": () => view.seek(view.atUs - STEP_US),
      "player:forward": () => view.go(view.atUs + STEP_US),
      "player:previous": acts.previous,
      "player:next": acts.next,
      "player:slower": () => this.controls.faster(-1),
      "player:faster": () => this.controls.faster(1),
      "player:tenth": ({ key }) => view.seek((view.endUs * Number(key)) / 10),
      "player:first": () => view.seek(0),
      "player:last": acts.follow,
      "player:next-marker": () => this.#toMarker(1),
      "player:previous-marker": () => this.#toMarker(-1),
      "player:full": acts.full,
      "search:open": () => this.search.show(),
      "player:find": () => this.search.show(),
      "player:next-hit": () => this.search.step(1),
      "player:previous-hit": () => this.search.step(-1),
    };
  }

  #toMarker(by) {
    const { view } = this;
    const markers = (view.player.map?.events ?? NOTHING).filter(({ kind }) => kind === "marker");
    const { atUs } = view;
    const marker = by > 0 ? markers.find((each) => each.atUs > atUs) : markers.findLast((each) => each.atUs < atUs);
    if (!marker) return false;
    view.seek(marker.atUs);
    this.tell(`Marker “${marker.text.slice(0, 200)}”`);
  }

  /** A wide window on a phone: its letters as large as the page's, moved about with a finger, or all of it at once. */
  #toggleLetters() {
    const { screen } = this.view;
    screen.fits = !screen.fits;
    screen.fit();
    this.part("larger").setAttribute("aria-pressed", String(!screen.fits));
  }

  #toggleText() {
    this.text.toggle();
    if (!this.text.open) this.part("text").focus();
    this.part("text").setAttribute("aria-pressed", String(this.text.open));
  }

  /** The innermost thing that is open closes first. */
  #escape(event) {
    const mine = this.full.on || this.view.contains(event.target);
    if (event.defaultPrevented || !mine || document.querySelector("dialog:modal")) return;
    if (this.text.open) this.#toggleText();
    else if (this.earlier.on) this.earlier.close();
    else if (this.full.on) this.full.toggle(false);
    else return;
    event.preventDefault();
  }
}
