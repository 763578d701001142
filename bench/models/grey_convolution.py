"""A convolution of grey images that many seeds can take together."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class GreyConvolution(nn.Conv2d):
    """``nn.Conv2d``, with a matrix product for many seeds on images of one channel.

    Under ``vmap``, seeds become groups of one convolution. Groups of one channel make
    it a depthwise one, which a GPU runs by other kernels than a convolution of many
    channels. No GPU has timed either. It is for square kernels without dilation.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, h, w) to (batch, out_channels, h', w')."""
        block = torch._C._functorch.is_batchedtensor(self.weight)
        if self.in_channels > 1 or not block:
            return super().forward(x)
        size, stride, padding = self.kernel_size[0], self.stride[0], self.padding[0]
        padded = functional.pad(x.squeeze(-3), (padding,) * 4)
        patches = padded.unfold(-2, size, stride).unfold(-2, size, stride)
        count, height, width = patches.shape[:3]
        y = patches.reshape(-1, size * size) @ self.weight.flatten(1).T
        if self.bias is not None:
            y = y + self.bias
        return y.view(count, height, width, -1).permute(0, 3, 1, 2)
