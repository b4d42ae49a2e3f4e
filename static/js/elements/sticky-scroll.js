// <sticky-scroll>: follows new output at the end of the nearest scroller only while the reader is within 100 px of it; otherwise
// a "New output" button waits at the bottom.

const NEAR_PX = 100;

class StickyScroll extends HTMLElement {
  connectedCallback() {
    this.scroller = nearestScroller(this);
    this.button = this.querySelector("[data-new-output]");
    this.near = true;
    this.listener = () => this.scrolled();
    (this.scroller === document.scrollingElement ? document : this.scroller).addEventListener("scroll", this.listener, { passive: true });
    this.button?.addEventListener("click", () => this.toEnd());
    this.observer = new MutationObserver(() => this.grown());
    this.observer.observe(this, { childList: true, subtree: true });
    this.scrolled();
  }

  disconnectedCallback() {
    this.observer.disconnect();
    (this.scroller === document.scrollingElement ? document : this.scroller).removeEventListener("scroll", this.listener);
  }

  scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.near = scrollHeight - scrollTop - clientHeight <= NEAR_PX;
    if (this.near && this.button) this.button.hidden = true;
  }

  grown() {
    if (this.near) this.toEnd();
    else if (this.button) this.button.hidden = false;
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}

function nearestScroller(element) {
  for (let parent = element.parentElement; parent; parent = parent.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(parent).overflowY) && parent !== document.body) return parent;
  }
  return document.scrollingElement;
}

customElements.define("sticky-scroll", StickyScroll);
