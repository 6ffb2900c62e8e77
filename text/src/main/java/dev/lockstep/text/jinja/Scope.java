// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.HashMap;
import java.util.Map;

/// The names that one block sees: its own, then those of its enclosing blocks.
///
/// An assignment never changes an outer scope; only a [Namespace] carries a change outwards.
final class Scope {
    private final Scope outer;
    private final Map<String, Object> names = new HashMap<>(8);

    private Scope() {
        this.outer = this;
    }

    private Scope(Scope outer) {
        this.outer = outer;
    }

    /// Returns an outermost scope, which is its own `outer`.
    static Scope root() {
        return new Scope();
    }

    Scope inner() {
        return new Scope(this);
    }

    void assign(String name, Object value) {
        names.put(name, value);
    }

    Object lookup(String name) {
        Scope at = this;
        while (true) {
            Object value = at.names.get(name);
            if (value != null) {
                return value;
            }
            if (at.outer == at) {
                return Undefined.name(name);
            }
            at = at.outer;
        }
    }
}
