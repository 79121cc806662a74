// Sampling, as in the course's sampling.py: a denoiser is asked at ever earlier times, and each answer takes one step.

// Evenly spread times T … 0.
export function times(T, steps) {
  return Array.from({ length: steps + 1 }, (_, k) => Math.floor((T * (steps - k)) / steps));
}

// Walks from noise to a clean latent, and yields every step of the way: { x, t, x_0 }, each x_0 the picture that the
// denoiser sees in x. predict(x, t) gives x_0, a Float32Array like x; alphaBar holds ᾱ_0 … ᾱ_T.
export async function* sample(predict, noise, alphaBar, steps) {
  const walk = times(alphaBar.length - 1, steps);
  let x = noise;
  for (let k = 0; k < steps; k++) {
    const x_0 = await predict(x, walk[k]);
    yield { x, t: walk[k], x_0 };
    x = ddimStep(x, x_0, alphaBar[walk[k]], alphaBar[walk[k + 1]]);
  }
  yield { x, t: 0, x_0: x };
}

// DDIM: the predicted picture and the predicted noise, put together again at an earlier time.
function ddimStep(x_t, x_0, alphaBarT, alphaBarS) {
  const [signal, noise] = roots(alphaBarT);
  const [signalThere, noiseThere] = roots(alphaBarS);
  return x_t.map((value, i) => signalThere * x_0[i] + (noiseThere * (value - signal * x_0[i])) / noise);
}

// The picture that a network sees which predicts v.
export function pictureFromV(x_t, v, alphaBarT) {
  const [signal, noise] = roots(alphaBarT);
  return x_t.map((value, i) => signal * value - noise * v[i]);
}

// Guidance: from what is seen without a prompt past what is seen with one.
export function guided(without, withPrompt, w) {
  return without.map((value, i) => value + w * (withPrompt[i] - value));
}

// √ᾱ and √(1 − ᾱ), the factors of picture and noise.
function roots(alphaBar) {
  return [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
}
