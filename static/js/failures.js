// A request of htmx that fails says nothing by itself. What a person asked for (a press, a form, a fold) and did not get is told here
// in one toast: what it was, why, and the button that helps. The server's own words are taken from its error page or problem document.
// An element that fetches by itself calls tellOfFetch. What a page asks for by itself is not told: it asks again, and the connection in the rail says whether the console is there; only that one is signed out is.

const BY_HAND = new Set(["click", "submit", "change", "toggle"]);
const SILENT = "The console does not answer. Nothing was changed.";
const SIGNED_OUT = "You are signed out.";
const STANDS_STILL = "This page shows what it showed.";
const UNREAD = "This could not be loaded.";
const WORDS = {
  403: "Your role does not allow it.",
  404: "It is no longer there: it may have been deleted or moved to the trash.",
  409: "It changed meanwhile.",
  429: "That was asked too often. Wait a moment.",
  503: "The database cannot do this now.",
};

/** What the toast is about: the `control` that was pressed, and `retry()`. */
let failed = null;

const isByHand = ({ requestConfig }) => BY_HAND.has(requestConfig?.triggeringEvent?.type);
const shown = () => document.querySelectorAll("[data-failure]");
const squeezed = (text) => (text ?? "").replace(/\s+/g, " ").trim();

/** On `htmx` event `type`, when a person asked. */
function listen(type, act) {
  document.addEventListener(`htmx:${type}`, ({ detail }) => isByHand(detail) && act(detail));
}

listen("responseError", (detail) => {
  const { status, responseText } = detail.xhr;
  tellOfRequest(detail, reasonOf(status, detail.xhr.getResponseHeader("Content-Type"), responseText), helpFor(status));
});
listen("sendError", (detail) => tellOfRequest(detail, SILENT, "again"));
listen("timeout", (detail) => {
  const isRead = detail.requestConfig.verb === "get";
  const why = "The console took too long to answer.";
  tellOfRequest(detail, isRead ? why : `${why} It may have been done all the same.`, isRead ? "again" : "reload");
});
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { detail } = event;
  if (detail.xhr.status !== 401) return;
  // htmx would leave the page, and what was typed would go with it, also when nobody pressed anything.
  event.preventDefault();
  const href = detail.xhr.getResponseHeader("HX-Redirect");
  if (isByHand(detail)) tellOfRequest(detail, SIGNED_OUT, "sign-in", href);
  else if (!shown().length) tell({ what: SIGNED_OUT, why: STANDS_STILL, button: "sign-in", href, control: document.activeElement });
});
listen("afterRequest", ({ successful }) => successful && clear());

/** 401 is for htmx. All others are led to the page of sign-in, which fetch() takes for the answer. */
export const isSignedOut = ({ status, redirected }) => status === 401 || redirected;

/** It leads back to this page. */
export const signInAddress = () => `/sign-in/?${new URLSearchParams({ next: location.pathname + location.search })}`;

/** What was asked for by pressing `control` and answered with `response`, or with nothing; `retry()` asks again. */
export async function tellOfFetch(response, control, retry) {
  const question = { what: UNREAD, control, retry };
  if (!response) return tell({ ...question, why: SILENT, button: "again" });
  const { status, headers } = response;
  const href = headers.get("HX-Redirect") ?? signInAddress();
  if (isSignedOut(response)) return tell({ ...question, why: SIGNED_OUT, button: "sign-in", href });
  const text = await response.text().catch(() => "");
  tell({ ...question, why: reasonOf(status, headers.get("Content-Type"), text), button: helpFor(status) });
}

function reasonOf(status, type, text) {
  // The page's own words for 404 are about a link that somebody followed.
  return (status !== 404 && wordsOf(type ?? "", text)) || WORDS[status] || refusal(status);
}

function helpFor(status) {
  return status === 429 || status >= 500 ? "again" : status === 404 || status === 409 ? "reload" : "";
}

function refusal(status) {
  return status >= 500 ? `The console failed at this (${status}).` : `The console refused it (${status}).`;
}

function wordsOf(type, text) {
  try {
    if (/[/+]json\b/.test(type)) return squeezed(JSON.parse(text).detail);
  } catch {
    return "";
  }
  const page = /^text\/html\b/.test(type) ? new DOMParser().parseFromString(text, "text/html") : null;
  return squeezed(page?.querySelector(".plain__lead > p:not(.plain__code)")?.textContent);
}

/** A request of htmx; `detail` is its event's. */
function tellOfRequest(detail, why, button, href) {
  const request = { elt: detail.elt, ...detail.requestConfig };
  const what = request.verb === "get" ? UNREAD : `“${nameOf(request)}” did not work.`;
  tell({ what, why, button, href, control: controlOf(request), retry: () => again(request) });
  if (request.triggeringEvent.type === "toggle") setTimeout(rearm, 0, request);
}

function tell({ what, why, button, href, control, retry }) {
  clear();
  failed = { control, retry };
  const toast = document.getElementById("failure-toast").content.firstElementChild.cloneNode(true);
  toast.querySelector("b").textContent = what;
  toast.querySelector("[data-why]").textContent = why;
  for (const one of toast.querySelectorAll("[data-helps]")) {
    if (one.dataset.helps !== button) one.remove();
    else if (href) one.href = href;
  }
  document.dispatchEvent(new CustomEvent("scrollback:toast", { detail: { html: toast.outerHTML } }));
}

function nameOf(request) {
  const control = controlOf(request);
  return squeezed(control.getAttribute("aria-label") || control.textContent || control.title.replace(/ \(.\)$/, ""));
}

/** What was pressed. */
function controlOf({ elt, triggeringEvent }) {
  if (triggeringEvent.submitter) return triggeringEvent.submitter;
  return elt.matches("a, button") ? elt : (elt.closest("details")?.querySelector("summary") ?? elt);
}

/** A fold asks once; a fresh copy asks when it is opened the next time. */
function rearm(request) {
  const copy = request.elt.cloneNode(true);
  request.elt.replaceWith(copy);
  request.elt = copy;
  window.htmx.process(copy);
}

function clear() {
  for (const toast of shown()) toast.remove();
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-failure] button");
  if (!button || !failed) return;
  clear();
  if (document.activeElement === document.body) failed.control.focus({ preventScroll: true });
  if (button.dataset.helps === "reload") location.reload();
  else if (button.dataset.helps === "again") failed.retry();
});

async function again({ elt, verb, path, formData, triggeringEvent: event }) {
  // What asked may have left the page meanwhile, as an Undo does with its toast.
  const context = elt.isConnected ? { source: elt, event } : { source: document.body, values: formData, swap: "none", event };
  // The events above tell it when this fails too.
  await window.htmx.ajax(verb, path, context).catch(() => null);
}
