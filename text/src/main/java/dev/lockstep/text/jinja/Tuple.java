// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.AbstractList;
import java.util.List;
import java.util.RandomAccess;

/// A tuple `(a, b)`: a sequence that is not a list and may be a key; its items may have names.
final class Tuple extends AbstractList<Object> implements RandomAccess {
    private static final List<String> GROUP = List.of("grouper", "list");

    private final List<Object> items;
    private final List<String> names;

    Tuple(List<Object> items) {
        this(items, List.of());
    }

    private Tuple(List<Object> items, List<String> names) {
        this.items = items;
        this.names = names;
    }

    /// Returns a group of `groupby`, whose parts are also attributes.
    static Tuple group(Object grouper, List<Object> list) {
        return new Tuple(List.of(grouper, list), GROUP);
    }

    Object attribute(String name) {
        int index = names.indexOf(name);
        return index < 0 ? Undefined.attribute(this, name) : items.get(index);
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
