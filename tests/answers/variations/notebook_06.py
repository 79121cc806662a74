"""Right answers to the variations of notebook 06."""

import torch

from answers.variations import right


@right("guided_noise_of_pairs")
def noise_first(x_t, seen, scale, alpha_bar):
    share = alpha_bar.repeat_interleave(2).unsqueeze(1)
    eps = (x_t.repeat_interleave(2, dim=0) - share.sqrt() * seen) / (1 - share).sqrt()
    return (1 + scale) * eps[0::2] - scale * eps[1::2]


@right("guided_noise_of_pairs")
def by_a_pairs_axis(x_t, seen, scale, alpha_bar):
    pairs = seen.view(len(x_t), 2, -1)
    factors = torch.tensor([1 + scale, -scale])
    picture = torch.einsum("bpn,p->bn", pairs, factors)
    signal, noise = torch.sqrt(alpha_bar).view(-1, 1), torch.sqrt(1 - alpha_bar).view(-1, 1)
    return x_t / noise - signal / noise * picture


@right("guided_noise_of_pairs")
def picture_by_picture(x_t, seen, scale, alpha_bar):
    rows = []
    for i, share in enumerate(alpha_bar.tolist()):
        told, untold = seen[2 * i], seen[2 * i + 1]
        clean = untold + (scale + 1) * (told - untold)
        rows.append((x_t[i] - share**0.5 * clean) / (1 - share) ** 0.5)
    return torch.stack(rows)


@right("follow_several_prompts")
def by_sums(predictions, weights):
    alone = predictions[:, :, -1]
    followed = torch.einsum("bnk,kb->bn", predictions[:, :, :-1], weights)
    return followed + (1 - weights.sum(dim=0)).unsqueeze(1) * alone


@right("follow_several_prompts")
def prompt_by_prompt(predictions, weights):
    out = predictions[..., -1].clone()
    for k in range(weights.shape[0]):
        out += weights[k].unsqueeze(1) * (predictions[..., k] - predictions[..., -1])
    return out


@right("follow_several_prompts")
def by_one_product(predictions, weights):
    factors = torch.cat([weights, 1 - weights.sum(dim=0, keepdim=True)])  # (K + 1, B)
    return torch.bmm(predictions, factors.T.unsqueeze(-1)).squeeze(-1)
