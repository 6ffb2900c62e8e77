// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/// Digests of the bits that each rank of a group has computed, in order. Every rank adds its own.
final class RankBits {
    private final SortedMap<Integer, List<Integer>> digests = new TreeMap<>();

    synchronized void add(int rank, int[] bits) {
        digests.computeIfAbsent(rank, _ -> new ArrayList<>()).add(Arrays.hashCode(bits));
    }

    /// Requires that all ranks have computed the same bits; returns their digests.
    synchronized List<Integer> requireEqualOnAllRanks(int size) {
        assertEquals(size, digests.size(), "ranks");
        List<Integer> first = digests.get(digests.firstKey());
        digests.forEach((rank, bits) -> assertEquals(first, bits, "bits of rank " + rank));
        return List.copyOf(first);
    }
}
