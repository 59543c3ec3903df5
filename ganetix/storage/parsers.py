"""Pure reading of image formats and of what qemu-img prints."""

from __future__ import annotations

import msgspec

from ganetix.errors import StorageFault

QCOW2_HEADER_SIZE = 32
_QCOW2_MAGIC = b"QFI\xfb"


class ImageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What ``qemu-img info --output=json`` says of an image; sizes in bytes."""

    format: str
    virtual_size: int = msgspec.field(name="virtual-size")
    actual_size: int = msgspec.field(name="actual-size", default=0)
    backing_file: str = msgspec.field(name="backing-filename", default="")


def image_info(output: bytes) -> ImageInfo:
    """The answer of ``qemu-img info``; ``StorageFault`` if it is not one."""
    try:
        return msgspec.json.decode(output, type=ImageInfo)
    except msgspec.DecodeError as error:
        raise StorageFault(f"qemu-img info answered oddly: {error}") from error


def qcow2_size(header: bytes) -> int | None:
    """The size in bytes that a guest sees, by a file's first bytes.

    None if they are not the header of a qcow2 image. The size stands at a fixed place
    in all versions of the format, so no process need be started per image to list
    many, and a running guest does not matter.
    """
    if len(header) < QCOW2_HEADER_SIZE or header[:4] != _QCOW2_MAGIC:
        return None
    return int.from_bytes(header[24:32], "big")
