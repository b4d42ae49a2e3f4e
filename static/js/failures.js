// A request of htmx that fails says nothing by itself. What a person asked for (a press, a form, a fold) and did not get is told here
// in one toast: what it was, why, and the button that helps. The server's own words are taken from its error page or problem document.
// What a page asks for by itself is not told: it asks again, and the connection in the rail says whether the console is there.

const BY_HAND = new Set(["click", "submit", "change", "toggle"]);
const SILENT = "The console does not answer. Nothing was changed.";
const WORDS = {
  403: "Your role does not allow it.",
  404: "It is no longer there: it may have been deleted or moved to the trash.",
  409: "It changed meanwhile.",
  429: "That was asked too often. Wait a moment.",
  503: "The database cannot do this now.",
};

/** The failed request that the toast is about. */
let failed = null;

const isByHand = ({ requestConfig }) => BY_HAND.has(requestConfig?.triggeringEvent?.type);
const shown = () => document.querySelectorAll("[data-failure]");
const squeezed = (text) => (text ?? "").replace(/\s+/g, " ").trim();

/** On `htmx` event `type`, when a person asked. */
function listen(type, act) {
  document.addEventListener(`htmx:${type}`, (event) => isByHand(event.detail) && act(event.detail, event));
}

listen("responseError", (detail) => {
  const { status } = detail.xhr;
  // The page's own words for this are about a link that somebody followed.
  const why = (status !== 404 && wordsOf(detail.xhr)) || WORDS[status] || refusal(status);
  const button = status === 429 || status >= 500 ? "again" : status === 404 || status === 409 ? "reload" : "";
  tell(detail, why, button);
});
listen("sendError", (detail) => tell(detail, SILENT, "again"));
listen("timeout", (detail) => {
  const isRead = detail.requestConfig.verb === "get";
  const why = "The console took too long to answer.";
  tell(detail, isRead ? why : `${why} It may have been done all the same.`, isRead ? "again" : "reload");
});
listen("beforeOnLoad", (detail, event) => {
  if (detail.xhr.status !== 401) return;
  // htmx would leave the page, and what was typed would go with it.
  event.preventDefault();
  tell(detail, "You are signed out.", "sign-in", detail.xhr.getResponseHeader("HX-Redirect"));
});
listen("afterRequest", ({ successful }) => successful && clear());

function refusal(status) {
  return status >= 500 ? `The console failed at this (${status}).` : `The console refused it (${status}).`;
}

function wordsOf(xhr) {
  const type = xhr.getResponseHeader("Content-Type") ?? "";
  try {
    if (/[/+]json\b/.test(type)) return squeezed(JSON.parse(xhr.responseText).detail);
  } catch {
    return "";
  }
  const page = /^text\/html\b/.test(type) ? new DOMParser().parseFromString(xhr.responseText, "text/html") : null;
  return squeezed(page?.querySelector(".plain__lead > p:not(.plain__code)")?.textContent);
}

function tell(detail, why, button, href) {
  clear();
  failed = { elt: detail.elt, ...detail.requestConfig };
  const toast = document.getElementById("failure-toast").content.firstElementChild.cloneNode(true);
  toast.querySelector("b").textContent = failed.verb === "get" ? "This could not be loaded." : `“${nameOf(failed)}” did not work.`;
  toast.querySelector("[data-why]").textContent = why;
  for (const one of toast.querySelectorAll("[data-helps]")) {
    if (one.dataset.helps !== button) one.remove();
    else if (href) one.href = href;
  }
  document.dispatchEvent(new CustomEvent("scrollback:toast", { detail: { html: toast.outerHTML } }));
  if (failed.triggeringEvent.type === "toggle") setTimeout(rearm, 0, failed);
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
  if (document.activeElement === document.body) controlOf(failed).focus({ preventScroll: true });
  if (button.dataset.helps === "reload") location.reload();
  else if (button.dataset.helps === "again") again(failed);
});

async function again({ elt, verb, path, formData, triggeringEvent: event }) {
  // What asked may have left the page meanwhile, as an Undo does with its toast.
  const context = elt.isConnected ? { source: elt, event } : { source: document.body, values: formData, swap: "none", event };
  // The events above tell it when this fails too.
  await window.htmx.ajax(verb, path, context).catch(() => null);
}
