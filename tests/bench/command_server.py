"""Commands run as `python -m` runs them, in processes forked after the imports.

A process is forked from a server that has imported the commands already, so that a
test does not wait seconds for torch each time.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys

IMPORTED = ("priorbench.bench.run", "priorbench.bench.report.write")


def run_command(module, arguments, folder, environment, timeout=300):
    """Run ``python -m module`` in ``folder``; return what ``subprocess.run`` does.

    What starts processes itself has an interpreter of its own, as it has for a user.
    """
    alone = "--jobs 1" in " ".join(arguments) or {"--dry-run", "--help"} & {*arguments}
    if module in ("bench.run", "bench.score") and not alone:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
        )
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*IMPORTED, __name__])
    output = {"stdout": folder / ".stdout", "stderr": folder / ".stderr"}
    process = context.Process(
        target=_become_command,
        args=(module, arguments, folder, environment, *output.values()),
    )
    process.start()
    process.join(timeout)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"{module} {arguments} took more than {timeout} s")
    texts = {}
    for name, path in output.items():
        texts[name] = path.read_text(encoding="utf-8")
        path.unlink()
    return subprocess.CompletedProcess([module, *arguments], process.exitcode, **texts)


def _become_command(module, arguments, folder, environment, *output):
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream, name, path in zip((1, 2), ("stdout", "stderr"), output, strict=True):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, stream)
        setattr(sys, name, os.fdopen(stream, "w", encoding="utf-8"))
    sys.argv = [module, *arguments]
    sys.path.insert(0, str(folder))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
