"""The convolutional autoencoder of Bergmann et al. (VISAPP 2019, table 1)."""

from __future__ import annotations

from torch import nn

SMALLEST = 8  # side in pixels of the last feature map, which one convolution turns into the code
SLOPE = 0.2
# (factor on the width, stride) of the encoder's layers for 128 pixels; stride 2 means 4 × 4
# kernels, stride 1 means 3 × 3.
LAYERS = ((1, 2), (1, 2), (1, 1), (2, 2), (2, 1), (4, 2), (2, 1), (1, 1))
LAYERS_HALVE = sum(stride == 2 for _, stride in LAYERS)


def encoder_layers(side: int) -> tuple[tuple[int, int], ...]:
    """Return the encoder's layers for a side in pixels.

    Twice the paper's 128 pixels take one more layer of stride 2 in front (MVTec AD, section 4.1),
    half of them one less.

    Raises
    ------
    ValueError
        The side is not 8 pixels times a power of two, or below 32.
    """
    halvings = (side // SMALLEST).bit_length() - 1
    if side != SMALLEST << max(halvings, 0) or halvings < 2:
        raise ValueError(f"a side of {side} pixels: expected 32, 64, 128, 256, 512 or so on")
    more = halvings - LAYERS_HALVE
    return ((1, 2),) * more + LAYERS if more >= 0 else LAYERS[-more:]


def build_autoencoder(side: int, latent: int, width: int) -> nn.Sequential:
    """Build encoder and mirrored decoder; the code and the output are linear.

    Parameters
    ----------
    side
        Of the input in pixels, as `encoder_layers` takes it.
    latent
        Numbers in the code.
    width
        Channels of the first layer (the paper's: 32).

    Returns
    -------
    nn.Sequential
        Maps ``float32 [N, 3, side, side]`` to the same shape.
    """
    layers = encoder_layers(side)
    channels = [3, *(factor * width for factor, _ in layers)]
    encoder: list[nn.Module] = []
    decoder: list[nn.Module] = []  # from its end to its start
    for index, (_, stride) in enumerate(layers):
        kernel = 2 * stride if stride == 2 else 3
        near, far = channels[index], channels[index + 1]
        encoder += [nn.Conv2d(near, far, kernel, stride, padding=1), nn.LeakyReLU(SLOPE)]
        if index:
            decoder.append(nn.LeakyReLU(SLOPE))  # none behind the output
        decoder.append(nn.ConvTranspose2d(far, near, kernel, stride, padding=1))
    code = [
        nn.Conv2d(channels[-1], latent, SMALLEST),
        nn.ConvTranspose2d(latent, channels[-1], SMALLEST),
        nn.LeakyReLU(SLOPE),
    ]
    return nn.Sequential(*encoder, *code, *reversed(decoder))
