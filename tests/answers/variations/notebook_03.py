"""Right answers to the variations of notebook 03."""

import torch

from answers.variations import right


@right("ddim_by_sigma")
def by_euler(x, picture, i, sigma):
    slope = (x - picture) / sigma[i]
    return x + (sigma[i + 1] - sigma[i]) * slope


@right("ddim_by_sigma")
def as_an_average(x, picture, i, sigma):
    return torch.lerp(picture, x, (sigma[1:] / sigma[:-1])[i].expand_as(x))


@right("ddim_by_sigma")
def picture_after_picture(x, picture, i, sigma):
    out = torch.empty_like(x)
    for place, level in enumerate(i.tolist()):
        before, after = sigma[level].item(), sigma[level + 1].item()
        eps = (x[:, :, place] - picture[:, :, place]) / before
        out[:, :, place] = picture[:, :, place] + after * eps
    return out


@right("ddim_by_sigma")
def batch_in_front(x, picture, i, sigma):
    x, picture = x.permute(2, 0, 1), picture.permute(2, 0, 1)
    now, then = sigma[i].view(-1, 1, 1), sigma.roll(-1)[i].view(-1, 1, 1)
    return (picture + (x - picture) * then / now).permute(1, 2, 0)


@right("ddpm_by_noise_left")
def in_the_courses_letters(x, v, z, done, noise_left):
    alpha_bar = torch.cat([1 - noise_left, torch.ones(1)])
    a_t, a_s = alpha_bar[done], alpha_bar[done + 1]
    x_0 = a_t**0.5 * x - (1 - a_t) ** 0.5 * v
    beta = 1 - a_t / a_s
    mean = a_s**0.5 * beta / (1 - a_t) * x_0 + (1 - beta) ** 0.5 * (1 - a_s) / (1 - a_t) * x
    return mean + (beta * (1 - a_s) / (1 - a_t)) ** 0.5 * z


@right("ddpm_by_noise_left")
def by_ddim_with_fresh_noise(x, v, z, done, noise_left):
    now = noise_left[done]
    then = torch.nn.functional.pad(noise_left, (0, 1))[done + 1]
    picture = (1 - now).sqrt() * x - now.sqrt() * v
    noise = now.sqrt() * x + (1 - now).sqrt() * v
    fresh = then / now * (1 - (1 - now) / (1 - then))
    return (1 - then).sqrt() * picture + (then - fresh).clamp(min=0).sqrt() * noise + fresh.sqrt() * z


@right("ddpm_by_noise_left")
def column_after_column(x, v, z, done, noise_left):
    shares, columns = [*noise_left.tolist(), 0.0], []
    for k, steps in enumerate(done.tolist()):
        n, m = shares[steps], shares[steps + 1]
        guess = (1 - n) ** 0.5 * x[:, k] - n**0.5 * v[:, k]
        beta = 1 - (1 - n) / (1 - m)
        w = beta / n
        mean = w * (1 - m) ** 0.5 * guess + (1 - w) * x[:, k] / (1 - beta) ** 0.5
        columns.append(mean + (beta * m / n) ** 0.5 * z[:, k])
    return torch.stack(columns, dim=1)


@right("ddpm_by_noise_left")
def by_two_reports(x, v, z, done, noise_left):
    n, m = noise_left[done].double(), torch.cat([noise_left[1:], torch.zeros(1)])[done].double()
    picture = (1 - n).sqrt() * x - n.sqrt() * v
    beta = (n - m) / (1 - m)
    spread = beta / (1 - beta)  # of the report from where it stands; that from the picture has m
    variance = m * spread / (m + spread)
    mean = ((1 - m).sqrt() * picture * spread + x / (1 - beta).sqrt() * m) / (m + spread)
    return (mean + variance.sqrt() * z).float()
