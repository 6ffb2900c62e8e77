// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.AttentionShape;

/// The query heads that read each KV head, as ints in native memory for the kernels.
final class HeadGroups {
    private final AttentionShape shape;
    private final int[] sizes;
    private final long[] addresses;

    HeadGroups(AttentionShape shape, CpuMemory memory) {
        this.shape = shape;
        sizes = new int[shape.kvHeads()];
        addresses = new long[shape.kvHeads()];
        for (int kvHead = 0; kvHead < shape.kvHeads(); kvHead++) {
            addresses[kvHead] = memory.reserve(4L * Math.max(1, shape.queryHeads()));
        }
        for (int head = 0; head < shape.queryHeads(); head++) {
            int kvHead = shape.kvHeadOf()[head];
            long at = addresses[kvHead] + 4L * sizes[kvHead]++;
            AllMemory.SEGMENT.set(AllMemory.INT, at, head);
        }
    }

    AttentionShape shape() {
        return shape;
    }

    int size(int kvHead) {
        return sizes[kvHead];
    }

    /// Returns the address of the query heads of `kvHead`, ascending.
    long address(int kvHead) {
        return addresses[kvHead];
    }

    int largest() {
        int largest = 0;
        for (int size : sizes) {
            largest = Math.max(largest, size);
        }
        return largest;
    }
}
