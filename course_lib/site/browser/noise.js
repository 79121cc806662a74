// Noise that is torch's, number for number: the generator of pipe.noise(1, seed) in the course's text_to_image.py.

// numpy.random.SeedSequence([seed, row]).generate_state(1)[0]: mixes both numbers into 32 bits.
// Source: O'Neill 2015, "Developing a seed_seq Alternative", as NumPy has it.
export function mixedSeed(seed, row) {
  const entropy = [...words(seed), ...words(row)]; // four words at most
  let factor = 0x43b0d7e5;
  const hashed = (value) => {
    value ^= factor;
    factor = Math.imul(factor, 0x931e8875);
    value = Math.imul(value, factor);
    return value ^ (value >>> 16);
  };
  const mixed = (x, y) => {
    const both = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) | 0;
    return both ^ (both >>> 16);
  };
  const pool = [0, 1, 2, 3].map((i) => hashed(entropy[i] ?? 0));
  for (let from = 0; from < 4; from++)
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mixed(pool[to], hashed(pool[from]));
  const state = Math.imul(pool[0] ^ 0x8b51f9dd, Math.imul(0x8b51f9dd, 0x58f38ded));
  return (state ^ (state >>> 16)) >>> 0;
}

// A whole number up to 2⁵³ in words of 32 bits, the lower one first.
function words(number) {
  const upper = Math.floor(number / 2 ** 32);
  return upper ? [number >>> 0, upper] : [number >>> 0];
}

// The Mersenne Twister of 32 bits. Source: Matsumoto, Nishimura 1998.
function mersenneTwister(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  let next = 624;
  return () => {
    if (next === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
        state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      next = 0;
    }
    let y = state[next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

// torch.randn(count) on the CPU, in float32, for a count that divides by 16: Box and Muller in blocks of 16, the first
// eight uniform numbers of each giving the lengths and the others the angles.
export function normalNoise(count, seed, row = 0) {
  const random = mersenneTwister(mixedSeed(seed, row));
  const noise = new Float32Array(count);
  for (let i = 0; i < count; i++) noise[i] = (random() & 0xffffff) / 2 ** 24;
  for (let block = 0; block < count; block += 16)
    for (let i = block; i < block + 8; i++) {
      const length = Math.sqrt(-2 * Math.log(1 - noise[i]));
      const angle = 2 * Math.PI * noise[i + 8];
      noise[i] = length * Math.cos(angle);
      noise[i + 8] = length * Math.sin(angle);
    }
  return noise;
}
