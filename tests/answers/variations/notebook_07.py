"""Right answers to the variations of notebook 07."""

import torch

from answers.variations import right


@right("pictures_to_be_seen")
def by_straight_lines(walk, sigma):
    slope = (walk[:, :, 0:-1:2] - walk[:, :, 2::2]) / (sigma[0:-1:2] - sigma[2::2])
    return walk[:, :, 2::2] - slope * sigma[2::2]


@right("pictures_to_be_seen")
def by_two_products(walk, sigma):
    moments, before, after = walk[..., ::2], sigma[::2][:-1], sigma[::2][1:]
    return (before * moments[..., 1:] - after * moments[..., :-1]) / (before - after)


@right("pictures_to_be_seen")
def step_by_step(walk, sigma):
    seen = []
    for place in range(0, len(sigma) - 1, 2):
        ratio = (sigma[place + 2] / sigma[place]).item()
        seen.append((walk[..., place + 2] - ratio * walk[..., place]) / (1 - ratio))
    return torch.stack(seen, dim=-1)


@right("velocity_of_one_step")
def by_the_end(teacher, x, t, middle, s):
    end = x
    for begins, ends in ((t, middle), (middle, s)):
        end = end + (ends - begins) * teacher(end, begins)
    return (end - x) / (s - t)


@right("velocity_of_one_step")
def by_a_share(teacher, x, t, middle, s):
    share = (middle - t) / (s - t)
    before = teacher(x, t)
    after = teacher(torch.addcmul(x, before, middle - t), middle)
    return torch.lerp(after, before, share.expand_as(x))


@right("velocity_of_one_step")
def with_points_as_rows(teacher, x, t, middle, s):
    lengths = torch.stack([middle - t, s - middle], dim=1)  # (B, 2)
    one = teacher(x, t).T  # (B, N)
    two = teacher((x.T + lengths[:, :1] * one).T, middle).T
    way = lengths[:, :1] * one + lengths[:, 1:] * two
    return (way / lengths.sum(dim=1, keepdim=True)).T
