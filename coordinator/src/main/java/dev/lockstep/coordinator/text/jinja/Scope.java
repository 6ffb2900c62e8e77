package dev.lockstep.coordinator.text.jinja;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// The names one block sees: its own and, behind them, those of the blocks around it.
///
/// Assigning never reaches an outer scope; only a [Namespace] carries a change outwards.
final class Scope {
    private final Optional<Scope> outer;
    private final Map<String, Object> names = new HashMap<>();

    private Scope(Optional<Scope> outer) {
        this.outer = outer;
    }

    static Scope root() {
        return new Scope(Optional.empty());
    }

    Scope inner() {
        return new Scope(Optional.of(this));
    }

    void assign(String name, Object value) {
        names.put(name, value);
    }

    Object lookup(String name) {
        Optional<Scope> at = Optional.of(this);
        while (at.isPresent()) {
            Object value = at.get().names.get(name);
            if (value != null) {
                return value;
            }
            at = at.get().outer;
        }
        return Undefined.name(name);
    }
}
