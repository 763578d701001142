"""``python -m bench`` is the console command ``priorbench``."""

from priorbench.bench.main import main

if __name__ == "__main__":
    main()
