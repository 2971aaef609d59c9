"""``python -m datprl_toolkit`` is the command ``datprl``."""

from datprl_toolkit.cli.main import main

main()
