// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/// The first place where two configurations of a model differ.
///
/// @param name of the component, with those that contain it
record ConfigDifference(String name, Object first, Object second) {
    /// Half the distance of neighbouring 32-bit floats, and more: files may store numbers so.
    private static final double TOLERANCE = 1e-6;

    static Optional<ConfigDifference> between(ModelConfig first, ModelConfig second) {
        return find("", first, second);
    }

    private static Optional<ConfigDifference> find(String name, Object first, Object second) {
        if (first instanceof Optional<?> a && second instanceof Optional<?> b) {
            return a.isPresent() && b.isPresent()
                    ? find(name, a.get(), b.get())
                    : unlessEqual(name, a, b);
        }
        if (first instanceof OptionalDouble a && second instanceof OptionalDouble b) {
            return a.isPresent() && b.isPresent()
                    ? find(name, a.getAsDouble(), b.getAsDouble())
                    : unlessEqual(name, a, b);
        }
        if (first instanceof Double a && second instanceof Double b) {
            return Math.abs(a - b) <= TOLERANCE * Math.max(Math.abs(a), Math.abs(b))
                    ? Optional.empty()
                    : unlessEqual(name, a, b);
        }
        if (first instanceof List<?> a
                && second instanceof List<?> b
                && a.size() == b.size()
                && !a.equals(b)) {
            return elements(name, a, b);
        }
        if (first instanceof Record a && a.getClass() == second.getClass()) {
            return components(name, a, second);
        }
        return unlessEqual(name, first, second);
    }

    private static Optional<ConfigDifference> elements(String name, List<?> first, List<?> second) {
        Iterator<?> others = second.iterator();
        for (Object each : first) {
            Optional<ConfigDifference> found = find(name, each, others.next());
            if (found.isPresent()) {
                return found;
            }
        }
        return Optional.empty();
    }

    private static Optional<ConfigDifference> components(String name, Record first, Object second) {
        for (RecordComponent component : first.getClass().getRecordComponents()) {
            try {
                Optional<ConfigDifference> found =
                        find(
                                name.isEmpty()
                                        ? component.getName()
                                        : name + "." + component.getName(),
                                component.getAccessor().invoke(first),
                                component.getAccessor().invoke(second));
                if (found.isPresent()) {
                    return found;
                }
            } catch (IllegalAccessException | InvocationTargetException e) {
                throw new IllegalStateException(e);
            }
        }
        return Optional.empty();
    }

    private static Optional<ConfigDifference> unlessEqual(
            String name, Object first, Object second) {
        return first.equals(second)
                ? Optional.empty()
                : Optional.of(new ConfigDifference(name, first, second));
    }
}
