// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import java.util.ArrayList;
import java.util.List;

/// The numbers of rows that recorded decode steps have; a step with fewer is padded to the next.
/// All ranks have the same.
final class DecodeSizes {
    private static final int LARGEST = 512;

    private DecodeSizes() {}

    /// Returns the sizes up to a number of sequences, which is the last one unless it is too large.
    /// Products of few rows take as long as those of 8, so finer steps would gain nothing.
    static List<Integer> upTo(int sequences) {
        int last = Math.min(sequences, LARGEST);
        List<Integer> sizes = new ArrayList<>();
        for (int size = 1; size < last; size = after(size)) {
            sizes.add(size);
        }
        sizes.add(last);
        return List.copyOf(sizes);
    }

    private static int after(int size) {
        if (size < 8) {
            return 2 * size;
        }
        if (size < 64) {
            return size + 8;
        }
        if (size < 128) {
            return size + 16;
        }
        return size + (size < 256 ? 32 : 64);
    }
}
