"""Run every speed measurement and print ratios."""

from perf import guarded_loop

if __name__ == "__main__":
    guarded_loop.main()
