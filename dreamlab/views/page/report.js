// What the report's page does with its turntable and viewer.
// Where people ask for less motion, the turntable stands still until it is clicked.
(() => {
  const film = document.querySelector(".turntable");
  if (!film || !matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const stop = () => {
    const still = document.createElement("canvas");
    [still.width, still.height] = [film.naturalWidth, film.naturalHeight];
    still.getContext("2d").drawImage(film, 0, 0);
    still.title = "click to turn";
    still.addEventListener("click", () => still.replaceWith(film));
    film.replaceWith(still);
    document.body.dataset.turntable = "still";
  };
  if (film.complete) stop(); else film.addEventListener("load", stop, { once: true });
})();

(async () => {
  const canvas = document.getElementById("viewer");
  const notice = document.getElementById("viewer-notice");
  const say = (text) => { notice.textContent = text; };
  try {
    const text = atob(document.getElementById("model").textContent.trim());
    const model = await showModel(canvas, Uint8Array.from(text, (c) => c.charCodeAt(0)), { say });
    if (!model) return;
    for (const button of document.querySelectorAll("[data-style]")) {
      button.addEventListener("click", () => {
        model.dress(Number(button.dataset.style));
        for (const other of document.querySelectorAll("[data-style]")) {
          other.setAttribute("aria-pressed", String(other === button));
        }
      });
    }
    document.body.dataset.viewer = "ready";
  } catch (error) {
    say(`The model cannot be shown: ${error.message}`);
  }
})();
