"""Right answers to the variations of notebook 05."""

import torch

from answers.variations import right


@right("attend_batch_second")
def batch_first_and_back(q, k, v, padding):
    q, k, v = (each.transpose(0, 1) for each in (q, k, v))
    scores = torch.bmm(q, k.transpose(1, 2)) * q.size(-1) ** -0.5
    hidden = torch.zeros_like(padding, dtype=scores.dtype).masked_fill(padding, float("-inf"))
    return torch.bmm(torch.softmax(scores + hidden.unsqueeze(1), dim=2), v).transpose(0, 1)


@right("attend_batch_second")
def text_by_text(q, k, v, padding):
    out = torch.empty(q.shape[0], q.shape[1], v.shape[2])
    for text, hidden in enumerate(padding):
        words = ~hidden
        products = q[:, text] @ k[words, text].T
        out[:, text] = torch.softmax(products / q.shape[2] ** 0.5, dim=1) @ v[words, text]
    return out


@right("attend_batch_second")
def by_exponentials(q, k, v, padding):
    products = (q[:, None] * k[None]).sum(dim=-1) / q.shape[-1] ** 0.5  # (N, L, B)
    share = products.exp() * ~padding.T
    share = share / share.sum(dim=1, keepdim=True)
    return (share[..., None] * v[None]).sum(dim=1)


@right("attend_batch_second")
def by_torch(q, k, v, padding):
    q, k, v = (each.permute(1, 0, 2) for each in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=~padding[:, None]).permute(1, 0, 2)


@right("loss_of_several_captions")
def by_cross_entropy(pictures, captions, temperature):
    pictures, captions = torch.nn.functional.normalize(pictures, dim=0), torch.nn.functional.normalize(captions, dim=0)
    logits = captions.T @ pictures / temperature  # (N·K, N)
    count = pictures.shape[1]
    owner = torch.arange(count).repeat_interleave(len(logits) // count)
    own = torch.nn.functional.one_hot(owner, count).T  # (N, N·K)
    right_ones = (logits.T.softmax(dim=1) * own).sum(dim=1)
    return 0.5 * torch.nn.functional.cross_entropy(logits, owner) - 0.5 * right_ones.log().mean()


@right("loss_of_several_captions")
def choice_by_choice(pictures, captions, temperature):
    pictures, captions = pictures.T, captions.T
    each = len(captions) // len(pictures)
    alike = torch.nn.functional.cosine_similarity(pictures[:, None], captions[None], dim=-1).div(temperature).exp()
    of_pictures, of_captions = [], []
    for i in range(len(pictures)):
        own = slice(i * each, (i + 1) * each)
        of_pictures.append(alike[i].sum().log() - alike[i, own].sum().log())
        of_captions.append((alike[:, own].sum(dim=0) / alike[i, own]).log().mean())
    return (sum(of_pictures) / len(pictures) + sum(of_captions) / len(pictures)) / 2


@right("loss_of_several_captions")
def by_groups(pictures, captions, temperature):
    unit = [each / each.square().sum(dim=0, keepdim=True).sqrt() for each in (pictures, captions)]
    scores = unit[0].T @ unit[1] / temperature
    groups = torch.stack(scores.chunk(len(scores), dim=1), dim=1).logsumexp(dim=-1)
    picture_cost = torch.nn.functional.cross_entropy(groups, torch.arange(len(groups)))
    own = torch.block_diag(*[torch.ones(1, scores.shape[1] // len(scores))] * len(scores)) == 1
    caption_cost = (scores.logsumexp(dim=0) - scores[own]).mean()
    return (picture_cost + caption_cost) / 2
