"""The command line, and the one place that sees all five rooms.

Commands are loaded when they are called: ``reproduce --help`` imports neither torch nor pandas.
Any published target is a command too: ``reproduce table1``, ``reproduce rad/table1``.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

from ..datasets.errors import AdreproError, UnknownNameError
from ..datasets.plain import one_line

# name → (module:attribute, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "audit": ("audit:command", "Hold printed numbers against each other; nothing is run."),
    "bundle": ("bundle:bundle", "Pack a target's scores, settings, hashes and table into a file."),
    "check": ("check:check", "Say which printed numbers stored results reproduce, for CI."),
    "data": ("data:command", "List, scan, verify and fetch datasets."),
    "explain": ("explain:explain", "Show a cell down to its image hashes, or why it failed."),
    "export": ("inspect:export", "Write all results of a store as CSV or Parquet."),
    "figures": ("figures:figures", "Draw a target's figures from its stored results."),
    "methods": (
        "methods:command",
        "List methods, check one against the contract, start a new one.",
    ),
    "plan": ("run:plan", "Show what a target would run, and whether the data can give it."),
    "probe": ("probe:probe", "Run a cell twice in fresh processes and compare every byte."),
    "record-baseline": (
        "check:record_baseline",
        "Record stored results for `check --against`.",
    ),
    "report": ("report:report", "Write the reports of everything in a store, and an index."),
    "run": ("run:run", "Run any grid of methods, datasets, noise levels and seeds."),
    "scores": ("scores:command", "Write the files that scores made elsewhere are filled into."),
    "stats": ("stats:stats", "Show intervals, tests between methods, ranks and robustness areas."),
    "status": ("status:status", "Count finished, failed and pending cells."),
    "targets": ("targets:command", "List the published tables and figures that can be run."),
    "verify": ("verify:verify", "Recompute a bundle's metrics and table, and compare."),
    "worker": (
        "worker:worker",
        "Run what `--engine worker` has left in a store, on any machine.",
    ),
    "why": ("inspect:why", "Say why cells are stale, failed or not run."),
}


def target_names() -> list[str]:
    """Return the packaged targets as ``paper/target``, by looking at file names only."""
    from ..tables.papers import list_targets

    return list(list_targets())


class LazyGroup(click.Group):
    """A click group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the built-in commands; targets are listed apart."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a built-in command, or make one that runs a published target."""
        if cmd_name in COMMANDS:
            module, _, attribute = COMMANDS[cmd_name][0].partition(":")
            loaded = importlib.import_module(f"{__package__}.commands.{module}")
            return getattr(loaded, attribute)
        names = target_names()
        if "/" in cmd_name or any(name.endswith(f"/{cmd_name}") for name in names):
            from .commands.run import target_command

            return target_command(cmd_name)
        # A short name that two papers share is suggested in full.
        shorts = [one for one in map(short, names) if list(map(short, names)).count(one) == 1]
        raise UnknownNameError(
            "command or target", cmd_name, list(dict.fromkeys([*COMMANDS, *names, *shorts]))
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands and the targets without importing either."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])
        with formatter.section("Targets (each is a command)"):
            names = target_names()
            formatter.write_dl([named(name, names) for name in names])


def named(name: str, names: Sequence[str]) -> tuple[str, str]:
    """Return a name that means this target alone, and what else means it."""
    if sum(short(other) == short(name) for other in names) == 1:
        return short(name), name
    from ..tables.papers import DEFAULT_PAPER

    is_default = name == f"{DEFAULT_PAPER}/{short(name)}"
    other = f"by its full name: {short(name)} is {DEFAULT_PAPER}'s"
    return name, f"also as {short(name)}" if is_default else other


def short(name: str) -> str:
    """Return a target's name without its paper, ``rad/table1`` → ``table1``."""
    return name.rpartition("/")[2]


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `reproduce table1 --preset demo`.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="adrepro", prog_name="reproduce")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Reproduce published results in industrial visual anomaly detection."""
    ctx.obj = {"debug": debug}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code.

    0 done, 1 some cells failed or are not reproduced, 2 usage or bad input, 3 a check
    without a decision, 130 or 143 interrupted.
    """
    # What a command makes it needs to its end: a plan of 100,000 cells would spend a sixth of its
    # time on being searched for garbage. Looking less often still finds what a long run leaves.
    gc.set_threshold(100_000, 20, 20)
    code = invoke(sys.argv[1:] if arguments is None else arguments)
    # All is said and put away: a Ctrl+C from here on ends the interpreter's own leave-taking.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)


def invoke(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; errors are one line on stderr."""
    arguments, debug = _take_debug(arguments)
    out = sys.stdout
    try:
        outcome: Any = cli.main(args=arguments, prog_name="reproduce", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.Abort:
        return _say("interrupted; finished cells are kept, run the same command to go on", 130)
    except KeyboardInterrupt:
        return _say("interrupted; finished cells are kept, run the same command to go on", 130)
    except click.exceptions.NoArgsIsHelpError as err:
        click.echo(err.ctx.get_help() if err.ctx else err.message, err=True)
        return 2
    except click.ClickException as err:
        return _say(err.format_message(), err.exit_code)
    except AdreproError as err:
        if debug:
            raise
        return _say(str(err), err.exit_code)
    except BrokenPipeError:
        return _unread()
    except SystemExit:
        # Where nobody reads the pipe, click replaces standard output and ends with 1.
        if sys.stdout is out:
            raise
        return _unread()
    except Exception as err:
        if debug:
            raise
        text = f"unexpected {type(err).__name__}: {err}; this is a defect, --debug shows where"
        return _say(text, 1)
    return outcome if isinstance(outcome, int) else 0


def _unread() -> int:
    """End well: the reader (`| head`) has seen enough; nothing more can or need be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _take_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Accept ``--debug`` anywhere, also behind the command."""
    return [a for a in arguments if a != "--debug"], "--debug" in arguments


def _say(message: str, code: int) -> int:
    """Write one line to stderr and return the exit code."""
    with contextlib.suppress(BrokenPipeError):
        print(f"error: {one_line(message)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
