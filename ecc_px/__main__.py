"""`python -m ecc_px` is `ecc-px`."""

from ecc_px.cli import main

if __name__ == "__main__":
    main()
