// Buttons with data-dialog="<id>" open that dialog; a dialog with data-opens-on="<event>" opens on that document event.
// Either way the dialog then gets dialog:opened. A click on the backdrop closes. Without script such a button is a link wherever it has an href.

function open(dialog) {
  if (!dialog || dialog.open) return;
  dialog.showModal();
  dialog.dispatchEvent(new CustomEvent("dialog:opened", { bubbles: true }));
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    opener.closest("details[data-menu]")?.removeAttribute("open");
    open(document.getElementById(opener.dataset.dialog));
  } else if (event.target instanceof HTMLDialogElement) {
    const box = event.target.getBoundingClientRect();
    const inside =
      event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) event.target.close();
  }
});

for (const dialog of document.querySelectorAll("dialog[data-opens-on]")) {
  document.addEventListener(dialog.dataset.opensOn, (event) => {
    event.preventDefault();
    open(dialog);
  });
}
