// What a session's page says when the session went to the trash, or for good, while it was open: the notice of that kind in the live
// region [data-gone], which stands in sight at the top, and no state or button any more that would claim otherwise. And what it does
// once the session is back.

// What somebody is typing stays.
const NO_LONGER_TRUE =
  "#session-status, .rename:not([open]), .page-header__actions form, .session-tags > .tag > form, .session-tags details:not([open])";

/** Does nothing on a page that was loaded from the trash and says so by itself. */
export function showGone(isTrashed) {
  const place = document.querySelector("[data-gone]");
  if (!place || place.querySelector(".banner")) return;
  const notice = document.getElementById(isTrashed ? "session-trashed" : "session-lost").content.cloneNode(true);
  for (const part of document.querySelectorAll(NO_LONGER_TRUE)) part.remove();
  // What is drawn anew as the session grows may still be about to ask for it: its going was the last news.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.matches('[hx-trigger*="session:grown"]')) event.preventDefault();
  });
  place.append(notice);
  window.htmx.process(place);
}

/** Loads the page anew. Where the notice's own button brought it back, the answer does, and says what was done. */
export function showBack() {
  const asking = document.querySelector("[data-gone] .htmx-request");
  if (!asking) location.reload();
  else asking.addEventListener("htmx:afterRequest", ({ detail: { xhr } }) => xhr.status === 204 || location.reload(), { once: true });
}
