"""QR codes as the path of an SVG, for a template to put into a page: no image to fetch, no style, no markup as text."""


def drawn(text: str) -> dict[str, object]:
    """``text`` as a QR code: ``size`` in modules, the quiet zone of four on each side included, and the ``path``."""
    # One page needs it, and a node may never show that page.
    import segno  # noqa: PLC0415

    matrix = segno.make_qr(text, error="m").matrix
    steps = []
    for y, row in enumerate(matrix):
        x = 0
        while x < len(row):
            length = 1
            while x + length < len(row) and row[x + length] == row[x]:
                length += 1
            if row[x]:
                steps.append(f"M{x + _QUIET} {y + _QUIET}h{length}v1h-{length}z")
            x += length
    return {"size": len(matrix) + 2 * _QUIET, "path": "".join(steps)}


# ISO/IEC 18004: four modules of light around.
_QUIET = 4
