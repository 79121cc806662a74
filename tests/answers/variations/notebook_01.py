"""Right answers to the variations of notebook 01."""

import torch

from answers.variations import right


@right("add_noise_by_log_snr")
def by_exponential(x_0, t, noise, log_snr):
    ratio = torch.exp(log_snr[t - 1])
    return (x_0 * ratio.sqrt() + noise) / (1 + ratio).sqrt()


@right("add_noise_by_log_snr")
def picture_by_picture(x_0, t, noise, log_snr):
    out = torch.empty_like(x_0)
    for place, time in enumerate(t.tolist()):
        share = 1 / (1 + (-log_snr[time - 1]).exp())
        out[..., place] = share**0.5 * x_0[..., place] + (1 - share) ** 0.5 * noise[..., place]
    return out


@right("add_noise_by_log_snr")
def batch_first_and_back(x_0, t, noise, log_snr):
    share = torch.sigmoid(log_snr).index_select(0, t - 1).reshape(-1, 1, 1)
    mixed = share.sqrt() * x_0.permute(2, 0, 1) + torch.sqrt(1 - share) * noise.permute(2, 0, 1)
    return mixed.permute(1, 2, 0)


@right("add_noise_by_sigma")
def by_alpha_bar(x_0, t, noise, sigma):
    alpha_bar = 1 / (1 + sigma[t] ** 2)
    return alpha_bar.sqrt().view(1, -1, 1) * x_0 + (1 - alpha_bar).sqrt().view(1, -1, 1) * noise


@right("add_noise_by_sigma")
def by_hypot(x_0, t, noise, sigma):
    now = sigma[t].reshape(1, len(t), 1)
    return (x_0 + now * noise) / torch.hypot(torch.ones_like(now), now)


@right("add_noise_by_sigma")
def row_by_row(x_0, t, noise, sigma):
    rows = [(x_0[:, i] + sigma[k] * noise[:, i]) / (1 + sigma[k] ** 2) ** 0.5 for i, k in enumerate(t)]
    return torch.stack(rows, dim=1)


@right("add_noise_by_kept")
def by_loop(x_0, t, noise, kept):
    rows = []
    for row, eps, steps in zip(x_0, noise, t.tolist(), strict=True):
        factor = kept[:steps].prod()
        rows.append(factor * row + (1 - factor**2) ** 0.5 * eps)
    return torch.stack(rows)


@right("add_noise_by_kept")
def by_alpha_bars(x_0, t, noise, kept):
    alpha_bar = torch.cumprod(torch.nn.functional.pad(kept**2, (1, 0), value=1.0), 0)[t].unsqueeze(1)
    return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise


@right("add_noise_by_kept")
def step_by_step(x_0, t, noise, kept):
    signal = torch.ones(len(t))
    for step, factor in enumerate(kept, start=1):
        signal = torch.where(t >= step, signal * factor, signal)
    return signal[:, None] * x_0 + torch.sqrt(1 - signal**2)[:, None] * noise
