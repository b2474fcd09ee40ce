# Writes the hostile archives of `spec/engine/hostile_archive_spec.lua` with Python's own tarfile and zipfile, as an attacker
# would: `hostile.py DIRECTORY OUTSIDE`. Each is TRICK.FORMAT; OUTSIDE is a directory with a file `canary`.
import gzip
import io
import os
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile

target, outside = sys.argv[1], sys.argv[2]
warnings.simplefilter("ignore")


def member(name, content=b"", kind=tarfile.REGTYPE, **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar(*members, form=tarfile.GNU_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def entry(name, content=b"", mode=0o100644):
    info = zipfile.ZipInfo("x")
    # The constructor would make it harmless.
    info.filename, info.orig_filename = name, name
    info.create_system, info.external_attr, info.compress_type = 3, mode << 16, zipfile.ZIP_DEFLATED
    return info, content


def pack(*entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for info, content in entries:
            archive.writestr(info, content)
    return buffer.getvalue()


LINK, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE
good = tar(member("one", b"1"), member("two", b"2" * 3000))
pax = bytearray(tar(member("f", b"x", pax_headers={"size": "0000"}), form=tarfile.PAX_FORMAT))
lying = bytearray(tar(member("f", b"x" * 600)))
lying[124:136] = b"00077777777\0"
lying[148:156] = b"        "
lying[148:156] = b"%06o\0 " % sum(lying[:512])
zeros = b"\0" * (48 << 20)

tars = {
    "dotdot": tar(member("../outside/canary", b"evil")),
    "absolute": tar(member(outside + "/canary", b"evil")),
    "through": tar(member("way", kind=LINK, linkname=outside), member("way/canary", b"evil")),
    "hardlink": tar(member("f", kind=HARD, linkname=outside + "/canary"), member("f", b"evil")),
    "duplicate": tar(member("f", b"1"), member("f", kind=LINK, linkname="g")),
    "case": tar(member("File", b"1"), member("file", b"2")),
    "setuid": tar(member("f", b"x", mode=0o4755)),
    "device": tar(member("f", kind=tarfile.CHRTYPE, devmajor=1, devminor=3)),
    "fifo": tar(member("f", kind=tarfile.FIFOTYPE)),
    "desync": bytes(pax),
    "bomb": tar(member("zeros", zeros)),
    "lying": bytes(lying),
}


def patched(data, offset, value):
    return data[:offset] + value + data[offset + len(value) :]


plain = pack(entry("f", b"content"))
central = plain.index(b"PK\x01\x02")
shared = pack(entry("f", b"content"), entry("g", b"content"))
second = shared.rindex(b"PK\x01\x02")
zips = {
    "dotdot": pack(entry("../outside/canary", b"evil")),
    "absolute": pack(entry(outside + "/canary", b"evil")),
    "through": pack(entry("way", outside.encode(), 0o120777), entry("way/canary", b"evil")),
    "hardlink": pack(entry("f", (outside + "/canary").encode(), 0o120777), entry("f", b"evil")),
    "duplicate": pack(entry("f", b"1"), entry("f", b"g", 0o120777)),
    "case": pack(entry("File", b"1"), entry("file", b"2")),
    "setuid": pack(entry("f", b"x", 0o104755)),
    "device": pack(entry("f", b"", 0o020644)),
    "fifo": pack(entry("f", b"", 0o010644)),
    # The nearest thing to two headers that contradict each other.
    "desync": patched(plain, 30, b"g"),
    "bomb": pack(entry("zeros", zeros)),
    "lying": patched(patched(plain, 22, struct.pack("<I", 70)), central + 24, struct.pack("<I", 70)),
    "trailing": plain + b"evil",
    "truncated": plain[:-30],
    "backslash": pack(entry("..\\outside\\canary", b"evil")),
    "drive": pack(entry("C:\\canary", b"evil")),
    "overlap": patched(shared, second + 42, struct.pack("<I", 0)),
    "encrypted": patched(patched(plain, 6, b"\1\0"), central + 8, b"\1\0"),
    "method": patched(patched(plain, 8, b"\x09\0"), central + 10, b"\x09\0"),
    "checksum": patched(patched(plain, 14, b"evil"), central + 16, b"evil"),
}

programs = {"tar.gz": "gzip", "tar.xz": "xz", "tar.zst": "zstd", "tar.bz2": "bzip2"}


def write(name, content):
    with open(os.path.join(target, name), "wb") as file:
        file.write(content)


for ending, program in programs.items():
    run = lambda content: subprocess.run([program, "-1", "-c"], input=content, stdout=subprocess.PIPE, check=True).stdout
    for trick, content in tars.items():
        write(f"{trick}.{ending}", run(content))
    packed = run(good)
    write(f"trailing.{ending}", packed + b"evil and more of it, so that it is no padding")
    write(f"trailing-tar.{ending}", run(good + b"evil"))
    for part in range(1, 8):
        write(f"truncated-{part}.{ending}", packed[: len(packed) * part // 8])
for trick, content in zips.items():
    write(f"{trick}.zip", content)
for part in range(1, 8):
    write(f"truncated-{part}.zip", plain[: len(plain) * part // 8])
