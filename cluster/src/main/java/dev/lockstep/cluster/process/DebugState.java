// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/// What a process says of itself to whoever looks for a fault: numbers, phases and ids, and never a
/// text, a token or the name of a tenant. Safe for any thread.
public final class DebugState {
    private final Map<String, Supplier<?>> parts = new LinkedHashMap<>();

    /// Adds a part that is asked at each look: a record, a map or a list of such. It must not wait
    /// for long.
    public synchronized void add(String name, Supplier<?> part) {
        parts.put(name, part);
    }

    /// Returns all parts now, in the order in which they were added.
    Map<String, Object> now() {
        Map<String, Supplier<?>> all;
        synchronized (this) {
            all = new LinkedHashMap<>(parts);
        }
        var state = new LinkedHashMap<String, Object>();
        all.forEach((name, part) -> state.put(name, part.get()));
        return state;
    }
}
