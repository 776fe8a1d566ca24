// In a frame of another page (`?frame` in the address), a page is its picture alone; this is the way to the rest.

if (document.body.classList.contains("nv-frame")) {
  const link = document.createElement("a");
  link.className = "nv-framed";
  link.target = "_blank";
  link.textContent = `${document.title} ↗`;
  link.title = worded("Open the chapter with these settings");
  const follow = () => (link.href = location.pathname + location.hash);
  follow();
  for (const kind of ["pointerdown", "focus"]) link.addEventListener(kind, follow);
  document.getElementById("rendered_cells").append(link);
}
