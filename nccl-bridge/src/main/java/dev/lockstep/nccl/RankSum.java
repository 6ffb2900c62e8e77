// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// The sum `target[i] = sources[0][i] + sources[1][i] + …` in fp32 and in this order, which makes
/// the bits independent of which rank sums which slice (law 6).
final class RankSum {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final ByteOrder ORDER = ByteOrder.nativeOrder();

    private RankSum() {}

    /// Sums `count` floats. Offsets are bytes into `memory`; `target` may be one of the sources.
    static void sum(MemorySegment memory, long[] sources, long target, int count) {
        int vectors = SPECIES.loopBound(count);
        for (int i = 0; i < vectors; i += SPECIES.length()) {
            long at = 4L * i;
            FloatVector sum =
                    FloatVector.fromMemorySegment(SPECIES, memory, sources[0] + at, ORDER);
            for (int rank = 1; rank < sources.length; rank++) {
                sum =
                        sum.add(
                                FloatVector.fromMemorySegment(
                                        SPECIES, memory, sources[rank] + at, ORDER));
            }
            sum.intoMemorySegment(memory, target + at, ORDER);
        }
        for (int i = vectors; i < count; i++) {
            long at = 4L * i;
            float sum = memory.get(ValueLayout.JAVA_FLOAT, sources[0] + at);
            for (int rank = 1; rank < sources.length; rank++) {
                sum += memory.get(ValueLayout.JAVA_FLOAT, sources[rank] + at);
            }
            memory.set(ValueLayout.JAVA_FLOAT, target + at, sum);
        }
    }
}
