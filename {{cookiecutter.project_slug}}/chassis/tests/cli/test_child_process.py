import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import pytest

from chassis.cli.child_process import ChildProcess

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")

SLEEP = "import time; time.sleep(5)"


def test_passes_on_a_signal_that_does_not_interrupt_the_main_thread() -> None:
    """A signal for another thread is like one that arrives just before the main thread begins to wait."""

    def tell() -> None:
        time.sleep(0.5)  # the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    with ChildProcess([sys.executable, "-c", SLEEP]) as child:
        thread = threading.Thread(target=tell)
        thread.start()
        code = child.run()
        thread.join()

    assert (code, child.signal) == (128 + signal.SIGTERM, signal.SIGTERM)


@pytest.mark.parametrize(
    ("ignored", "last"),
    [
        (signal.SIGINT, signal.SIGHUP),
        (signal.SIGINT, signal.SIGTERM),
        (signal.SIGHUP, signal.SIGINT),
        (signal.SIGHUP, signal.SIGTERM),
    ],
)
def test_passes_on_each_signal_that_arrives_while_the_child_starts(
    ignored: signal.Signals, last: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Starting(subprocess.Popen[bytes]):
        def __init__(self, command: Sequence[str], env: dict[str, str]) -> None:
            super().__init__(command, env=env, stdout=subprocess.PIPE)
            assert self.stdout
            self.stdout.readline()
            for number in (ignored, last):
                signal.raise_signal(number)

    monkeypatch.setattr(subprocess, "Popen", Starting)
    ignores = f"import signal; signal.signal({ignored}, signal.SIG_IGN); print(flush=True)"
    with ChildProcess([sys.executable, "-c", f"{ignores}; {SLEEP}"]) as child:
        code = child.run()

    assert (code, child.signal) == (128 + last, ignored)
