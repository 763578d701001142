"""PNG files as addresses that hold their data, and small maps in two colours."""

import base64
import io

import numpy as np
from PIL import Image

LOW = np.array([33, 102, 172])
ZERO = np.array([247, 247, 247])
HIGH = np.array([178, 24, 43])


def embed_png(content: bytes) -> str:
    """Return a PNG file as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def draw_map(values: np.ndarray, limit: float) -> str:
    """Return values as pixels from blue to red, white at zero, in an address.

    Args:
        values: (rows, columns); what is not finite is transparent.
        limit: value of the full red; its negative is the full blue.
    """
    known = np.isfinite(values)
    share = np.clip(np.where(known, values, 0) / limit, -1, 1)[..., None]
    end = np.where(share < 0, LOW, HIGH)
    colors = (ZERO + abs(share) * (end - ZERO)).round()
    pixels = np.concatenate([colors, 255 * known[..., None]], axis=-1)
    image = Image.fromarray(pixels.astype(np.uint8))
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return embed_png(file.getvalue())
