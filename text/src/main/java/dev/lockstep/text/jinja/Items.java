// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.List;
import java.util.function.Supplier;

/// Values that can be iterated but not indexed: a dict's views, and generators and iterators, which
/// yield their values once and are then empty.
///
/// A generator computes its values when the first one is taken.
final class Items {
    private final String typeName;
    private final boolean once;
    private final String text;
    private Supplier<List<Object>> values;

    private Items(String typeName, boolean once, String text, Supplier<List<Object>> values) {
        this.typeName = typeName;
        this.once = once;
        this.text = text;
        this.values = values;
    }

    static Items view(String typeName, List<Object> values) {
        return new Items(typeName, false, "", () -> values);
    }

    /// Returns a generator that prints with the name of the function it runs.
    static Items generator(String function, Budget budget, Supplier<List<Object>> values) {
        return new Items(
                "generator",
                true,
                "<generator object " + function + Function.ADDRESS + ">",
                () -> {
                    // Generators may be chained without end.
                    budget.enter();
                    List<Object> computed = values.get();
                    budget.leave();
                    return computed;
                });
    }

    static Items iterator(String typeName, List<Object> values) {
        return new Items(
                typeName, true, "<" + typeName + " object" + Function.ADDRESS + ">", () -> values);
    }

    String typeName() {
        return typeName;
    }

    /// Returns whether the values can be taken once only.
    boolean isOnce() {
        return once;
    }

    boolean isGenerator() {
        return once && typeName.equals("generator");
    }

    /// Returns the printed form of a generator or iterator.
    String text() {
        return text;
    }

    List<Object> take() {
        List<Object> taken = values.get();
        if (once) {
            values = List::of;
        }
        return taken;
    }

    /// Makes values that were taken and not used the next ones.
    void giveBack(List<Object> unused) {
        if (once) {
            values = () -> unused;
        }
    }
}
