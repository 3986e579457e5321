// The arrows that open a part of the sidebar have no words: say which part it is.
document.querySelectorAll("nav details > summary").forEach((summary) => {
  const link = summary.closest("li").querySelector("a");
  summary.setAttribute("aria-label", `Pages below ${link.textContent.trim()}`);
});
