"""Where every byte of a bundle lies: the header page, the index, frames, tar members and parts (SPEC.md, layout)."""
