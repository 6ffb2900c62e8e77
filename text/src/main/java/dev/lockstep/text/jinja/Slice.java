// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.math.BigInteger;

/// The indices that a slice of a sequence selects: `count` of them, `start`, `start + step` and so
/// on.
record Slice(long start, long step, long count) {
    /// Returns a slice; bounds may be none, negative (counted from the end) or beyond the sequence.
    static Slice of(Object start, Object stop, Object step, int size) {
        long stride = bound(step, 1);
        if (stride == 0) {
            throw new TemplateException("slice step cannot be zero");
        }
        long first = stride > 0 ? 0 : -1;
        long last = stride > 0 ? size : size - 1;
        long from = clamped(start, stride > 0 ? first : last, first, last, size);
        long to = clamped(stop, stride > 0 ? last : first, first, last, size);
        long distance = stride > 0 ? to - from : from - to;
        long width = stride == Long.MIN_VALUE ? Long.MAX_VALUE : Math.abs(stride);
        return new Slice(from, stride, distance <= 0 ? 0 : (distance - 1) / width + 1);
    }

    int at(long index) {
        return (int) (start + index * step);
    }

    private static long clamped(Object bound, long fallback, long first, long last, int size) {
        if (bound == None.NONE) {
            return fallback;
        }
        long index = bound(bound, 0);
        return Math.clamp(index < 0 ? index + size : index, first, last);
    }

    private static long bound(Object bound, long fallback) {
        if (bound == None.NONE) {
            return fallback;
        }
        if (bound instanceof Undefined missing) {
            throw missing.used();
        }
        if (Numbers.widened(bound) instanceof Long index) {
            return index;
        }
        if (bound instanceof BigInteger big) {
            return big.signum() * (long) Integer.MAX_VALUE;
        }
        throw new TemplateException("slice indices must be integers or None");
    }
}
