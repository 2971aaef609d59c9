"""The command ``datprl``: its commands, and what happens when something goes wrong."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from types import FrameType

EXIT_ERROR = 1
EXIT_INTERNAL = 70
EXIT_CANCELLED = 130


def main() -> None:
    """Run the command line; every failure is one line on standard error and a non-zero exit status."""
    try:
        from datprl_toolkit.cli.commands import application
    except ImportError as error:
        _fail(f"E_DEPENDENCY: the package '{error.name}' is not installed. Install: pip install 'datprl-toolkit[all]'.")
    # A scheduler that ends a job must leave no half-written output either.
    signal.signal(signal.SIGTERM, _interrupt)
    from datprl_toolkit.errors import ErrorCode, explained

    try:
        status = application(standalone_mode=False)
    except KeyboardInterrupt:
        _fail("Cancelled; nothing was kept.", EXIT_CANCELLED)
    except BrokenPipeError:
        # The reader of a pipe has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(EXIT_ERROR) from None
    except Exception as error:
        if _is_usage_error(error):
            raise SystemExit(_show_usage_error(error)) from None
        _debug()
        said = explained(error)
        _fail(str(said), EXIT_INTERNAL if said.code == ErrorCode.INTERNAL else EXIT_ERROR)
    raise SystemExit(status if isinstance(status, int) else 0)


def _is_usage_error(error: Exception) -> bool:
    """Tell whether typer itself refused the command line."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def _show_usage_error(error: Exception) -> int:
    from rich.console import Console

    message = error.format_message()  # type: ignore[attr-defined]
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"E_OPTION: {message} Try: datprl --help", markup=False)
    return int(error.exit_code)  # type: ignore[attr-defined]


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _debug() -> None:
    from datprl_toolkit.errors import DEBUG_VARIABLE

    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exc()


def _fail(message: str, status: int = EXIT_ERROR) -> None:
    sys.stderr.write(message + "\n")
    raise SystemExit(status)
