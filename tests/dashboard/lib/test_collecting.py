import gc

from dashboard.lib.collecting import seldom_collecting


def test_the_collector_looks_seldom_and_as_before_afterwards() -> None:
    usual = gc.get_threshold()
    with seldom_collecting():
        assert gc.get_threshold()[0] > 10 * usual[0]
        assert gc.get_freeze_count()
    assert gc.get_threshold() == usual
    assert not gc.get_freeze_count()
