// <sticky-top>: what stays in sight at the top of a page. Its height, which wraps with the width of the page, is --sticky-top of the
// document, so that what sticks below it begins where it ends; 0 while it does not stick.

class StickyTop extends HTMLElement {
  connectedCallback() {
    this.observer = new ResizeObserver(() => this.measure());
    this.observer.observe(this);
    this.measure();
  }

  disconnectedCallback() {
    this.observer.disconnect();
    document.documentElement.style.removeProperty("--sticky-top");
  }

  measure() {
    const sticks = getComputedStyle(this).position === "sticky";
    document.documentElement.style.setProperty("--sticky-top", `${sticks ? this.getBoundingClientRect().height : 0}px`);
  }
}

customElements.define("sticky-top", StickyTop);
