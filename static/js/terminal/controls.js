// The buttons under the screen: they say what the player does, and what it is told.

import { shortClock } from "scrollback/terminal/moments";

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16];
const PLAY_WORDS = { play: "Play", again: "Play from the start", pause: "Pause" };
// Nearer than this to the end nobody is behind.
const NEAR_US = 1_000_000;

export class Controls {
  /** `acts`: {toggle, previous, next, follow, full, text}, what the buttons do; `player` for its speed and pauses. */
  constructor(view, player, acts) {
    this.player = player;
    this.view = view;
    const part = (name) => view.querySelector(`[data-${name}]`);
    for (const [name, act] of Object.entries(acts)) part(name).addEventListener("click", () => act());
    this.play = part("toggle");
    this.followButton = part("follow");
    this.words = { goesOn: part("goes-on"), atEnd: part("at-end") };
    this.behind = part("behind");
    this.speed = part("speed");
    this.skip = part("skip");
    this.speed.addEventListener("change", () => (player.speed = Number(this.speed.value)));
    this.skip.addEventListener("change", () => {
      player.skipsPauses = this.skip.checked;
      player.changed();
    });
  }

  faster(by) {
    const next = SPEEDS.indexOf(this.player.speed) + by;
    this.player.speed = SPEEDS[Math.min(Math.max(next, 0), SPEEDS.length - 1)];
    this.speed.value = String(this.player.speed);
  }

  /** `does`: what the play button would do (play, again, pause). */
  show({ does, following, isScrolledUp, ended, atUs, endUs }) {
    if (does !== this.does) {
      this.does = does;
      this.play.setAttribute("aria-label", PLAY_WORDS[does]);
      this.play.title = `${PLAY_WORDS[does]} (Space)`;
      this.play.querySelector("use").setAttribute("href", does === "pause" ? "#i-pause" : "#i-play");
    }
    this.followButton.setAttribute("aria-pressed", String(following && !isScrolledUp));
    this.words.goesOn.hidden = ended;
    this.words.atEnd.hidden = !ended;
    const behindUs = endUs - atUs;
    const isBehind = !following && !ended && behindUs >= NEAR_US;
    const words = isBehind ? `${shortClock(behindUs)} behind` : following && isScrolledUp ? "newer below" : "";
    if (this.behind.textContent !== words) this.behind.textContent = words;
  }
}
