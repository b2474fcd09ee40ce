"""Random archives, and what GNU tar and unzip make of them, for `spec/engine/random_archives_spec.lua`.

random_archives.py make DIRECTORY SEED COUNT: writes DIRECTORY/NAME.tar or .zip, and unpacks each to DIRECTORY/NAME.expected
with the real tool; one that the tool refuses has none.
random_archives.py compare EXPECTED FOUND: prints how two trees differ, by kind, content, target and executable bit.
"""

import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile

BLOCK = 512
warnings.simplefilter("ignore")


def header(name, kind=b"0", size=0, link="", mode=0o644, form="gnu"):
    """A header of tar, field by field, so that each may say what no library writes."""
    block = bytearray(BLOCK)
    name, link = name.encode(), link.encode()
    block[: len(name)] = name
    block[100:108] = b"%07o\0" % mode
    block[108:124] = b"0000000\0" * 2
    block[124:136] = b"%011o\0" % size
    block[136:148] = b"%011o\0" % 1
    block[156:157] = kind
    block[157 : 157 + len(link)] = link
    block[257:265] = {"gnu": b"ustar  \0", "ustar": b"ustar\00000", "v7": b"\0" * 8}[form]
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content):
    return content + b"\0" * (-len(content) % BLOCK)


def records(**fields):
    content = b""
    for key, value in fields.items():
        record = b" %s=%s\n" % (key.encode(), value.encode())
        length = len(record) + len(str(len(record)))
        length = len(record) + len(str(length))
        content += str(length).encode() + record
    return content


class Tree:
    """Names that do not contradict each other."""

    def __init__(self, source):
        self.source, self.directories, self.files, self.taken = source, [""], [], {""}

    def name(self):
        for _ in range(50):
            length = self.source.choice([3, 8, 8, 8, 60])
            word = "".join(self.source.choice("abcdefgh-_. ") for _ in range(length)).strip(" .") or "x"
            name = self.source.choice(self.directories) + word
            if name not in self.taken and len(name) < 95:
                self.taken.add(name)
                return name
        raise ValueError("no name is free")

    def directory(self):
        name = self.name()
        self.directories.append(name + "/")
        return name


def spelled(source, name):
    return source.choice(["", "", "./", ".//", "././"]) + name.replace("/", source.choice(["/", "/", "//", "/./"]))


def random_tar(source):
    tree, out = Tree(source), []
    form = source.choice(["gnu", "ustar", "v7"])
    modes = [0o644, 0o755, 0o600, 0o700, 0o444, 0o555, 0o640, 0]
    if source.random() < 0.3:
        comment = records(comment="of all")
        out += [header("pax_global_header", b"g", len(comment), form="ustar"), padded(comment)]
    for _ in range(source.randint(1, 12)):
        what = source.choice(["file"] * 4 + ["directory"] * 2 + ["symlink", "hard", "again", "itself", "long", "pax"])
        mode = source.choice(modes)
        content = bytes(source.randrange(256) for _ in range(source.choice([0, 1, 511, 512, 513, 2000])))
        lie = source.choice([0, 0, 7])
        if what == "directory":
            name = tree.directory()
            mode = source.choice([0o755, 0o700, 0o000, 0o555])
            if form == "v7":
                out.append(header(spelled(source, name) + "/", b"\0", 0, mode=mode, form=form))
            else:
                out.append(header(spelled(source, name) + source.choice(["", "/"]), b"5", lie, mode=mode, form=form))
        elif what == "symlink":
            out.append(header(spelled(source, tree.name()), b"2", lie, source.choice(["../x", "/no/such", "a"]), form=form))
        elif what == "hard" and tree.files:
            target = source.choice(tree.files)
            out.append(header(spelled(source, tree.name()), b"1", lie, spelled(source, target), form=form))
        elif what == "itself" and tree.files:
            target = source.choice(tree.files)
            out.append(header(spelled(source, target), b"1", lie, spelled(source, target), form=form))
        elif what == "again" and tree.files:
            target = source.choice(tree.files)
            out += [header(spelled(source, target), b"0", len(content), mode=mode, form=form), padded(content)]
        elif what == "long" and form == "gnu":
            name = tree.name()
            long = (name + "/" + "n" * 150).encode() + b"\0"
            out += [header("././@LongLink", b"L", len(long)), padded(long)]
            out += [header("short", b"0", len(content), mode=mode), padded(content)]
        elif what == "pax":
            name = tree.name()
            extra = records(path=name + "/" + "p" * 120, mtime="1.5", size=str(len(content)))
            out += [header("PaxHeader", b"x", len(extra), form="ustar"), padded(extra)]
            out += [header("short", b"0", len(content), mode=mode, form="ustar"), padded(content)]
        else:
            name = tree.name()
            tree.files.append(name)
            kind = b"\0" if form == "v7" else source.choice([b"0", b"0", b"\0", b"7"])
            out += [header(spelled(source, name), kind, len(content), mode=mode, form=form), padded(content)]
    content = b"".join(out)
    end = b"\0" * BLOCK * source.choice([2, 2, 3, 20])
    packing = source.choice(["plain", "gzip", "bzip2", "xz", "zstd"])
    if packing == "plain":
        return content + end
    content += source.choice([end, end, b""])
    at = source.randrange(len(content))
    parts = source.choice([[content], [content[:at], content[at:]]])
    zeros = b"\0" * source.choice([0, 0, 4, 512, 5000])
    if packing == "gzip":
        return b"".join(gzip.compress(part) for part in parts) + zeros
    if packing == "bzip2":
        return b"".join(bz2.compress(part) for part in parts) + zeros
    if packing == "xz":
        return b"".join(lzma.compress(part) for part in parts) + zeros[: len(zeros) // 4 * 4]
    frames = [subprocess.run(["zstd", "-qc"], input=part, stdout=subprocess.PIPE, check=True).stdout for part in parts]
    return source.choice([b"", struct.pack("<II", 0x184D2A53, 3) + b"abc"]) + b"".join(frames)


class Pipe(io.RawIOBase):
    """Cannot seek, so that sizes come after the content."""

    def __init__(self):
        super().__init__()
        self.content = b""

    def writable(self):
        return True

    def write(self, content):
        self.content += bytes(content)
        return len(content)


def random_zip(source):
    tree = Tree(source)
    buffer = source.choice([io.BytesIO, Pipe])()
    script = source.choice([b"", b"", b"#!/bin/sh\nexec unzip\n", b"MZ" + b"\0" * 3000])
    if isinstance(buffer, io.BytesIO) and source.random() < 0.5:
        # Its offsets count from the beginning of the file, else from that of the archive.
        buffer.write(script)
        script = b""
    with zipfile.ZipFile(buffer, "w") as archive:
        if source.random() < 0.3:
            archive.comment = b"a comment"
        for _ in range(source.randint(1, 12)):
            what = source.choice(["file"] * 4 + ["directory", "symlink", "again", "umlaut", "dos"])
            info = zipfile.ZipInfo("x")
            info.create_system = 3
            info.compress_type = source.choice([0, 8, 8, 12])
            content = bytes(source.randrange(256) for _ in range(source.choice([0, 1, 100, 3000])))
            mode = 0o100000 | source.choice([0o644, 0o755, 0o600, 0o444, 0o700])
            if what == "directory":
                name, content, mode, info.compress_type = tree.directory() + "/", b"", 0o40755, 0
            elif what == "symlink":
                name, content, mode = tree.name(), b"../target", 0o120777
            elif what == "again" and tree.files:
                name = source.choice(tree.files)
            elif what == "umlaut":
                name = tree.name() + "\u00e4\u20ac"
            elif what == "dos":
                name, mode, info.create_system = "dos" + tree.name().replace("/", "_") + "\\file", 0, 0
            else:
                name = tree.name()
                tree.files.append(name)
            info.filename = info.orig_filename = name
            info.external_attr = mode << 16
            with archive.open(info, "w", force_zip64=source.random() < 0.2) as file:
                file.write(content)
    content = buffer.getvalue() if isinstance(buffer, io.BytesIO) else buffer.content
    return script + content


def fill(source, top):
    """A tree on the disk: files with holes, with several names and with long ones, links, directories in directories."""
    os.mkdir(top)
    directories, files = [top], []
    for number in range(source.randint(1, 15)):
        place = source.choice(directories) + "/" + source.choice(["n", "a b", "\u00e4", "l" * 180, "-x"]) + str(number)
        what = source.choice(["file", "file", "holes", "holes", "directory", "symlink", "hard"])
        if what == "directory":
            os.mkdir(place)
            if len(place) < 1200:
                directories.append(place)
        elif what == "symlink":
            os.symlink(source.choice(["x", "../" * 3 + "y", "t" * 150]), place)
        elif what == "hard" and files:
            os.link(source.choice(files), place)
        else:
            with open(place, "wb") as file:
                for _ in range(source.randint(0, 9)):
                    file.seek(source.choice([0, 1, 4096, 100000]), os.SEEK_CUR)
                    file.write(bytes(source.randrange(256) for _ in range(source.choice([1, 600, 4096]))))
                if what == "holes":
                    file.truncate(file.tell() + source.choice([0, 1, 50000, 300000]))
            os.chmod(place, source.choice([0o644, 0o755, 0o600]))
            files.append(place)


def packed(source, name):
    """What a real tool makes of a tree; returns the kind of the archive."""
    top = name + ".tree"
    fill(source, top)
    if source.random() < 0.3 and shutil.which("zip"):
        command = ["zip", "-qry", source.choice(["-9", "-0", "-fz"]), os.path.abspath(name) + ".zip", "."]
        subprocess.run(command, cwd=top, check=True)
        kind = "zip"
    else:
        form = source.choice(["gnu", "oldgnu", "posix", "posix", "pax"])
        options = source.choice([[], ["--sparse"], ["--sparse"]])
        if "--sparse" in options and form in ("posix", "pax"):
            options = ["--sparse", "--sparse-version=" + source.choice(["0.0", "0.1", "1.0"])]
        if form == "posix" and source.random() < 0.3:
            options.append("--pax-option=comment=of this one")
        compression = source.choice([[], ["--gzip"], ["--xz"], ["--zstd"], ["--bzip2"]])
        command = ["tar", "--format=" + form, *options, *compression, "-cf", name + ".tar", "-C", top, "."]
        subprocess.run(command, check=True)
        kind = "tar"
    shutil.rmtree(top)
    return kind


def make(directory, seed, count):
    for number in range(count):
        source = random.Random(f"{seed} {number}")
        kind = source.choice(["tar", "tar", "zip", "packed"])
        name = f"{directory}/{number:03}"
        if kind == "packed":
            kind = packed(source, name)
        else:
            content = random_tar(source) if kind == "tar" else random_zip(source)
            with open(f"{name}.{kind}", "wb") as file:
                file.write(content)
        expected = name + ".expected"
        os.mkdir(expected)
        if kind == "tar":
            # Otherwise links that lead above, and directories without rights, are in its own way.
            command = ["tar", "-xf", f"{name}.tar", "-C", expected, "--no-same-owner", "--delay-directory-restore", "-P"]
        else:
            command = ["unzip", "-qq", "-o", f"{name}.zip", "-d", expected]
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, capture_output=True, env=environment)
        subprocess.run(["chmod", "-R", "u+rwX", expected], check=True)
        # unzip says 1 when it warns.
        if done.returncode != 0 and (kind == "tar" or done.returncode != 1):
            subprocess.run(["rm", "-rf", expected], check=True)
            print(f"{name}: {done.stderr.decode(errors='replace').strip()}", file=sys.stderr)


def look(top):
    found = {}
    for place, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(place, name)
            facts, key = os.lstat(path), os.path.relpath(path, top)
            if stat.S_ISLNK(facts.st_mode):
                found[key] = ("link", os.readlink(path))
            elif stat.S_ISDIR(facts.st_mode):
                found[key] = ("directory",)
            else:
                with open(path, "rb") as file:
                    found[key] = ("file", bool(facts.st_mode & 0o100), file.read())
    return found


def compare(expected, found):
    expected, found = look(expected), look(found)
    for name in sorted(set(expected) | set(found)):
        if expected.get(name) != found.get(name):
            print(f"{name!r}: expected {str(expected.get(name))[:100]}, found {str(found.get(name))[:100]}")


if sys.argv[1] == "make":
    make(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    compare(sys.argv[2], sys.argv[3])
