// Text to numbers, as in the course's tokenizer.py.

const BEGIN = 1;
const UNKNOWN = 2;
const WORD = /[\p{L}\p{N}]+(?:[-'’][\p{L}\p{N}]+)*|[^\p{L}\p{N}_\s.!?;:()"'’]/gu;

// The words of a text in small letters; the comma is one.
export function words(text) {
  return text.toLowerCase().match(WORD) ?? [];
}

// The numbers of a text's words, after that of the beginning: an array of BigInt, as ONNX has int64.
export function encode(text, model) {
  const found = words(text);
  if (found.length > model.longest)
    throw new RangeError(`A prompt may have ${model.longest} words, and this one has ${found.length}: shorten it.`);
  const ids = found.map((word) => {
    const place = model.vocabulary.indexOf(word);
    return place < 0 ? UNKNOWN : place + model.first_id;
  });
  return BigInt64Array.from([BEGIN, ...ids].map(BigInt));
}

// The words that are not in the vocabulary, each with up to three known words of similar spelling.
export function unknown(text, model) {
  return [...new Set(words(text))]
    .filter((word) => !model.vocabulary.includes(word))
    .map((word) => ({ word, like: similar(word, model.vocabulary) }));
}

// Those whose letters agree by six tenths or more, the most similar ones first.
function similar(word, vocabulary) {
  return vocabulary
    .map((known) => ({ known, alike: (2 * agreeing(word, known)) / (word.length + known.length) }))
    .filter(({ alike }) => alike >= 0.6)
    .sort((a, b) => b.alike - a.alike)
    .slice(0, 3)
    .map(({ known }) => known);
}

// How many letters agree: those of the longest stretch that both have, and of the same to its left and to its right.
// Source: Ratcliff, Metzener 1988, "Pattern Matching: The Gestalt Approach", as in Python's difflib.
function agreeing(one, other) {
  let [length, start, place] = [0, 0, 0];
  for (let i = 0; i < one.length; i++)
    for (let j = 0; j < other.length; j++) {
      let k = 0;
      while (i + k < one.length && j + k < other.length && one[i + k] === other[j + k]) k++;
      if (k > length) [length, start, place] = [k, i, j];
    }
  if (!length) return 0;
  const left = agreeing(one.slice(0, start), other.slice(0, place));
  return left + length + agreeing(one.slice(start + length), other.slice(place + length));
}
