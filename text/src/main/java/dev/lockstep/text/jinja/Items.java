// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.List;

/// Values that can be iterated but not indexed: a dict's views, and generators, which yield their
/// values once and are then empty.
final class Items {
    private final String typeName;
    private final boolean once;
    private List<Object> values;

    private Items(String typeName, boolean once, List<Object> values) {
        this.typeName = typeName;
        this.once = once;
        this.values = values;
    }

    static Items view(String typeName, List<Object> values) {
        return new Items(typeName, false, values);
    }

    static Items generator(List<Object> values) {
        return new Items("generator", true, values);
    }

    String typeName() {
        return typeName;
    }

    boolean isGenerator() {
        return once;
    }

    List<Object> take() {
        List<Object> taken = values;
        if (once) {
            values = List.of();
        }
        return taken;
    }
}
