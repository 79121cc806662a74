// Self-check questions and flashcards in a page, as the course's self_check.py and flashcards.py have them in a notebook.

// The number that was typed, with a point or a comma for the decimals; null if it is none. A comma before exactly three
// digits stands for thousands; percent and fractions count as what they are worth.
export function toNumber(entry) {
  const text = entry.normalize("NFKC").trim().replace(/[−–—‐‑-]\s*/gu, "-").replace(/\.$/, "");
  const [above, below] = text.endsWith("%") ? [text.slice(0, -1), "100"] : text.split(/\/(.*)/s);
  const [number, divisor] = [decimal(above), below === undefined ? 1 : decimal(below)];
  return number !== null && divisor && Number.isFinite(number / divisor) ? number / divisor : null;
}

function decimal(text) {
  const plain = /^\s*[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?\s*$/.test(text) ? text.replaceAll(",", "") : text.replace(",", ".");
  return /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(plain) ? Number(plain) : null;
}

// Whether an entry is right, and the words (HTML) that say so and why.
export function judge(question, entry) {
  return question.kind === "number" ? judgeNumber(question, entry) : judgeChoice(question, entry);
}

function judgeNumber({ value, tolerance, why, hint, wrong }, entry) {
  if (!entry.trim()) return verdict(false, "Nothing is entered yet: type a number, then press Enter.");
  const meant = [toNumber(entry), toNumber(entry.replaceAll(",", "."))]; // 1,127 may be a thousand or a little more than one
  const numbers = meant.filter((number) => number !== null);
  if (!numbers.length)
    return verdict(false, `Not yet: “${escaped(entry.trim())}” is no number; write it in digits, such as 12.5 or -3.`);
  const nearest = (wanted, all) => all.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a));
  const closest = nearest(value, numbers);
  if (Math.abs(closest - value) <= tolerance) return verdict(true, `Right: ${why}`);
  for (const number of numbers) {
    const slip = nearest(number, wrong.map((each) => each.value));
    if (Math.abs(number - slip) <= tolerance)
      return verdict(false, `Not yet: ${wrong.find((each) => each.value === slip).why}`);
  }
  return verdict(false, `Not yet: ${escaped(entry.trim())} is too ${closest < value ? "small" : "large"}. ${hint}`);
}

function judgeChoice({ options, several }, letters) {
  const chosen = options.filter(({ letter }) => letters.includes(letter));
  const wrong = chosen.filter(({ status }) => status === "wrong");
  if (!chosen.length) return verdict(false, "Nothing is chosen yet: choose first, then press Check.");
  if (wrong.length && several)
    return verdict(false, `Not yet. ${wrong.map(({ letter, why }) => `${letter}: ${why}`).join(" ")}`);
  if (wrong.length) return verdict(false, `Not yet: ${wrong[0].why}`);
  if (several && options.some(({ status, letter }) => status === "right" && !letters.includes(letter)))
    return verdict(false, "Not yet: what you have ticked is right, but something is missing.");
  return verdict(true, `${chosen[0].status === "right" ? "Right" : "Accepted"}: ${chosen.map(({ why }) => why).join(" ")}`);
}

const verdict = (right, words) => ({ right, words });

function escaped(text) {
  const line = document.createElement("p");
  line.textContent = text;
  return line.innerHTML;
}

// --- in a page --------------------------------------------------------------------------------------------------------

function element(name, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
}

function ask(place, question) {
  const said = element("div", { role: "status", className: "course-verdict" });
  const show = (entry, before = "") => (said.innerHTML = before + judge(question, entry).words);
  const form = element("form");
  if (question.kind === "number") {
    const field = element("input", { autocomplete: "off", size: 12 });
    form.append(element("label", {}, "Your number: ", field), element("button", {}, "Check"));
    form.onsubmit = () => show(field.value);
  } else if (question.kind === "choice" && !question.several) {
    for (const { letter } of question.options)
      form.append(element("button", { type: "button", onclick: () => show([letter], `${letter} · `) }, letter));
  } else if (question.kind === "choice") {
    const boxes = question.options.map(({ letter }) => element("input", { type: "checkbox", value: letter }));
    form.append(...boxes.map((box) => element("label", {}, box, ` ${box.value} `)), element("button", {}, "Check"));
    form.onsubmit = () => show(boxes.filter((box) => box.checked).map((box) => box.value));
  } else {
    const field = element("textarea", { rows: 5, placeholder: "Your answer, in two or three sentences", ariaLabel: "Your answer" });
    form.append(field, element("button", {}, "Compare"));
    form.onsubmit = () =>
      (said.innerHTML = field.value.trim()
        ? `<b>One good answer</b>${question.answer}<b>Are these points in yours?</b><ul>${question.points
            .map((point) => `<li>${point}</li>`)
            .join("")}</ul>`
        : "Nothing is written yet: a sentence or two first, then compare.");
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  place.replaceChildren(form, said);
}

function learn(place, cards) {
  const face = element("div", { role: "status", className: "course-card" });
  const where = element("span");
  let unseen, missed, answered;
  const turn = (answer) => {
    answered = answer;
    const top = unseen[0] ?? missed[0];
    face.innerHTML = top
      ? `<b>${top.front}</b>${answered ? top.back : ""}`
      : "<b>All cards of this deck are good.</b><p>Start over, today or in a few days.</p>";
    const seen = cards.length - unseen.length;
    where.textContent = !top
      ? `all ${cards.length} cards are good`
      : (unseen.length ? `card ${seen + 1} of ${cards.length}` : `all ${cards.length} cards seen`) +
        (missed.length ? `, ${missed.length} to repeat` : "");
  };
  const take = () => (unseen.length ? unseen.shift() : missed.shift());
  const begin = () => ([unseen, missed] = [[...cards], []]);
  const grade = (mark) => () => {
    if (answered) mark();
    turn(!answered); // nobody grades an answer that they have not seen
  };
  const actions = {
    "Show answer": () => turn(true),
    Again: grade(() => unseen.length + missed.length && missed.push(take())),
    Good: grade(take),
    Shuffle: () => {
      for (const pile of [unseen, missed])
        for (let i = pile.length - 1; i > 0; i--) {
          const j = Math.floor(Math.random() * (i + 1));
          [pile[i], pile[j]] = [pile[j], pile[i]];
        }
      turn(false);
    },
    "Start over": () => turn(false, begin()),
  };
  const buttons = Object.entries(actions).map(([name, action]) => element("button", { type: "button", onclick: action }, name));
  place.replaceChildren(element("div", {}, ...buttons, where), face);
  begin();
  turn(false);
}

for (const [name, fill] of [
  ["course-question", ask],
  ["course-cards", learn],
])
  for (const place of document.querySelectorAll(`.${name}`)) fill(place, JSON.parse(place.dataset.content));
