// The course's text-to-image model in a browser: prompt → words → latent, step by step → pixels.

import * as ort from "./ort/ort.wasm.min.js";
import { normalNoise } from "./noise.js";
import { guided, pictureFromV, sample } from "./sampling.js";
import { encode, unknown, words as wordsOf } from "./tokenizer.js";

ort.env.wasm.wasmPaths = { mjs: new URL("./ort/ort-wasm-simd-threaded.js", import.meta.url).href };
ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1;

// Loads the files of a folder; told(bytes, all) hears how many bytes of them are there, and whether those are all.
export async function load(folder, told = () => {}) {
  const names = ["../ort/ort-wasm-simd-threaded.wasm", "model.json", "words.onnx", "denoiser.onnx", "decoder.onnx"];
  const stop = new AbortController();
  let bytes = 0;
  const [runtime, around, ...graphs] = await Promise.all(
    names.map((name) => fetched(new URL(name, folder), stop.signal, (more) => told((bytes += more), false))),
  ).catch((problem) => {
    stop.abort(); // without one of them the others are of no use
    throw problem;
  });
  told(bytes, true);
  // ONNX Runtime tries only once, so what is none must not get as far: a page that asks to log in, say.
  if (new TextDecoder().decode(runtime.subarray(0, 4)) !== "\0asm") throw new Error("ort-wasm-simd-threaded.wasm came damaged.");
  ort.env.wasm.wasmBinary = runtime;
  // ONNX Runtime would optimise each graph for longer than that saves.
  const sessions = graphs.map((graph, place) =>
    ort.InferenceSession.create(graph, { graphOptimizationLevel: "disabled" }).catch(() => {
      throw new Error(`${names[place + 2]} came damaged.`);
    }),
  );
  return new TextToImage(JSON.parse(new TextDecoder().decode(around)), ...(await Promise.all(sessions)));
}

async function fetched(url, signal, told) {
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw new Error(`${url.pathname.split("/").at(-1)} could not be loaded (${answer.status}).`);
  const parts = [];
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    told(value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

class TextToImage {
  constructor(around, words, denoiser, decoder) {
    Object.assign(this, { around, words, denoiser, decoder });
  }

  unknown(prompt) {
    return unknown(prompt, this.around);
  }

  // Yields { t, latent, seen, attention } for every step: two Float32Arrays of a latent, the noisy one and what the denoiser
  // sees in it; and for the token that begins every prompt and each word one of 16 × 16 positions: its attention so far.
  async *watch(prompt, { guidance = this.around.guidance, steps = this.around.steps, seed = 0 } = {}) {
    const { alpha_bar: alphaBar, latent } = this.around;
    const size = latent.reduce((a, b) => a * b);
    const asked = guidance === 1 ? [prompt] : guidance === 0 ? [""] : ["", prompt];
    const words = await this.read(asked);
    const positions = latent[1] * latent[2];
    const said = guidance === 0 ? [] : wordsOf(prompt);
    const heardOf = said.length ? ["(begin)", ...said] : [];
    const attention = heardOf.map((word) => ({ word, map: new Float32Array(positions) }));
    const predict = async (x, t) => {
      const x_t = new Float32Array(asked.length * size);
      asked.forEach((_, row) => x_t.set(x, row * size));
      const { v, attention: paid } = await this.denoiser.run({
        x_t: new ort.Tensor("float32", x_t, [asked.length, ...latent]),
        t: new ort.Tensor("int64", BigInt64Array.from(asked, () => BigInt(t)), [asked.length]),
        words,
      });
      const rowOfPrompt = (asked.length - 1) * words.dims[1] * positions;
      attention.forEach(({ map }, place) => {
        for (let i = 0; i < positions; i++) map[i] += paid.data[rowOfPrompt + place * positions + i];
      });
      const seen = asked.map((_, row) => pictureFromV(x, v.data.subarray(row * size, (row + 1) * size), alphaBar[t]));
      return asked.length === 1 ? seen[0] : guided(...seen, guidance);
    };
    for await (const { x, t, x_0 } of sample(predict, normalNoise(size, seed), alphaBar, steps))
      yield { t, latent: x, seen: x_0, attention };
  }

  // Pixels of a latent: { data, width, height } for a canvas.
  async decode(latent) {
    const z = new ort.Tensor("float32", latent, [1, ...this.around.latent]);
    const { pictures } = await this.decoder.run({ z });
    const side = this.around.side;
    const data = new Uint8ClampedArray(4 * side * side).fill(255);
    for (let pixel = 0; pixel < side * side; pixel++)
      for (let colour = 0; colour < 3; colour++)
        data[4 * pixel + colour] = (pictures.data[colour * side * side + pixel] + 1) * 127.5; // rounded
    return new ImageData(data, side, side);
  }

  // A vector for each word; rows of zeros, padding, where a prompt is shorter than the longest.
  async read(prompts) {
    const rows = prompts.map((prompt) => encode(prompt, this.around));
    const longest = Math.max(...rows.map((row) => row.length));
    const ids = new BigInt64Array(rows.length * longest);
    rows.forEach((row, place) => ids.set(row, place * longest));
    return (await this.words.run({ ids: new ort.Tensor("int64", ids, [rows.length, longest]) })).words;
  }
}
