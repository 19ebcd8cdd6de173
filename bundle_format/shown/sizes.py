"""Numbers of bytes as people read them."""


def size_text(size: int) -> str:
    """`size` bytes in powers of 1000, as disks and sticks are sold: `512 B`, `4.2 MB`."""
    value, unit = float(size), "B"
    for bigger in ("kB", "MB", "GB", "TB"):
        if value < 999.95:
            break
        value, unit = value / 1000, bigger
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
