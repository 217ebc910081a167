"""What the checks share: cases with a name, printed as tests print theirs."""

import subprocess
import sys


class Cases:
    """Counts cases and prints a line each, and the sum at the end."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def case(self, name, problems):
        """One case, which is fine when there are no problems to tell."""
        for problem in problems:
            print(f"# {problem}")
        print(f"{'not ok' if problems else 'ok'} {name}", flush=True)
        if problems:
            self.failed += 1
        else:
            self.passed += 1

    def skip(self, name, why):
        print(f"skip {name} # {why}", flush=True)
        self.skipped += 1

    def finish(self):
        """Prints the sum. Returns the exit status."""
        print(f"# {self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed or not self.passed else 0


def run(command, **keywords):
    """Run a command. Returns (its output, problems: none when it succeeded)."""
    done = subprocess.run([str(part) for part in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          errors="replace", stdin=subprocess.DEVNULL, check=False, **keywords)
    if done.returncode == 0:
        return done.stdout, []
    shown = " ".join(str(part) for part in command)
    return done.stdout, [f"$ {shown}"] + done.stdout.splitlines()[:40] + [f"exit status {done.returncode}"]


if __name__ == "__main__":
    sys.exit("checks.py is used by the checks")
