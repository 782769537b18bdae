"""`python -m medseg_lab`: the command line, also where the script `medseg` is not on the PATH."""

import sys


def main() -> None:
    """Run the command line; what goes wrong before it is there is one line, too."""
    try:
        from medseg_lab.cli.app import app
    except KeyboardInterrupt:
        sys.exit(130)
    except ImportError as error:
        sys.exit(
            f"error: medseg-lab is not completely installed: {error}; install it: pip install medseg-lab"
        )
    app(prog_name="medseg")


if __name__ == "__main__":  # processes that import this module again must not run it again
    main()
