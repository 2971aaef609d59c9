"""The commands `datprl` and `python script.py`, each in a process forked from one that has the slow imports done.

A page of the documentation starts many commands, and each would spend five seconds on importing torch and its like.
In a folder that comes first on the PATH lie two small programs of these names. They hand their arguments, folder,
environment and streams to a server, which forks; the fork is the command, and its exit status theirs.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import socket
import sys
import traceback
from pathlib import Path

PRELOADED = ("datprl_toolkit.cli.commands", "datprl_toolkit.jobs", "datprl_toolkit.remote_sensing")
LARGEST_REQUEST = 1 << 20
CLIENT = """#!{python} -IS
import json, os, socket, sys
if {name!r} == "python" and not (len(sys.argv) > 1 and sys.argv[1].endswith(".py")):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
request = json.dumps([{name!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    socket.send_fds(connection, [len(request).to_bytes(4, "big")], [0, 1, 2])
    connection.sendall(request)
    sys.exit(int(connection.recv(16) or b"70"))
"""


def write_clients(folder: Path, address: str) -> None:
    """Write the programs that stand for the commands."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("datprl", "python"):
        program = folder / name
        program.write_text(CLIENT.format(python=sys.executable, name=name, address=address), encoding="utf-8")
        program.chmod(0o755)


def serve(address: str) -> None:
    """Import what commands need, say so on the standard output, and fork for every request until killed."""
    import importlib

    for module in PRELOADED:
        importlib.import_module(module)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                os._exit(_answer(connection))
            connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _answer(connection: socket.socket) -> int:
    """Run one command in a fork of its own, and tell its exit status to whoever asked."""
    size, streams, _, _ = socket.recv_fds(connection, 4, 3)
    request = b""
    while len(request) < int.from_bytes(size, "big"):
        request += connection.recv(LARGEST_REQUEST)
    process = os.fork()
    if process == 0:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        name, arguments, folder, environment = json.loads(request)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        os._exit(_run(name, arguments))
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    connection.sendall(str(status if status >= 0 else 128 - status).encode())
    return 0


def _run(name: str, arguments: list[str]) -> int:
    """Run a command as the interpreter would, and return its exit status."""
    try:
        if name == "datprl":
            from datprl_toolkit.cli.main import main

            sys.argv = ["datprl", *arguments]
            main()
        else:
            sys.argv = arguments
            sys.path[0] = str(Path(arguments[0]).resolve().parent)
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # a fork must not return into the server
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
