// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.AbstractList;
import java.util.List;
import java.util.RandomAccess;

/// A tuple `(a, b)`: a sequence that is not a list and may be a key.
final class Tuple extends AbstractList<Object> implements RandomAccess {
    private final List<Object> items;

    Tuple(List<Object> items) {
        this.items = items;
    }

    static Tuple of(Object... items) {
        return new Tuple(List.of(items));
    }

    @Override
    public Object get(int index) {
        return items.get(index);
    }

    @Override
    public int size() {
        return items.size();
    }
}
