// Keys of the session and run pages: [ and ] go to the neighbours, e archives, s stars; j, k and o act on the transcript's rows.
// What a key presses is marked in the page with data-key-session, so a person who may not do it has no such key.

const PRESSED = {
  "session:previous": "previous",
  "session:next": "next",
  "session:archive": "archive",
  "session:star": "star",
};

for (const [type, name] of Object.entries(PRESSED)) {
  document.addEventListener(type, (event) => {
    const target = document.querySelector(`[data-key-session="${name}"]`);
    if (!target) return;
    event.preventDefault();
    target.click();
  });
}

// The box that takes the title's place is there to be typed into.
document.addEventListener(
  "toggle",
  ({ target }) => {
    if (target.open && target.matches?.(".rename, .session-tags details")) target.querySelector("input:not([type=hidden])")?.select();
  },
  true,
);
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && event.target.closest?.(".rename[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});
