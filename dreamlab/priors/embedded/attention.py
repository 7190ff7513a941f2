"""Attention of the embedded prior's networks: pixels and rays look at the words of the prompt, pixels at the
pixels of all views of their group.
"""

from __future__ import annotations

from torch import Tensor, nn


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    """Multi-head attention [B,N,W] x [B,M,W] -> [B,N,W], written out.

    With a few hundred tokens the two products and the softmax cost a CPU a third of what its flash kernel
    does, measured forward and backward in bfloat16.
    """
    query, key, value = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None, None, :], -1e4)
    return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)


class TextAttention(nn.Module):
    """Tokens of an image [B,N,width] look at the words of its prompt [B,L,text_width] with mask [B,L]; a new
    one changes nothing. head: width of a head.
    """

    def __init__(self, width: int, text_width: int, head: int) -> None:
        super().__init__()
        self.heads = max(1, width // head)
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(text_width, 2 * width, bias=False)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, text: Tensor, mask: Tensor) -> Tensor:
        key, value = self.key_value(text).chunk(2, dim=-1)
        return x + self.out(attend(self.query(self.norm(x)), key, value, self.heads, mask))


class ViewAttention(nn.Module):
    """Pixels [B,N,width] look at all pixels of all views of their group; a new one changes nothing."""

    def __init__(self, width: int, head: int) -> None:
        super().__init__()
        self.heads = max(1, width // head)
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, views: int) -> Tensor:
        grouped = self.norm(x).reshape(-1, views * x.shape[1], x.shape[2])
        query, key, value = self.qkv(grouped).chunk(3, dim=-1)
        return x + self.out(attend(query, key, value, self.heads)).reshape(x.shape)
