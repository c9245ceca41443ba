#!/usr/bin/env python3
"""Try the sandbox as `docker run IMAGE serve --sandbox` starts it, without a container engine.

    scripts/check-container.py .build/debug/billing-service

The service runs in separate namespaces: with the environment, the user and the health check of the Dockerfile, a
read-only root with only the program and its libraries, and a network without other programs. The printed commands must
work as they are. scripts/test-image.sh tests the image itself. Needs root, as CI has.
"""
import fcntl
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

import contract
import programs
from contract import require

DOCKERFILE = programs.ROOT / "Dockerfile"
PROGRAM = "usr/local/bin/billing-service"
INSIDE = "--inside"
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def instruction(name):
    """The text of an instruction of the last stage."""
    last = DOCKERFILE.read_text(encoding="utf-8").rpartition("\nFROM ")[2].replace("\\\n", "")
    return re.search(rf"^{name} (.*)$", last, re.MULTILINE)[1]


def run(*command, **options):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=120, **options)


def lay_out(root, binary):
    """The files of the image: the program, and the libraries that it needs."""
    linked = run("ldd", binary).stdout
    libraries = re.findall(r"(?:=> )?(/\S+) \(0x", linked)
    require("not found" not in linked and libraries, linked)
    for source in (*libraries, "/etc/ssl/openssl.cnf", "/etc/ssl/certs/ca-certificates.crt"):
        target = root / source.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    (root / PROGRAM).parent.mkdir(parents=True)
    shutil.copy(binary, root / PROGRAM)
    for folder in ("dev/shm", "proc", "tmp"):
        (root / folder).mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/:/\nbilling:x:65532:65532::/:/\n", encoding="utf-8")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n", encoding="utf-8")


def mount(root):
    """What a container engine mounts, over a root that is read-only."""
    for command in (
            ("mount", "--bind", root, root), ("mount", "-t", "proc", "proc", root / "proc"),
            ("mount", "-t", "tmpfs", "tmpfs", root / "dev")):
        require(run(*command).returncode == 0, f"{command} failed")
    for device in ("null", "urandom"):
        (root / "dev" / device).touch()
        require(run("mount", "--bind", f"/dev/{device}", root / "dev" / device).returncode == 0, f"no /dev/{device}")
    (root / "dev/shm").mkdir(mode=0o1777)
    (root / "dev/shm").chmod(0o1777)
    require(run("mount", "-o", "remount,bind,ro", root).returncode == 0, "the root is writable")


def raise_loopback():
    with socket.socket() as any_socket:
        request = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


class Container(programs.Program):
    """The service with the arguments of `docker run IMAGE`."""

    def __init__(self, root, *arguments):
        super().__init__(self.command(root, *arguments), environment=self.environment(), errors=subprocess.STDOUT)

    @staticmethod
    def command(root, *arguments):
        user = instruction("USER")
        entry = instruction("ENTRYPOINT").strip('[]"')
        return ["setpriv", "--no-new-privs", "chroot", f"--userspec={user}", "--groups=", root, entry, *arguments]

    @staticmethod
    def environment():
        words = shlex.split(instruction("ENV"))
        return dict(word.split("=", 1) for word in words)


def check_copied_files():
    """.dockerignore lets the build see each file that the Dockerfile copies."""
    ignored, *visible = [
        line for line in DOCKERFILE.with_name(".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")]
    require(ignored == "*", "the first pattern is not *")
    copied = [
        word for line in re.findall(r"^COPY ((?!--from).*)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
        for word in line.split()[:-1]]
    # A pattern such as Package.resolve[d] copies the file if it is there.
    names = [re.sub(r"\[(.)\]", r"\1", word).rstrip("/") for word in copied]
    hidden = [name for name in names if not any(one == f"!{name}" or one.startswith(f"!{name}/") for one in visible)]
    require(names and not hidden, f"the build does not see {', '.join(hidden)}")


def check(results, root):
    results.run("the build of the image sees the files that it copies", check_copied_files)
    mount(root)
    raise_loopback()
    container = Container(root, "serve", "--sandbox")
    text = container.read_until(r"/v2/billing/stream\b")
    commands = [line for line in text.splitlines() if line.startswith("curl ")]

    def printed_commands():
        require(len(commands) == 3, text)
        answers = [run("sh", "-c", command).stdout for command in commands]
        require('"city":"Oakland"' in answers[0], answers[0])
        require('"code":2100' in answers[1], answers[1])
        require(answers[2].splitlines()[-1].startswith('{"type":"end"'), answers[2][-300:])
        require(not re.search(r"//0\.0\.0\.0|//\[::\]", "".join(commands)), f"no address of a client: {commands[0]}")

    def health():
        words = re.search(r'CMD \[(.*)\]', instruction("HEALTHCHECK"))[1].replace('"', "").split(", ")
        said = run(*Container.command(root, *words[1:]), env={**os.environ, **Container.environment()})
        require(said.returncode == 0, said.stdout + said.stderr)

    def operations():
        said = run("curl", "--silent", "http://127.0.0.1:9090/readyz?verbose").stdout
        require(said.startswith('{"status":"ready"'), said)

    results.run("serve --sandbox prints commands that work outside of the container", printed_commands)
    results.run("the health check of the image succeeds", health)
    results.run("the listener for operators answers at the published port", operations)

    def stops():
        container.process.send_signal(signal.SIGTERM)
        require(container.process.wait(60) == 0, f"exit code {container.process.returncode}")
        complaints = re.findall(r".*(?:read-only|ermission|not permitted).*", container.process.stdout.read())
        require(not complaints, f"{complaints}")
    results.run("SIGTERM ends it with 0, and it has not complained about missing permissions", stops)


def main(binary):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        root.chmod(0o755)
        lay_out(root, binary)
        # The mounts end with the namespace, before the folder is removed.
        inside = subprocess.run(
            ["unshare", "--mount", "--net", "--propagation", "private", sys.executable, __file__, INSIDE, name],
            check=False)
        return inside.returncode


def main_inside(root):
    results = contract.Results("container")
    check(results, pathlib.Path(root))
    return results.exit_code()


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == INSIDE:
        sys.exit(main_inside(sys.argv[2]))
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if os.geteuid() != 0:
        sys.exit("scripts/check-container.py needs root, to make namespaces")
    sys.exit(main(sys.argv[1]))
