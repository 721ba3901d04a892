"""The networks that fanin is checked on, each built from a configuration with random weights.

Every entry of `ZOO` returns an `Example`: a module whose `forward` takes the inputs in order and
returns one tensor, example inputs named as in the exported graph, and the axes that may be free.
Dropout and stochastic depth are off in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import timm
import torch
import torchvision
import transformers
from timm.models.mlp_mixer import MlpMixer
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn


@dataclass
class Example:
    """A module and what to call it with."""

    module: nn.Module
    inputs: dict[str, Tensor]
    free_axes: dict[str, dict[int, str]] = field(default_factory=dict)
    """Per input, the axes an export may leave free and their names."""


ZOO: dict[str, Callable[[], Example]] = {}


def entry(build: Callable[[], Example]) -> Callable[[], Example]:
    """Add a builder to the zoo under its own name."""
    ZOO[build.__name__] = build
    return build


def build(name: str) -> Example:
    """Build one entry. The same name gives the same weights and the same inputs each time."""
    torch.manual_seed(sum(map(ord, name)))
    example = ZOO[name]()
    example.module.eval()
    make_parameters_distinct(example.module)
    return example


def make_parameters_distinct(module: nn.Module) -> None:
    """Add noise to parameters that start constant (biases, norm scales).

    Constant parameters would be equal to each other, so that neither exporters (which merge equal
    tensors) nor `matching` could tell them apart; and zeros hide errors in gradients.
    """
    with torch.no_grad():
        for parameter in module.parameters():
            if bool((parameter == parameter.flatten()[0]).all()):
                parameter.add_(0.1 * torch.randn_like(parameter))


def images(size: int, batch: int = 4, channels: int = 3) -> dict[str, Tensor]:
    return {"input": torch.randn(batch, channels, size, size)}


def tokens(vocabulary: int, length: int = 24, batch: int = 2) -> dict[str, Tensor]:
    return {"input_ids": torch.randint(vocabulary, (batch, length))}


def masked(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add a mask that takes the last quarter of the last sequence for padding."""
    mask = torch.ones_like(inputs["input_ids"])
    mask[-1, -(mask.shape[1] // 4) :] = 0
    return inputs | {"attention_mask": mask}


FREE_BATCH = {"input": {0: "batch"}}
FREE_TOKENS = {"input_ids": {0: "batch", 1: "sequence"}}
FREE_MASKED_TOKENS = FREE_TOKENS | {"attention_mask": {0: "batch", 1: "sequence"}}


@entry
def mlp() -> Example:
    module = nn.Sequential(
        nn.Flatten(),
        nn.Linear(196, 128),
        nn.ReLU(),
        nn.Linear(128, 128),
        nn.Tanh(),
        nn.Linear(128, 64),
        nn.GELU(),
        nn.Linear(64, 10),
    )
    return Example(module, images(14, channels=1), FREE_BATCH)


@entry
def resnet18() -> Example:
    return Example(torchvision.models.resnet18(), images(64), FREE_BATCH)


@entry
def resnet50() -> Example:
    """Residual branches start small: at full scale float32 itself errs by 1 % here."""
    return Example(torchvision.models.resnet50(zero_init_residual=True), images(64))


@entry
def densenet121() -> Example:
    return Example(torchvision.models.densenet121(drop_rate=0.0), images(64))


@entry
def mobilenetv3_small() -> Example:
    return Example(torchvision.models.mobilenet_v3_small(dropout=0.0), images(64), FREE_BATCH)


@entry
def efficientnet_b0() -> Example:
    module = torchvision.models.efficientnet_b0(dropout=0.0, stochastic_depth_prob=0.0)
    return Example(module, images(64))


@entry
def convnext_atto() -> Example:
    return Example(timm.create_model("convnext_atto", drop_path_rate=0.0), images(64), FREE_BATCH)


@entry
def convnext_tiny() -> Example:
    module = torchvision.models.convnext_tiny(stochastic_depth_prob=0.0)
    return Example(module, images(64, batch=2))


@entry
def vit_tiny() -> Example:
    module = VisionTransformer(
        img_size=64, patch_size=8, embed_dim=192, depth=12, num_heads=3, num_classes=1000
    )
    return Example(module, images(64), FREE_BATCH)


@entry
def vit_torchvision() -> Example:
    """Attention through `nn.MultiheadAttention`, which fuses q, k and v in `in_proj_weight`."""
    module = torchvision.models.VisionTransformer(
        image_size=32,
        patch_size=8,
        num_layers=3,
        num_heads=4,
        hidden_dim=64,
        mlp_dim=128,
        num_classes=100,
    )
    return Example(module, images(32), FREE_BATCH)


@entry
def swin_tiny() -> Example:
    module = SwinTransformer(
        img_size=64,
        patch_size=4,
        embed_dim=48,
        depths=(2, 2, 2),
        num_heads=(2, 4, 8),
        window_size=4,
        num_classes=100,
        drop_path_rate=0.0,
    )
    return Example(module, images(64, batch=2))


@entry
def mlp_mixer() -> Example:
    module = MlpMixer(img_size=64, patch_size=8, num_blocks=4, embed_dim=128, num_classes=100)
    return Example(module, images(64))


class Gpt2(transformers.GPT2LMHeadModel):
    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        return (
            super()
            .forward(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
            .logits
        )


def gpt2_config(**changes: int) -> transformers.GPT2Config:
    sizes = {"vocab_size": 1000, "n_positions": 128, "n_embd": 128, "n_layer": 4, "n_head": 4}
    off = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    return transformers.GPT2Config(
        **{**sizes, **off, **changes}, bos_token_id=None, eos_token_id=None
    )


@entry
def gpt2() -> Example:
    """Embedding and output head tied, as in the original."""
    return Example(Gpt2(gpt2_config()), tokens(1000), FREE_TOKENS)


@entry
def gpt2_masked() -> Example:
    """With an attention mask as input, without which the older exporter fails."""
    return Example(Gpt2(gpt2_config()), masked(tokens(1000)), FREE_MASKED_TOKENS)


class Bert(transformers.BertForMaskedLM):
    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return super().forward(input_ids=input_ids, attention_mask=attention_mask).logits


class BertClassifier(transformers.BertForSequenceClassification):
    def forward(self, input_ids: Tensor) -> Tensor:
        return super().forward(input_ids=input_ids).logits


def bert_config() -> transformers.BertConfig:
    return transformers.BertConfig(
        vocab_size=800,
        hidden_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


@entry
def bert() -> Example:
    """A masked language model."""
    return Example(Bert(bert_config()), masked(tokens(800)), FREE_MASKED_TOKENS)


@entry
def bert_classifier() -> Example:
    return Example(BertClassifier(bert_config()), tokens(800), FREE_TOKENS)


class Llama(transformers.LlamaForCausalLM):
    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        return (
            super()
            .forward(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
            .logits
        )


def llama_config() -> transformers.LlamaConfig:
    """Grouped-query attention: eight query heads over two key and value heads."""
    return transformers.LlamaConfig(
        vocab_size=1000,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=128,
    )


@entry
def llama() -> Example:
    return Example(Llama(llama_config()), tokens(1000), FREE_TOKENS)


@entry
def llama_masked() -> Example:
    return Example(Llama(llama_config()), masked(tokens(1000)), FREE_MASKED_TOKENS)


class SequenceClassifier(nn.Module):
    """A recurrent network over [batch, time, feature] with a linear head on the last step."""

    def __init__(self, recurrent: type[nn.RNNBase], bidirectional: bool = False) -> None:
        super().__init__()
        self.recurrent = recurrent(
            24, 32, num_layers=2, batch_first=True, bidirectional=bidirectional
        )
        self.head = nn.Linear(64 if bidirectional else 32, 10)

    def forward(self, input: Tensor) -> Tensor:
        return self.head(self.recurrent(input)[0][:, -1])


def sequences() -> dict[str, Tensor]:
    return {"input": torch.randn(3, 12, 24)}


FREE_SEQUENCES = {"input": {0: "batch", 1: "time"}}


@entry
def lstm() -> Example:
    return Example(SequenceClassifier(nn.LSTM), sequences(), FREE_SEQUENCES)


@entry
def bilstm() -> Example:
    return Example(SequenceClassifier(nn.LSTM, bidirectional=True), sequences(), FREE_SEQUENCES)


@entry
def gru() -> Example:
    return Example(SequenceClassifier(nn.GRU), sequences(), FREE_SEQUENCES)


@entry
def rnn() -> Example:
    """Its time stays fixed: torch's exporter writes the steps out one by one."""
    return Example(SequenceClassifier(nn.RNN), sequences(), FREE_BATCH)


class UNet(nn.Module):
    """Ronneberger et al. 2015, with batch norm and padding, three levels deep."""

    def __init__(self, channels: int = 3, width: int = 16, classes: int = 4) -> None:
        super().__init__()
        self.down1 = self.block(channels, width)
        self.down2 = self.block(width, 2 * width)
        self.bottom = self.block(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.join2 = self.block(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.join1 = self.block(2 * width, width)
        self.head = nn.Conv2d(width, classes, 1)
        self.pool = nn.MaxPool2d(2)

    @staticmethod
    def block(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )

    def forward(self, input: Tensor) -> Tensor:
        first = self.down1(input)
        second = self.down2(self.pool(first))
        bottom = self.bottom(self.pool(second))
        second = self.join2(torch.cat([self.up2(bottom), second], 1))
        first = self.join1(torch.cat([self.up1(second), first], 1))
        return self.head(first)


@entry
def unet() -> Example:
    return Example(UNet(), images(32, batch=2), FREE_BATCH)


class DcganGenerator(nn.Sequential):
    """Radford et al. 2015: noise of 100 channels to an image of 64x64."""

    def __init__(self, width: int = 32) -> None:
        widths = [8 * width, 4 * width, 2 * width, width]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(100, widths[0], 4, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        for inputs, outputs in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
        layers += [nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1, bias=False), nn.Tanh()]
        super().__init__(*layers)


@entry
def dcgan() -> Example:
    return Example(DcganGenerator(), {"input": torch.randn(4, 100, 1, 1)}, FREE_BATCH)
