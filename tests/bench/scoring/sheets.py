"""Sheets of pictures, taken apart."""

import io

import numpy as np
from PIL import Image

from priorbench.bench.scoring.pictures import GAP


def cut_sheet(png, shape, blocks=1):
    """Return the pictures of a sheet, uint8 (rows, columns, channels, height, width)."""
    channels, height, width = shape
    sheet = np.asarray(Image.open(io.BytesIO(png.tobytes())))
    sheet = sheet.reshape(*sheet.shape[:2], channels)
    apart = 4 * GAP  # more than between pictures of a block
    rows = (sheet.shape[0] + GAP) // (height + GAP)
    columns = (sheet.shape[1] + GAP - (blocks - 1) * apart) // (width + GAP)
    cut = np.empty((rows, columns, channels, height, width), np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height + GAP), column * (width + GAP)
            left += column * blocks // columns * apart
            picture = sheet[top : top + height, left : left + width]
            cut[row, column] = picture.transpose(2, 0, 1)
    return cut
