// Where the tabs are wider than the page, the one that is open is in sight.
for (const tabs of document.querySelectorAll(".tabs")) {
  const open = tabs.querySelector("[aria-current]")?.getBoundingClientRect();
  const seen = tabs.getBoundingClientRect();
  if (open && open.right > seen.right) tabs.scrollLeft += open.left + open.width / 2 - (seen.left + seen.width / 2);
}
