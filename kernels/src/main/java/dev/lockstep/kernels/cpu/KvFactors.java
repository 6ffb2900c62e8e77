// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KvScales;
import java.util.Optional;

/// The factors between keys and values and what is stored of them, by KV head.
///
/// @param keys address of a scale for each KV head, 0 for none
/// @param values the same of values
/// @param unit by which a stored element is multiplied besides its scale
record KvFactors(long keys, long values, float unit) {
    /// Kernels read a code of E4M3 as its value · 2^-8.
    private static final float E4M3_UNIT = 0x1p8f;

    static final KvFactors NONE = new KvFactors(0, 0, 1);
    private static final KvFactors UNSCALED_E4M3 = new KvFactors(0, 0, E4M3_UNIT);

    static KvFactors of(DType type, Optional<KvScales> scales) {
        KvFactors unscaled = type == DType.FP8 ? UNSCALED_E4M3 : NONE;
        if (scales.isEmpty()) {
            return unscaled;
        }
        return new KvFactors(
                scales.get().keys().pointer().address(),
                scales.get().values().pointer().address(),
                unscaled.unit);
    }

    /// Returns by what keys of a head are divided before they are stored.
    float keyScale(int kvHead) {
        return scale(keys, kvHead);
    }

    float valueScale(int kvHead) {
        return scale(values, kvHead);
    }

    /// Returns the factor of scores with stored keys.
    float ofKeys(int kvHead) {
        return keyScale(kvHead) * unit;
    }

    /// Returns the factor of sums of stored values.
    float ofValues(int kvHead) {
        return valueScale(kvHead) * unit;
    }

    private static float scale(long scales, int kvHead) {
        return scales == 0 ? 1 : AllMemory.SEGMENT.get(AllMemory.FLOAT, scales + 4L * kvHead);
    }
}
