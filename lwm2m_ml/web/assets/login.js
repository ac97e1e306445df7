// The page to log in at follows the browser's preference; the others remember what was chosen.
addEventListener("DOMContentLoaded", () => {
  document.body.classList.toggle("dark", matchMedia("(prefers-color-scheme: dark)").matches);
});
