"""Right answers to the variations of notebook 09."""

import torch

from answers.variations import right


@right("frame_by_sigma")
def into_a_copy(x, picture, keep, sigma, noise):
    result = x.clone()
    result[keep] = picture[keep][:, None] + noise[keep] * sigma
    return result


@right("frame_by_sigma")
def batch_in_front(x, picture, keep, sigma, noise):
    x, noise = x.permute(2, 0, 1), noise.permute(2, 0, 1)
    return torch.where(keep, picture + sigma.view(-1, 1, 1) * noise, x).permute(1, 2, 0)


@right("frame_by_sigma")
def picture_after_picture(x, picture, keep, sigma, noise):
    made = []
    for k, level in enumerate(sigma.tolist()):
        made.append(torch.where(keep, picture + level * noise[..., k], x[..., k]))
    return torch.stack(made, dim=-1)


@right("frame_by_sigma")
def with_zeros_for_nan(x, picture, keep, sigma, noise):
    known = picture.nan_to_num(nan=0.0).unsqueeze(-1)
    inside = keep.unsqueeze(-1).float()
    return inside * torch.addcmul(known, sigma.expand_as(noise), noise) + (1 - inside) * x


@right("frame_by_sigma")
def by_masked_fill(x, picture, keep, sigma, noise):
    noised = picture[..., None] + sigma[None, None] * noise
    return noised.masked_fill(~keep[..., None], 0) + x.masked_fill(keep[..., None], 0)


@right("up_the_line")
def by_the_shares(x, now, then, fresh):
    shrink = (1 - then) / (1 - now)
    missing = then.square() - shrink.square() * now.square()
    return x * shrink + fresh * missing**0.5


@right("up_the_line")
def column_after_column(x, now, then, fresh):
    columns = []
    for k, (s, u) in enumerate(zip(now.tolist(), then.tolist(), strict=True)):
        kept = (1 - u) / (1 - s)
        columns.append(kept * x[:, k] + (u**2 - kept**2 * s**2) ** 0.5 * fresh[:, k])
    return torch.stack(columns, dim=1)


@right("up_the_line")
def by_the_course_s_schedule(x, now, then, fresh):
    """Scaled to variance 1 and back, where the course's formula holds."""
    size_now, size_then = ((1 - t).square().add(t.square()).sqrt() for t in (now, then))
    alpha_now, alpha_then = ((1 - now) / size_now) ** 2, ((1 - then) / size_then) ** 2
    ratio = alpha_then / alpha_now
    return size_then * (ratio.sqrt() * (x / size_now) + (1 - ratio).sqrt() * fresh)


@right("up_the_line")
def by_factors(x, now, then, fresh):
    kept = (1 - then) / (1 - now)
    old = kept * now  # of the noise that x brings along
    return torch.addcmul(kept * x, ((then - old) * (then + old)).sqrt().expand_as(fresh), fresh)


@right("up_the_line")
def in_float64(x, now, then, fresh):
    s, u = now.double(), then.double()
    kept = (1 - u).div(1 - s)
    return (kept * x + (u.pow(2) - (kept * s).pow(2)).sqrt() * fresh).float()
