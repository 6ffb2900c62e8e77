// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.util.Random;

/// Values that every rank can generate for every other rank, so that each checks its own result.
final class RankValues {
    private RankValues() {}

    /// Returns floats with exponents from 2⁻¹² to 2¹²: added in another order, most sums have other
    /// bits.
    static float[] floats(long seed, int rank, int count) {
        var random = new Random(seed * 31 + rank);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = Math.scalb(random.nextFloat() - 0.5f, random.nextInt(25) - 12);
        }
        return values;
    }

    static byte[] bytes(long seed, int count) {
        byte[] values = new byte[count];
        new Random(seed).nextBytes(values);
        return values;
    }

    /// Returns the fp32 sum, rank 0 first: the bits that law 6 guarantees.
    static float[] rankOrderedSum(long seed, int size, int count) {
        float[] sum = floats(seed, 0, count);
        for (int rank = 1; rank < size; rank++) {
            float[] next = floats(seed, rank, count);
            for (int i = 0; i < count; i++) {
                sum[i] += next[i];
            }
        }
        return sum;
    }
}
