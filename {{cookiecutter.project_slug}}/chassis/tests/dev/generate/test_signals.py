import signal
import time

import pytest

from chassis.dev.generate.signals import exit_on_signals

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no such signals")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_block_and_a_second_one_does_not_interrupt_its_cleanup(number: signal.Signals) -> None:
    before, is_clean = signal.getsignal(number), False

    with pytest.raises(SystemExit) as ended, exit_on_signals():
        try:
            signal.raise_signal(number)
            time.sleep(1)
        finally:
            signal.raise_signal(number)
            is_clean = True

    assert (ended.value.code, is_clean) == (128 + number, True)
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with exit_on_signals():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
