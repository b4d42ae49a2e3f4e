// What was given to a screen and is not drawn yet.

export class Drawing {
  bytes = 0;
  #frames = 0;
  #waiting = [];

  /** The function to be called when a frame of so many bytes is drawn. */
  begin(bytes) {
    this.bytes += bytes;
    this.#frames += 1;
    return () => {
      this.bytes -= bytes;
      this.#frames -= 1;
      if (!this.#frames) this.forget();
    };
  }

  done() {
    return this.#frames ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve();
  }

  /** Let nobody wait any longer: the screen was given away. */
  forget() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
