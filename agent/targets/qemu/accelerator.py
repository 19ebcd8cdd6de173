"""Which accelerator qemu can use here, found out by starting something with it: a device file alone proves nothing."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

EMULATION: Final = ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max")
KVM: Final = ("-accel", "kvm", "-cpu", "host")
SECONDS = 5
"""A processor that helps is done in a tenth of it; one that is emulated beneath KVM takes minutes."""

_DONE = 0x2A << 1 | 1  # how isa-debug-exit tells what the program wrote

PROGRAM: Final = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007cfc66bf001000000f22df6631c066b9000c000066f3ab66c70600100320000066c70600200330"
    "000066c7060030830000000f20e06683c8200f22e066b9800000c00f32660d000100000f300f20c0660d010000800f22c00f"
    "0116a87cea6d7c080066b810008ed88ed0b980f0fa02010c2500500000ffc975f5b02ae6f4f4ebfd0f1f4000000000000000"
    "000000000000009a200000000000009200001700907c"
).ljust(510, b"\0") + b"\x55\xaa"  # fmt: skip
"""A boot sector that enters long mode, counts to fifty million in memory and leaves; its source is probe.s."""


def accelerator(qemu: str, device: Path = Path("/dev/kvm")) -> tuple[str, ...]:
    """The options for qemu's accelerator and processor: KVM where it starts our program in time, else emulation."""
    return KVM if os.access(device, os.R_OK | os.W_OK) and starts(qemu, KVM) else EMULATION


def starts(qemu: str, options: tuple[str, ...], seconds: float = SECONDS) -> bool:
    """Whether a guest gets through a small program with these options within the time."""
    with tempfile.NamedTemporaryFile(suffix=".img") as disk:
        disk.write(PROGRAM)
        disk.flush()
        command = [qemu, *options, "-machine", "pc", "-m", "16", "-display", "none", "-nodefaults", "-no-user-config"]
        command += ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
        command += ["-drive", f"if=ide,format=raw,readonly=off,file={disk.name}"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == _DONE
