// The front page's easel: a prompt, three knobs, and a picture that comes out of the noise.

const MEGABYTES = 28; // of all that is loaded before the first picture
const EASEL = `
  <form>
    <label class="prompt">Prompt <input name="prompt" value="a red sports car" maxlength="200" autocomplete="off"></label>
    <label>Guidance <input name="guidance" type="range" min="0" max="10" step="0.5" value="3"><output>3</output></label>
    <label>Steps <input name="steps" type="range" min="1" max="50" value="25"><output>25</output></label>
    <label>Seed <input name="seed" type="number" min="0" max="2147483647" step="1" value="1" required></label>
    <button>Draw</button>
  </form>
  <figure>
    <figcaption role="status">The first time, ${MEGABYTES} MB are loaded: the whole model. Nothing that you type leaves your browser.</figcaption>
    <div class="picture">
      <canvas width="64" height="64" role="img" aria-label="Nothing has been drawn yet."></canvas>
      <canvas class="attention" width="16" height="16" aria-hidden="true" hidden></canvas>
    </div>
    <div class="words" role="group" aria-label="Where each word's attention lies"></div>
  </figure>`;

let model; // a promise, once it is being loaded
let progress; // hears how much of it is there
let turn = 0; // counts the presses: a later one ends the walk of an earlier one

for (const place of document.querySelectorAll(".course-draw")) setUp(place);

function setUp(place) {
  place.innerHTML = EASEL;
  const form = place.querySelector("form");
  for (const range of form.querySelectorAll("[type=range]")) {
    const tell = () => (range.nextElementSibling.value = range.value);
    range.addEventListener("input", tell);
    addEventListener("pageshow", tell); // a browser that comes back restores the slider, not the number beside it
  }
  addEventListener("keydown", ({ key }) => (place.querySelector(".attention").hidden ||= key === "Escape"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    draw(form, place);
  });
}

async function draw(form, place) {
  const [canvas, status] = [place.querySelector("canvas"), place.querySelector("[role=status]")];
  const mine = ++turn;
  const say = (text) => mine === turn && (status.textContent = text);
  const { prompt: typed, ...knobs } = Object.fromEntries(new FormData(form));
  const prompt = typed.trim();
  const wanted = Object.fromEntries(Object.entries(knobs).map(([name, value]) => [name, Number(value)]));
  showAttention(place, []);
  place.querySelector("figure").scrollIntoView({ block: "nearest" }); // below the knobs on a telephone
  try {
    say("Loading the model …");
    progress = (bytes, all) =>
      say(all ? "Starting the model …" : `Loading the model: ${Math.floor(bytes / 1e6)} of ${MEGABYTES} MB`);
    const pipe = await loaded();
    let [words, step] = [[], 0];
    for await (const { t, latent, attention } of pipe.watch(prompt, wanted)) {
      words = attention;
      if (mine !== turn) return;
      canvas.getContext("2d").putImageData(await pipe.decode(latent), 0, 0);
      say(`Step ${++step} of ${wanted.steps}: t = ${t}`);
      await new Promise((next) => requestAnimationFrame(next));
    }
    if (mine !== turn) return;
    const heard = prompt && wanted.guidance > 0;
    canvas.setAttribute("aria-label", heard ? `What the model drew of: ${prompt}.` : "What the model drew without a prompt.");
    showAttention(place, words);
    const tip = words.length
      ? "Point at a word: the picture stays light where it attended to it. Notebook 05 says why that surprises."
      : prompt && !wanted.guidance
        ? "With a guidance of 0 no prompt is heard."
        : "Type a prompt, change the seed or a knob, and draw again.";
    say(unknownWords(pipe.unknown(prompt)) || `Done. ${tip}`);
  } catch (problem) {
    say(problem.message);
  }
}

// A button for each word; while it is pointed at, or has the focus, all but what attended to it lies in the dark.
function showAttention(place, attention) {
  const dark = place.querySelector(".attention");
  dark.hidden = true;
  const buttons = attention.map(({ word, map }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = word;
    for (const event of ["pointerenter", "focus", "click"]) button.addEventListener(event, () => darken(dark, map));
    for (const event of ["pointerleave", "blur"])
      button.addEventListener(event, () => {
        const focused = buttons.indexOf(document.activeElement);
        if (focused < 0) dark.hidden = true;
        else darken(dark, attention[focused].map);
      });
    return button;
  });
  place.querySelector(".words").replaceChildren(...buttons);
}

function darken(dark, map) {
  const most = Math.max(...map);
  const pixels = new ImageData(dark.width, dark.height);
  map.forEach((value, i) => (pixels.data[4 * i + 3] = 220 * (1 - value / most)));
  dark.getContext("2d").putImageData(pixels, 0, 0);
  dark.hidden = false;
}

function loaded() {
  model ??= import("./model.js")
    .then(({ load }) => load(new URL("model/", import.meta.url), (share) => progress(share)))
    .catch((problem) => {
      model = undefined; // so that the next press tries again
      const why = problem.message.replace(/\.?$/, ".");
      throw new Error(`The model could not be loaded: ${why} Press again; if that does not help, load the page again.`);
    });
  return model;
}

function unknownWords(found) {
  return found
    .map(({ word, like }) => `“${word}” is no word that it knows${like.length ? `; it knows ${like.join(", ")}` : ""}.`)
    .join(" ");
}
