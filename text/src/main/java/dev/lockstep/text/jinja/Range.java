// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.AbstractList;
import java.util.RandomAccess;

/// The numbers that `range` yields, computed on access.
final class Range extends AbstractList<Object> implements RandomAccess {
    final long start;
    final long stop;
    final long step;
    private final int size;

    Range(long start, long stop, long step, Budget budget) {
        if (step == 0) {
            throw new TemplateException("range() step must not be zero");
        }
        this.start = start;
        this.stop = stop;
        this.step = step;
        double exact = Math.ceil(((double) stop - start) / step);
        this.size = budget.items((long) Math.max(0, exact));
    }

    @Override
    public Object get(int index) {
        return start + index * step;
    }

    @Override
    public int size() {
        return size;
    }
}
