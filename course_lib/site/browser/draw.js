// The front page's easel: a prompt, three knobs, and a picture that comes out of the noise.

const EASEL = `
  <form>
    <label class="prompt">Prompt <input name="prompt" value="a red sports car" maxlength="200" autocomplete="off"></label>
    <label>Guidance <input name="guidance" type="range" min="0" max="10" step="0.5" value="3"><output>3</output></label>
    <label>Steps <input name="steps" type="range" min="1" max="50" value="25"><output>25</output></label>
    <label>Seed <input name="seed" type="number" min="0" max="2147483647" step="1" value="1"></label>
    <button>Draw</button>
  </form>
  <figure>
    <canvas width="64" height="64" role="img" aria-label="Nothing has been drawn yet."></canvas>
    <figcaption role="status">The first time, 28 MB are loaded: the whole model. Nothing that you type leaves your browser.</figcaption>
  </figure>`;

let model; // a promise, once it is being loaded
let turn = 0; // counts the presses: a later one ends the walk of an earlier one

for (const place of document.querySelectorAll(".course-draw")) setUp(place);

function setUp(place) {
  place.innerHTML = EASEL;
  const form = place.querySelector("form");
  for (const range of form.querySelectorAll("[type=range]"))
    range.addEventListener("input", () => (range.nextElementSibling.value = range.value));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    draw(form, place.querySelector("canvas"), place.querySelector("[role=status]"));
  });
}

async function draw(form, canvas, status) {
  const mine = ++turn;
  const say = (text) => mine === turn && (status.textContent = text);
  const { prompt, ...knobs } = Object.fromEntries(new FormData(form));
  const wanted = Object.fromEntries(Object.entries(knobs).map(([name, value]) => [name, Number(value)]));
  try {
    say("Loading the model …");
    const pipe = await loaded((share) => say(`Loading the model: ${Math.round(100 * share)} %`));
    for await (const { t, latent } of pipe.watch(prompt, wanted)) {
      if (mine !== turn) return;
      canvas.getContext("2d").putImageData(await pipe.decode(latent), 0, 0);
      say(`t = ${t}`);
      await new Promise((next) => requestAnimationFrame(next));
    }
    canvas.setAttribute("aria-label", prompt ? `What the model drew of: ${prompt}.` : "What the model drew without a prompt.");
    say(unknownWords(pipe.unknown(prompt)) || "Done. Change a word, the seed or a knob, and draw again.");
  } catch (problem) {
    say(problem.message);
  }
}

function loaded(told) {
  model ??= import("./model.js")
    .then(({ load }) => load(new URL("model/", import.meta.url), told))
    .catch((problem) => {
      model = undefined; // so that the next press tries again
      throw problem;
    });
  return model;
}

function unknownWords(found) {
  return found
    .map(({ word, like }) => `“${word}” is no word that it knows${like.length ? `; it knows ${like.join(", ")}` : ""}.`)
    .join(" ");
}
