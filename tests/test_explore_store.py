"""The parts below the search: hash, arenas, queue, log of parents."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tcpcheck.explore.ancestry import _test_ancestry
from tcpcheck.explore.frontier import _test_frontier
from tcpcheck.explore.hash64 import _test_hash64
from tcpcheck.explore.memory import _test_arena
from tcpcheck.explore.store import _test_store


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("length", [1, 8, 15, 16, 17, 32, 33, 100])
@pytest.mark.parametrize("kind", ["zeros", "random"])
def test_each_bit_in_changes_half_of_the_bits_out(length: int, kind: str) -> None:
    source = random.Random(length)
    worst_in, counts, trials = 64, [0] * 64, 0
    for _ in range(6 if kind == "random" else 1):
        data = source.randbytes(length) if kind == "random" else bytes(length)
        for bit in range(8 * length):
            change = _test_hash64(data) ^ _test_hash64(flipped(data, bit))
            worst_in = min(worst_in, change.bit_count())
            trials += 1
            for out in range(64):
                counts[out] += change >> out & 1
    assert worst_in >= 8  # 32 expected, deviation 4: six deviations
    spread = 6 * (trials / 4) ** 0.5
    assert all(abs(count - trials / 2) <= spread for count in counts)


def test_sparse_and_alike_inputs_meet_nowhere() -> None:
    """All strings with at most two bits set among 16 words, counters in any word, zeros of all lengths."""
    inputs = {bytes(n) for n in range(300)}
    inputs |= {flipped(flipped(bytes(128), i), j) for i in range(0, 1024, 3) for j in range(i)}
    inputs |= {bytes(8 * w) + k.to_bytes(8, "little") + bytes(120 - 8 * w) for w in range(16) for k in range(2000)}
    hashes = [_test_hash64(x) for x in inputs]
    assert len(set(hashes)) == len(inputs) > 200_000
    for shift in (0, 16, 32, 44):  # any 20 bits alone are as full as those of random numbers: n^2 / 2^21 pairs
        parts = len({h >> shift & 0xFFFFF for h in hashes})
        expected = (1 << 20) * (1 - (1 - 2.0**-20) ** len(inputs))
        assert abs(parts - expected) < 0.01 * expected


def test_seed_and_length_matter() -> None:
    assert len({_test_hash64(b"state", seed) for seed in range(1000)}) == 1000
    assert _test_hash64(b"a") != _test_hash64(b"a\0")


def test_hash_is_the_same_in_every_run() -> None:
    assert _test_hash64(bytes(range(256)) * 128) == 72374978253122027


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.integers(0, 300), st.integers(1 << 17, 1 << 18)), max_size=20))
def test_arena_pieces_stay_intact_and_are_all_counted(sizes: list[int]) -> None:
    got, intact, used, peak, after = _test_arena(sizes, 1 << 40)
    assert got == len(sizes) and intact and after == 0
    assert used >= sum(sizes) and peak >= used


def test_arena_refuses_what_exceeds_the_limit() -> None:
    got, intact, _, peak, after = _test_arena([200_000] * 10, 1_000_000)
    assert got == 3 and intact and peak <= 1_000_000 and after == 0
    assert _test_arena([1] * 3, 1 << 40, fail_after=0)[0] == 0
    assert _test_arena([1] * 3, 1 << 40, fail_after=1)[0] == 0  # directory, but no chunk
    assert _test_arena([1] * 3, 1 << 40, fail_after=2)[0] == 3


states = st.binary(max_size=200).map(lambda b: b.replace(b"\x01", b"\0"))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.none(), states, st.sampled_from([b"", bytes(100), bytes(32768), b"x" * 32761]))))
def test_queue_gives_back_what_was_put_in_order(ops: list[bytes | None]) -> None:
    got, _ = _test_frontier(ops)
    waiting: list[tuple[int, bytes]] = []
    want: list[tuple[int, bytes] | None] = []
    puts = 0
    for op in ops:
        if op is None:
            want.append(waiting.pop(0) if waiting else None)
        else:
            waiting.append((puts, op))
            puts += 1
    assert got == want


def test_queue_keeps_brothers_in_little_space_and_gives_blocks_back() -> None:
    source = random.Random(1)
    state = source.randbytes(2000)
    ops: list[bytes | None] = []
    for _ in range(20_000):
        state = flipped(state, source.randrange(16_000))
        ops.append(state)
    got, peak = _test_frontier([*ops, *[None] * 20_000])
    assert [s for _, s in got] == ops
    assert peak < 20_000 * 60
    alternating = [op for state in ops for op in (state, None)]
    assert _test_frontier(alternating)[1] < 1_000_000


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=96)), max_size=200))
def test_paths_are_rebuilt(steps: list[tuple[int, bytes]]) -> None:
    entries: list[tuple[int, bytes]] = []
    parent = 0
    for node, (up, choices) in enumerate(steps):
        parent = min(parent + up % 5, node)
        entries.append((parent, choices))
    paths, _ = _test_ancestry(entries)
    want: list[list[bytes]] = [[]]
    for parent, choices in entries:
        want.append([*want[parent], choices])
    assert paths == want


def test_a_node_costs_a_few_bytes_in_the_log() -> None:
    entries = [(node // 3, b"\x05\x01") for node in range(5000)]
    assert _test_ancestry(entries)[1] < 5


def test_parents_far_apart() -> None:
    parents = [0] * 40_000 + [1, 127, 128, 255, 256 + 16_384, 39_999]
    entries = [(parent, bytes([parent & 255])) for parent in parents]
    paths, _ = _test_ancestry(entries)
    assert paths[40_001:] == [[b"\0", bytes([parent & 255])] for parent in parents[40_000:]]


def test_the_log_in_several_chunks() -> None:
    """Lists of choices of any length, over a megabyte of them: none lies across the end of a chunk."""
    entries = [(0, bytes([node & 255]) * (node % 97)) for node in range(24_000)]
    paths, _ = _test_ancestry(entries)
    assert paths[1:] == [[choices] for _, choices in entries]


def test_the_set_of_states_tells_new_from_old() -> None:
    source = random.Random(3)
    hashes = [source.choice([source.randrange(1, 1 << 64), source.randrange(1, 2000), 0]) for _ in range(50_000)]
    done, _, counts = _test_store([(h, ()) for h in hashes])
    node_of: dict[int, int] = {}
    for h, (added, node) in zip(hashes, done, strict=True):
        h = h or 1  # 0 marks a free place
        assert added == (h in node_of)
        assert node == node_of.setdefault(h, len(node_of))
    assert counts == (len(node_of), len(node_of))


@pytest.mark.parametrize("span", [4, 1 << 40])
def test_zones_that_include_one_another(span: int) -> None:
    """span 2^40: more different bounds than numbers of 16 bits."""
    source = random.Random(span)
    adds = []
    for _ in range(12_000):
        bounds = [source.randrange(-span, span) for _ in range(9)]
        zone = source.choice([tuple(bounds), tuple(1 << 60 if b > span // 2 else b for b in bounds)])
        adds.append((source.randrange(1, 1500), zone))
        if source.random() < 0.3:  # once more, a little larger or smaller
            add = source.randrange(-2, 3)
            adds.append((adds[-1][0], tuple(b + add for b in zone)))
    done, zones, (states, nodes) = _test_store(adds)
    lists: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
    number = 0
    for (h, zone), (added, node) in zip(adds, done, strict=True):
        known = lists.setdefault(h, [])
        covering = [k for k, other in known if all(x <= y for x, y in zip(zone, other, strict=True))]
        assert added == bool(covering)
        if covering:
            assert node in covering
            continue
        assert node == number and zones[node] == zone
        number += 1
        lists[h] = [(k, o) for k, o in known if not all(x <= y for x, y in zip(o, zone, strict=True))] + [(node, zone)]
    assert (states, nodes) == (len(lists), number)
    assert span < 5 or len({b for zone in zones.values() for b in zone}) > 65_535


def test_exact_tells_states_of_one_hash_apart() -> None:
    """Also where the next hash is that of a third state, and after the table has grown."""
    states = [bytes([i & 255, i >> 8]) * 40 for i in range(5000)]
    adds = [(7 if i % 2 else i + 1000, (), state) for i, state in enumerate(states)]
    done, _, counts = _test_store([*adds, *adds], exact=True)
    assert done == [(0, i) for i in range(5000)] + [(1, i) for i in range(5000)]
    assert counts == (5000, 5000)
    merged, _, counts = _test_store([*adds, *adds])
    assert counts == (2501, 2501) and merged != done


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=40))
def test_exact_is_a_set_of_strings(strings: list[bytes]) -> None:
    done, _, counts = _test_store([(5, (), s) for s in strings], exact=True)
    first = {s: i for i, s in reversed(list(enumerate(strings)))}
    assert [added == 0 for added, _ in done] == [first[s] == i for i, s in enumerate(strings)]
    assert counts[0] == len(first)


def test_exact_keeps_the_zones_of_states_of_one_hash_apart() -> None:
    wide, narrow = (0, 0, 9, 0), (0, 0, 5, 0)
    adds = [(3, wide, b"a"), (3, narrow, b"b"), (3, narrow, b"a"), (3, narrow, b"b"), (3, wide, b"b")]
    assert [added for added, _ in _test_store(adds, exact=True)[0]] == [0, 0, 1, 1, 0]
